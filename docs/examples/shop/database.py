"""One database for the shop and its queue: a SQLite file, or the PostgreSQL server that SHOP_DATABASE names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from asyncq import AsyncQ

from models import Base, Stock

URL = os.environ.get("SHOP_DATABASE", "sqlite:///shop.db")
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
SCHEME, _, REST = URL.partition("://")

engine = create_async_engine(f"{DRIVERS[SCHEME]}://{REST}")
sessions = async_sessionmaker(engine, expire_on_commit=False)

if SCHEME == "sqlite":
    # Two transactions that read first and write later would refuse each other: let each take its turn at once.
    @event.listens_for(engine.sync_engine, "connect")
    def by_hand(connection: DBAPIConnection, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def at_once(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def with_tables(queue: AsyncQ) -> AsyncIterator[None]:
    """Make the shop's own tables where there are none; the queue's come from `asyncq migrate`."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session, session.begin():
        if await session.get(Stock, "lamp") is None:
            session.add(Stock(item="lamp", left=3))
    yield
    await engine.dispose()


queue = AsyncQ(URL, session=sessions, lifespan=with_tables)
