"""Empties queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncq.cli.asking import check_that_we_may_ask, confirmed
from asyncq.cli.failures import FAILED
from asyncq.cli.output import counted, forgotten, say, write_json
from asyncq.cli.places import names_in
from asyncq.cli.session import in_engine
from asyncq.contracts import Clearable
from asyncq.discovery import discover
from asyncq.errors import NotSupported
from asyncq.records import QueueSize
from asyncq.wiring import Engine

__all__ = ["clear_queues"]


def clear_queues(
    asked: str | None, connection: str | None, queues: Sequence[str], *, force: bool, as_json: bool
) -> int:
    """Forget all jobs of some queues of one connection, by default of its default queue; returns 1 after a no."""
    check_that_we_may_ask(force=force)
    found = discover(asked, jobs=False)
    name = connection or found.app.default
    sizes = in_engine(found, lambda engine: _sizes(engine, name, queues))
    if not confirmed(_question(name, sizes), force=force):
        say("nothing was forgotten")
        return FAILED
    rows = in_engine(found, lambda engine: _clear(engine, name, list(sizes)))
    if as_json:
        write_json(rows)
        return 0
    for row in rows:
        say(f"queue {row['queue']} of {name}: {forgotten(row['forgotten'], 'job')}")
    return 0


async def _sizes(engine: Engine, connection: str, queues: Sequence[str]) -> Mapping[str, QueueSize]:
    """Count what would be lost.

    Raises:
        NotSupported: this broker cannot empty a queue.
    """
    driver = engine.driver(connection)
    if not isinstance(driver, Clearable):
        raise NotSupported(f"connection {connection!r} cannot empty a queue; use the tools of its broker")
    return await driver.sizes(names_in(queues) or [engine.setup.queues[connection]])


def _question(connection: str, sizes: Mapping[str, QueueSize]) -> str:
    total = sum(size.total for size in sizes.values())
    running = sum(size.reserved for size in sizes.values())
    told = f", {running} of which {'is' if running == 1 else 'are'} running now," if running else ""
    queues = "queue" if len(sizes) == 1 else "queues"
    return f"Forget {counted(total, 'job')}{told} of {queues} {', '.join(sizes)} of connection {connection}?"


async def _clear(engine: Engine, connection: str, queues: Sequence[str]) -> Sequence[dict[str, Any]]:
    driver = engine.driver(connection)
    assert isinstance(driver, Clearable)  # `_sizes` has seen to that
    return [{"connection": connection, "queue": queue, "forgotten": await driver.clear(queue)} for queue in queues]
