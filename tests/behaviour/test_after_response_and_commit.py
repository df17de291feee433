"""Jobs of this process and transactions: they wait for the commit too, and a rollback drops them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

import asyncq
from asyncq import AsyncQ, Job
from asyncq.asgi import QueueMiddleware
from tests.behaviour.looking import eventually
from tests.behaviour.webs import FRAMEWORKS, ask

notes: list[str] = []


class Boom(Exception):
    pass


class Note(Job):
    text: str

    async def handle(self) -> None:
        notes.append(self.text)


class Passes(Job):
    """Dispatches a note elsewhere."""

    async def handle(self) -> None:
        await Note(text="of the job").dispatch(connection="other")
        notes.append("dispatched")


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    notes.clear()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    yield engine
    await engine.dispose()


async def dispatch(scheme: str, text: str) -> None:
    """Dispatch a note in the way that the connection is for."""
    if scheme == "memory":
        await Note(text=text).dispatch_after_response()
    else:
        await Note(text=text).dispatch()


@pytest.mark.parametrize("scheme", ["memory", "deferred"])
async def test_what_was_committed_runs_after_the_response_and_what_was_rolled_back_does_not(
    engine: AsyncEngine, scheme: str
) -> None:
    async def endpoint() -> str:
        async with AsyncSession(engine) as session:
            async with asyncq.after_commit(session), session.begin():
                await dispatch(scheme, "committed")
            with suppress(Boom):
                async with asyncq.after_commit(session), session.begin():
                    await dispatch(scheme, "rolled back")
                    raise Boom
        return ""

    async with AsyncQ(f"{scheme}://"):
        await ask(FRAMEWORKS["fastapi"].make({"/": endpoint}), notes=notes)
    assert [text for text in notes if text != "asked"] == ["start", "last", "over", "committed"]


async def test_a_transaction_that_ends_after_the_response_lets_them_run_then(engine: AsyncEngine) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        async with AsyncSession(engine) as session, asyncq.after_commit(session), session.begin():
            await Note(text="job").dispatch_after_response()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async with AsyncQ("memory://"):
        await ask(QueueMiddleware(application), notes=notes)
    assert notes == ["start", "last", "over", "job"]


async def test_a_job_of_this_process_is_no_part_of_the_transaction_in_which_it_was_dispatched(
    engine: AsyncEngine,
) -> None:
    app = AsyncQ(connections={"default": "background://", "other": "memory://"})
    async with app, AsyncSession(engine) as session:
        with suppress(Boom):
            async with asyncq.after_commit(session), session.begin():
                await Passes().dispatch(after_commit=False)
                await eventually(lambda: notes == ["dispatched"])
                raise Boom
        other: Any = (await app.engine()).driver("other")
        assert (await other.sizes(["default"]))["default"].ready == 1
