"""A shop: an order, the mail about it and its parcel are one transaction.

pip install 'asyncq[postgres,sqlalchemy]' fastapi uvicorn
asyncq migrate up
uvicorn main:api
asyncq work                 in another terminal
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, FastAPI, HTTPException
from sqlalchemy import select

from asyncq.asgi import QueueMiddleware

from database import queue, sessions
from jobs import CountView, SendReceipt, Ship
from models import Customer, Order, Stock, View

api = FastAPI(lifespan=queue.lifespan())
api.add_middleware(QueueMiddleware)


@api.post("/orders", status_code=201)
async def order(
    customer: Annotated[str, Body()], item: Annotated[str, Body()], pay: Annotated[bool, Body()] = True
) -> dict[str, int]:
    """Store the order and dispatch its jobs; whatever goes wrong until the commit takes all of it back."""
    async with sessions() as session, session.begin():
        known = await session.scalar(select(Customer).where(Customer.name == customer))
        placed = Order(customer=known or Customer(name=customer), item=item)
        session.add(placed)
        await session.flush()  # the jobs need its key
        await SendReceipt(order=placed).dispatch(tx=session)
        await Ship(order=placed).dispatch(tx=session)
        if not pay:
            raise HTTPException(402, "no money, no lamp")
    return {"id": placed.id}


@api.get("/orders/{id}")
async def look(id: int) -> dict[str, str]:
    async with sessions() as session:
        placed = await session.get(Order, id)
    if placed is None:
        raise HTTPException(404, f"there is no order {id}")
    return {"item": placed.item, "state": placed.state}


@api.get("/items/{item}")
async def show(item: str) -> dict[str, int]:
    """Answer first, count the view then."""
    async with sessions() as session:
        stock, view = await session.get(Stock, item), await session.get(View, item)
    await CountView(item=item).dispatch_after_response()
    return {"left": stock.left if stock else 0, "views": view.count if view else 0}
