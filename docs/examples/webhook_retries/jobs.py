"""The job: deliver one webhook, again and again until the receiver takes it or it is given up.

pip install httpx2
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx2

from asyncq import Depends, Job, JobContext

SECRET = os.environ.get("WEBHOOK_SECRET", "a secret that both sides know").encode()
# The client gives up before the job does: a timeout that names what was slow, and frees the connection.
LIMITS = httpx2.Timeout(float(os.environ.get("WEBHOOK_TIMEOUT", "10")), connect=3)
GIVEN_UP = Path(__file__).with_name("given-up.txt")


async def get_client() -> AsyncIterator[httpx2.AsyncClient]:
    """One client, so one pool of connections, for as long as the worker lives."""
    async with httpx2.AsyncClient(timeout=LIMITS) as client:
        yield client


class Refused(Exception):
    """The receiver does not want it, however often it is asked."""


class Deliver(Job, queue="webhooks", tries=5, backoff=[1, 10, 60, 600], timeout=30, fail_on=Refused):
    """Five attempts in about eleven minutes; a refusal is final at once."""

    url: str
    body: str

    async def handle(
        self, ctx: JobContext, client: Annotated[httpx2.AsyncClient, Depends(get_client, scope="app")]
    ) -> None:
        headers = {
            # The same in every attempt, so that a receiver who gets a delivery twice can tell.
            "Webhook-Id": ctx.id,
            "Webhook-Signature": sign(self.body),
            "Content-Type": "application/json",
        }
        response = await client.post(self.url, content=self.body, headers=headers)
        if response.is_success:
            return
        wait = response.headers.get("Retry-After", "")
        if wait.isdecimal():
            ctx.log.warning("%s wants to be left alone for %s s", self.url, wait)
            ctx.release(min(int(wait), 3600))
        if response.is_client_error and response.status_code not in {408, 425, 429}:
            raise Refused(f"{self.url} answered {response.status_code}")
        response.raise_for_status()  # a 500 or a 503: an attempt that failed, tried again after the backoff

    async def failed(self, error: BaseException) -> None:
        """Called once the job is given up. It may be called twice, and an entry that is there twice does no harm."""
        with GIVEN_UP.open("a", encoding="utf-8") as file:
            file.write(f"{self.url}: {error!r}\n")


def sign(body: str) -> str:
    """Return what proves to the receiver who sent it."""
    return hmac.new(SECRET, body.encode(), hashlib.sha256).hexdigest()
