"""Jobs of a small shop, for tests of the tools for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncq
from asyncq import INJECT, Job, JobContext, Next, job

__all__ = ["Bill", "Ledger", "Mail", "Order", "Pack", "count", "greet", "traced"]


class Mail(Job, queue="mail", tries=3, backoff=[10, 3600]):
    to: str
    body: str = ""

    async def handle(self) -> str:
        if self.body == "broken":
            raise ConnectionError("no server")
        return f"to {self.to}"


class Order(Job):
    number: int

    async def handle(self) -> int:
        await Mail(to="ada", body=f"order {self.number}").dispatch()
        await Pack(number=self.number).dispatch(delay=60)
        return self.number


class Pack(Job):
    number: int

    def handle(self) -> str:
        return f"packed {self.number}"


class Bill(Job, unique_for=timedelta(hours=1), unique_by=["number"]):
    number: int
    note: str = ""

    async def handle(self) -> None: ...


class Ledger(Job, tries=2, timeout=30):
    """Notes what happens to it."""

    deed: str = "nothing"

    async def handle(self, ctx: JobContext) -> str:
        if self.deed == "release":
            ctx.release(7)
        if self.deed == "skip":
            ctx.skip("no need")
        if self.deed == "fail":
            ctx.fail("broken")
        if self.deed == "raise":
            raise ValueError("oops")
        return f"attempt {ctx.attempt}"


@job(queue="mail", tries=2)
async def greet(to: str, *, body: str = "hello", ctx: JobContext = INJECT) -> str:
    return f"{body} {to} {ctx.attempt}"


@job
def count(number: int) -> int:
    return number + 1


def traced(trace: list[str]) -> Any:
    """Return a middleware that notes what it saw."""

    async def middleware(ctx: JobContext, call_next: Next) -> Any:
        trace.append(f"{type(ctx.job).__name__} {ctx.attempt}")
        assert asyncq.current() is ctx
        return await call_next(ctx)

    return middleware
