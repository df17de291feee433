"""Tells running workers what to do: restart, pause, go on."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.cli.failures import UsageError
from asyncq.cli.heartbeats import Heartbeat, heartbeats
from asyncq.cli.output import say
from asyncq.cli.places import Place, place_of
from asyncq.cli.session import with_engine
from asyncq.errors import NotSupported
from asyncq.events import QueuePaused, QueueResumed
from asyncq.ids import new_id
from asyncq.stores import SignalStore
from asyncq.wiring import Engine
from asyncq.worker.control import PAUSE_ALL, RESTART, pause_name

__all__ = ["pause", "restart", "resume"]


def restart(asked: str | None) -> None:
    """Let every worker end after the jobs that it runs."""
    workers = with_engine(asked, _restart)
    say(f"restart: {_count(workers)} will end when their jobs are done; what supervises them starts new ones")


async def _restart(engine: Engine) -> Sequence[Heartbeat]:
    value = new_id().encode()
    for store in _stores(engine).values():
        await store.put(RESTART, value)
    return await heartbeats(engine)


def pause(asked: str | None, queue: str | None, *, everything: bool, seconds: float | None) -> None:
    """Let workers take no more jobs of a queue, or of all."""
    _one_of(queue, everything=everything)
    what = with_engine(asked, lambda engine: _pause(engine, queue, seconds))
    until = "until `asyncq resume`" if seconds is None else f"for {seconds:g} s"
    say(f"{what} is paused {until}; jobs that run go on to their end, and new ones may be dispatched")


def resume(asked: str | None, queue: str | None, *, everything: bool) -> None:
    """Let workers take jobs of a queue again, or lift the pause of all; each pause is lifted by itself."""
    _one_of(queue, everything=everything)
    for line in with_engine(asked, lambda engine: _resume(engine, queue)):
        say(line)


def _one_of(queue: str | None, *, everything: bool) -> None:
    if (queue is None) is not everything:
        raise UsageError("say which queue ([connection:]queue), or --all for every queue; one of the two")


async def _pause(engine: Engine, queue: str | None, seconds: float | None) -> str:
    if queue is None:
        for store in _stores(engine).values():
            await store.put(PAUSE_ALL, b"1", ttl=seconds)
        places: Sequence[Place] = [(name, "*") for name in _stores(engine)]
    else:
        places = [place_of(engine, queue)]
        await _store(engine, places[0][0]).put(pause_name(*places[0]), b"1", ttl=seconds)
    for connection, name in places:
        await engine.setup.listeners.emit(QueuePaused(connection, name, seconds))
    return _named(places)


async def _resume(engine: Engine, queue: str | None) -> Sequence[str]:
    if queue is None:
        stores = _stores(engine)
        lifted = [name for name, store in stores.items() if await store.forget([PAUSE_ALL])]
        for name in lifted:
            await engine.setup.listeners.emit(QueueResumed(name, "*"))
        said = "every queue goes on" if lifted else "there was no pause of all queues"
        return [said, *[line for name, store in stores.items() for line in await _still_paused(name, store)]]
    place = place_of(engine, queue)
    store = _store(engine, place[0])
    if not await store.forget([pause_name(*place)]):
        lines = [f"{_named([place])} was not paused"]
    else:
        await engine.setup.listeners.emit(QueueResumed(*place))
        lines = [f"{_named([place])} goes on"]
    if PAUSE_ALL in await store.get([PAUSE_ALL]):
        lines.append("but all queues are paused; `asyncq resume --all` lifts that")
    return lines


async def _still_paused(connection: str, store: SignalStore) -> Sequence[str]:
    prefix = pause_name(connection, "")
    names = [signal.name.removeprefix(prefix) for signal in await store.page(prefix)]
    return [f"queue {name} of {connection} is paused by itself; `asyncq resume {connection}:{name}`" for name in names]


def _named(places: Sequence[Place]) -> str:
    (connection, queue) = places[0]
    return "every queue" if queue == "*" else f"queue {queue} of {connection}"


def _stores(engine: Engine) -> dict[str, SignalStore]:
    """Return the signals of every connection that workers can read."""
    found = {name: driver.stores.signals for name, driver in engine.drivers.items()}
    stores = {name: store for name, store in found.items() if store is not None}
    if not stores:
        raise NotSupported("no connection keeps signals, so that no worker can be told anything")
    return stores


def _store(engine: Engine, connection: str) -> SignalStore:
    store = engine.driver(connection).stores.signals
    if store is None:
        raise NotSupported(f"connection {connection!r} keeps no signals, so that its workers can be told nothing")
    return store


def _count(workers: Sequence[Heartbeat]) -> str:
    return "1 worker" if len(workers) == 1 else f"{len(workers)} workers"
