"""What follows from an order. The jobs hold the order itself; each run has a session, in which it was loaded again."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from asyncq import Job, JobContext

from models import Order, Stock, View

MAILS = Path("mails")


class SendReceipt(Job, queue="mail", tries=5, backoff=[1, 10, 60], delete_when_missing=True):
    """A mail may go out twice when a worker dies, never not at all; an order that was deleted needs none."""

    order: Order

    def handle(self) -> None:
        MAILS.mkdir(exist_ok=True)
        order = self.order
        # The customer was loaded when the job was dispatched, so it was loaded again.
        (MAILS / f"{order.id}.txt").write_text(f"Dear {order.customer.name}, you ordered: {order.item}.\n")


class Ship(Job, queue="parcels", tries=5, backoff=[1, 10, 60]):
    """Takes one piece from the stock exactly once: the job ends in the very transaction that takes it."""

    order: Order

    async def handle(self, session: AsyncSession, ctx: JobContext) -> None:
        take = update(Stock).where(Stock.item == self.order.item, Stock.left > 0).values(left=Stock.left - 1)
        taken = await session.scalar(take.returning(Stock.left))
        self.order.state = "sold out" if taken is None else "shipped"
        await ctx.complete(tx=session)
        await session.commit()


class CountView(Job):
    """Nobody waits for it and nobody misses it: it runs in the web process, after the response."""

    item: str

    async def handle(self, session: AsyncSession) -> None:
        view = await session.get(View, self.item)
        session.add(view := view or View(item=self.item, count=0))
        view.count += 1
        await session.commit()
