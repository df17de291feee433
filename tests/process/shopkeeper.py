"""Writes a job into the outbox of a database, or carries it to its broker, and dies at a chosen step.

python -m tests.process.shopkeeper DATABASE BROKER LOG ROLE STEP

Role `web` writes a user and a job in one transaction, `work` is a worker, `charge` one whose job writes a user and ends
in one transaction. At its step the process kills itself; the step `never` lets a worker run until the job has run and
nothing is left. Each run of the first job adds a line to LOG.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite

from asyncq import AsyncQ, Job, JobContext
from asyncq.stores import Outbox
from asyncq.worker import relay


class Note(Job, name="note"):
    path: str

    def handle(self) -> None:
        with Path(self.path).open("a", encoding="utf-8") as log:
            log.write("ran\n")


class Charge(Job, name="charge"):
    database: str

    async def handle(self, ctx: JobContext) -> None:
        step = sys.argv[5]
        async with aiosqlite.connect(self.database, isolation_level=None) as connection:
            await connection.execute("BEGIN IMMEDIATE")
            await connection.execute("INSERT INTO users VALUES ('Ada')")
            if step == "written":
                die()
            await ctx.complete(tx=connection)
            if step == "completed":
                die()
            await connection.execute("COMMIT")
        if step == "committed":
            die()


def die() -> None:
    """End as a process does whose machine loses its power."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(call: Callable[..., Awaitable[Any]], *, before: bool) -> Callable[..., Awaitable[Any]]:
    """Die at a call: before it, or when it has had its effect."""

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            die()
        answer = await call(*args, **kwargs)
        if answer != []:  # a take that found nothing is no step
            die()
        return answer

    return wrapped


async def web(app: AsyncQ, database: str, log: str, step: str) -> None:
    """Write a user and a job."""
    async with app, aiosqlite.connect(database, isolation_level=None) as connection:
        await connection.execute("BEGIN IMMEDIATE")
        await connection.execute("INSERT INTO users VALUES ('Ada')")
        await Note(path=log).dispatch(tx=connection, id="the-note")
        if step == "written":
            die()
        await connection.execute("COMMIT")
        if step == "committed":
            die()


async def work(app: AsyncQ, log: str, step: str) -> None:
    """Carry and run until both are done, or until the end."""
    async with app:
        engine = await app.engine()
        outbox, broker = engine.driver("db").stores.outbox, engine.driver("default")
        assert outbox is not None
        places: dict[str, tuple[Any, str, bool]] = {
            "taken": (outbox, "take", False),
            "before the push": (broker, "push", True),
            "pushed": (broker, "push", False),
            "before done": (outbox, "done", True),
            "done": (outbox, "done", False),
        }
        if step in places:
            owner, name, before = places[step]
            setattr(owner, name, dying(getattr(owner, name), before=before))
        # One that dies reads no queue with jobs, so that the job runs only when all is carried.
        async with app.worker("default" if step == "never" else "nothing"):
            while not (Path(log).exists() and await is_empty(outbox)):  # noqa: ASYNC110, ASYNC240 - of other processes
                await asyncio.sleep(0.02)


async def charge(app: AsyncQ, database: str) -> None:
    """Dispatch the job, unless it was before, and work until it is gone."""
    async with app, aiosqlite.connect(database) as connection:
        ((charged,),) = await connection.execute_fetchall("SELECT count(*) FROM users")
        if not charged:
            await Charge(database=database).dispatch(connection="db", id="the-charge")
        await connection.close()
        driver = (await app.engine()).driver("db")
        async with app.worker(connection="db"):
            while (await driver.sizes(["default"]))["default"].total:  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.02)


async def is_empty(outbox: Outbox) -> bool:
    """Say whether no row can be taken; one that another process holds is asked for again."""
    return not await outbox.take(limit=1, lease=0.0)


def main(database: str, broker: str, log: str, role: str, step: str) -> None:
    """Do what the arguments say."""
    relay.LEASE_SECONDS = 0.5  # type: ignore[misc]  # pyright: ignore[reportConstantRedefinition]
    app = AsyncQ(connections={"default": broker, "db": f"sqlite:///{database}?lease=1"})
    roles = {"web": lambda: web(app, database, log, step), "charge": lambda: charge(app, database)}
    asyncio.run(roles.get(role, lambda: work(app, log, step))())


if __name__ == "__main__":
    main(*sys.argv[1:])
