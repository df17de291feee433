"""The jobs of a small shop. `test_shop.py` beside it tests them without a worker, a server or a second of waiting."""

from __future__ import annotations

from datetime import timedelta

from asyncq import INJECT, Job, JobContext, job

SENT: list[str] = []
"""Stands for the mail server, the bank and the search index of a real shop."""
OUTAGES: dict[str, int] = {}
"""How often a service is still to refuse."""


class Unavailable(Exception):
    """A service does not answer."""


def call(service: str, what: str) -> str:
    """Call a service; it may be out of order for a while."""
    if OUTAGES.get(service, 0) > 0:
        OUTAGES[service] -= 1
        raise Unavailable(service)
    SENT.append(f"{service}: {what}")
    return f"{service}-{len(SENT)}"


@job(queue="mail", tries=5, backoff=[60, 3600])
async def send_mail(to: str, subject: str, *, ctx: JobContext = INJECT) -> str:
    """Send a mail; `ctx` is given by the worker."""
    ctx.log.info("mail to %s", to)
    return call("mail", f"{subject} to {to}")


class Charge(Job, queue="money", backoff=timedelta(hours=1), retry_for=timedelta(hours=24), timeout=10):
    """Charges a customer, and tries so for a day."""

    order: int
    cents: int

    async def handle(self, ctx: JobContext) -> str:
        if self.cents <= 0:
            ctx.skip("nothing to pay")
        receipt = call("bank", f"charge {self.cents} for order {self.order}")
        await Ship(order=self.order).dispatch(delay=timedelta(minutes=30))
        await send_mail.dispatch("customer@example.org", f"Receipt {receipt}")
        return receipt

    async def failed(self, error: BaseException, /) -> None:
        """Tell the customer; called once, after the last try."""
        await send_mail.dispatch("customer@example.org", f"Order {self.order} was not paid")


class Ship(Job, tries=0):
    """Waits until the parcel service has room, and asks once a quarter of an hour."""

    order: int

    async def handle(self, ctx: JobContext) -> str:
        try:
            return call("parcel", f"ship order {self.order}")
        except Unavailable:
            ctx.release(timedelta(minutes=15))


class Reindex(Job, queue="search", unique_by=["shelf"], unique_for=timedelta(hours=6)):
    """Brings a shelf of the shop into the search index; one at a time is enough."""

    shelf: str
    asked_by: str = ""

    def handle(self) -> str:
        return call("search", f"index {self.shelf}")
