"""Tells running workers what to do: restart, pause, go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from asyncq.cli.failures import UsageError
from asyncq.cli.heartbeats import Heartbeat, heartbeats
from asyncq.cli.output import Row, counted, say, write_json
from asyncq.cli.places import Place, place_of
from asyncq.cli.session import with_engine
from asyncq.errors import NotSupported
from asyncq.events import QueuePaused, QueueResumed
from asyncq.ids import new_id
from asyncq.stores import SignalStore
from asyncq.wiring import Engine
from asyncq.worker.control import PAUSE_ALL, RESTART, pause_name

__all__ = ["pause", "restart", "resume"]

ALL: Final = "*"
"""Stands for every queue of a connection."""


def restart(asked: str | None, *, as_json: bool) -> None:
    """Let every worker end after the jobs that it runs."""
    workers = with_engine(asked, _restart)
    if as_json:
        write_json({"workers": [{"connection": beat.connection, "name": beat.name} for beat in workers]})
    else:
        told = counted(len(workers), "worker")
        say(f"restart: {told} will end when their jobs are done; what supervises them starts new ones")


async def _restart(engine: Engine) -> Sequence[Heartbeat]:
    value = new_id().encode()
    for store in _stores(engine).values():
        await store.put(RESTART, value)
    return await heartbeats(engine)


def pause(asked: str | None, queue: str | None, *, everything: bool, seconds: float | None, as_json: bool) -> None:
    """Let workers take no more jobs of a queue, or of all."""
    _one_of(queue, everything=everything)
    places = with_engine(asked, lambda engine: _pause(engine, queue, seconds))
    if as_json:
        write_json([{**_row(place), "seconds": seconds} for place in places])
        return
    until = "until `asyncq resume`" if seconds is None else f"for {seconds:g} s"
    say(f"{_named(places)} is paused {until}; jobs that run go on to their end, and new ones may be dispatched")


def resume(asked: str | None, queue: str | None, *, everything: bool, as_json: bool) -> None:
    """Let workers take jobs of a queue again, or lift the pause of all; each pause is lifted by itself."""
    _one_of(queue, everything=everything)
    resumed = with_engine(asked, lambda engine: _resume(engine, queue))
    if as_json:
        write_json({"resumed": list(map(_row, resumed.lifted)), "still_paused": list(map(_row, resumed.still_paused))})
        return
    for line in resumed.lines():
        say(line)


@dataclass(frozen=True, slots=True)
class _Resumed:
    """What became of a wish to go on. A queue called `*` is every queue of its connection."""

    asked: Place
    lifted: Sequence[Place]
    still_paused: Sequence[Place]
    """What keeps the queues that were asked for from going on."""

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        if self.asked[1] != ALL:
            yield f"{_named([self.asked])} {'goes on' if self.lifted else 'was not paused'}"
            if self.still_paused:
                yield "but all queues are paused; `asyncq resume --all` lifts that"
            return
        yield "every queue goes on" if self.lifted else "there was no pause of all queues"
        for connection, queue in self.still_paused:
            yield f"queue {queue} of {connection} is paused by itself; `asyncq resume {connection}:{queue}`"


def _one_of(queue: str | None, *, everything: bool) -> None:
    if (queue is None) is not everything:
        raise UsageError("say which queue ([connection:]queue), or --all for every queue; one of the two")


async def _pause(engine: Engine, queue: str | None, seconds: float | None) -> Sequence[Place]:
    if queue is None:
        for store in _stores(engine).values():
            await store.put(PAUSE_ALL, b"1", ttl=seconds)
        places: Sequence[Place] = [(name, ALL) for name in _stores(engine)]
    else:
        places = [place_of(engine, queue)]
        await _store(engine, places[0][0]).put(pause_name(*places[0]), b"1", ttl=seconds)
    for connection, name in places:
        await engine.setup.listeners.emit(QueuePaused(connection, name, seconds))
    return places


async def _resume(engine: Engine, queue: str | None) -> _Resumed:
    resumed = await (_resume_all(engine) if queue is None else _resume_one(engine, place_of(engine, queue)))
    for place in resumed.lifted:
        await engine.setup.listeners.emit(QueueResumed(*place))
    return resumed


async def _resume_all(engine: Engine) -> _Resumed:
    stores = _stores(engine)
    lifted = [(name, ALL) for name, store in stores.items() if await store.forget([PAUSE_ALL])]
    left = [place for name, store in stores.items() for place in await _paused(name, store)]
    return _Resumed((engine.setup.default, ALL), lifted, left)


async def _resume_one(engine: Engine, place: Place) -> _Resumed:
    store = _store(engine, place[0])
    lifted = [place] if await store.forget([pause_name(*place)]) else []
    left = [(place[0], ALL)] if PAUSE_ALL in await store.get([PAUSE_ALL]) else []
    return _Resumed(place, lifted, left)


async def _paused(connection: str, store: SignalStore) -> Sequence[Place]:
    prefix = pause_name(connection, "")
    return [(connection, signal.name.removeprefix(prefix)) for signal in await store.page(prefix)]


def _named(places: Sequence[Place]) -> str:
    (connection, queue) = places[0]
    return "every queue" if queue == ALL else f"queue {queue} of {connection}"


def _row(place: Place) -> Row:
    return {"connection": place[0], "queue": place[1]}


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
