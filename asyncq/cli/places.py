"""What `mail` and `reports:mail` mean: a connection and a queue."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.app import AsyncQ
from asyncq.cli.failures import UsageError
from asyncq.contracts import Inspectable
from asyncq.registry import Registry
from asyncq.wiring import Engine

__all__ = ["Place", "all_places", "known_queues", "names_in", "place_of", "places_of", "queues_to_read"]

Place = tuple[str, str]
"""A connection and a queue of it."""


def place_of(engine: Engine, text: str) -> Place:
    """Read `queue` or `connection:queue`; a name before the colon that is no connection belongs to the queue."""
    connection, colon, queue = text.partition(":")
    if colon and connection in engine.drivers:
        return connection, queue or engine.setup.queues[connection]
    return engine.setup.default, text


def names_in(texts: Sequence[str]) -> list[str]:
    """Split `a,b` into names, each once.

    Raises:
        UsageError: one is empty.
    """
    names = list(dict.fromkeys(part.strip() for text in texts for part in text.split(",")))
    if "" in names:
        raise UsageError(f"a queue has no name in {', '.join(map(repr, texts))}; write for example mail,default")
    return names


async def places_of(engine: Engine, texts: Sequence[str]) -> Sequence[Place]:
    """Read the given queues; none given: every queue that holds a job."""
    return [place_of(engine, name) for name in names_in(texts)] or await all_places(engine)


async def all_places(engine: Engine) -> Sequence[Place]:
    """Return every queue that holds a job, and of a broker that cannot list them the queues that are known."""
    found: list[Place] = []
    for name, driver in engine.drivers.items():
        if isinstance(driver, Inspectable):
            found += [(name, queue) for queue in await driver.queues()]
        elif not driver.traits.runs_inline and not driver.traits.discards:
            found += [(name, queue) for queue in known_queues(engine, name)]
    return found


def known_queues(engine: Engine, connection: str) -> Sequence[str]:
    """Return the default queue of a connection, then the queues that imported jobs name."""
    setup = engine.setup
    return _queues(setup.registry, setup.queues[connection], connection, setup.default)


def queues_to_read(app: AsyncQ, connection: str) -> Sequence[str]:
    """Return the queues that a worker of a connection reads if nobody says which."""
    default = app.connections[connection].settings(connection).queue
    return _queues(app.registry, default, connection, app.default)


def _queues(registry: Registry, queue: str, connection: str, default: str) -> Sequence[str]:
    named = {
        cls.settings_.queue
        for cls in registry.load().values()
        if (cls.settings_.connection or default) == connection and cls.settings_.queue
    }
    return list(dict.fromkeys([queue, *sorted(named)]))
