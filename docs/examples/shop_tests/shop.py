"""What the web application of the shop does; it only dispatches."""

from __future__ import annotations

from asyncq import dispatch_many

from jobs import Charge, Reindex, send_mail


async def sign_up(address: str) -> None:
    """Greet now, and again tomorrow."""
    await send_mail.dispatch(address, "Welcome")
    await send_mail.options(delay=86_400).dispatch(address, "How do you like it?")


async def order(number: int, cents: int) -> None:
    """Take an order: large ones are charged first."""
    await Charge(order=number, cents=cents).dispatch(queue="fast" if cents > 100_000 else "money")


async def restock(*shelves: str) -> int:
    """Index what changed; answers how many shelves were not waiting for it already."""
    handles = await dispatch_many([Reindex(shelf=shelf, asked_by="restock") for shelf in shelves])
    return sum(handle.created for handle in handles)


async def price(order_number: int, cents: int) -> str:
    """Charge while the customer waits."""
    return f"paid with {await Charge(order=order_number, cents=cents).dispatch_sync()}"
