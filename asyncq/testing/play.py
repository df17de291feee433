"""Runs what waits in the queues of engines, in this loop, one job after another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, cast

from asyncq.app import AsyncQ
from asyncq.clock import Seconds, seconds
from asyncq.contracts import Driver, Inspectable, Transactional
from asyncq.errors import ConfigError
from asyncq.payload import Reservation
from asyncq.records import WaitingJob
from asyncq.testing.bench import Bench
from asyncq.testing.outcome import RunOutcome
from asyncq.testing.turnable_clock import TurnableClock, Turned
from asyncq.wiring import Engine
from asyncq.worker.desk import Desk
from asyncq.worker.relay import Relay

__all__ = ["Play", "drain"]

MOST: Final = 1_000
"""Runs after which something is taken to run without end."""


@dataclass(frozen=True, slots=True)
class _Head:
    """The first job of one queue."""

    driver: Driver
    bench: Bench
    job: WaitingJob

    @property
    def place(self) -> tuple[float, str]:
        """Where it stands among the heads of all queues."""
        return self.job.due_at, self.job.id


class Play:
    """The queues of some engines, in the order in which their jobs are due; its block ends what the jobs started."""

    def __init__(self, queues: Sequence[str], limit: int) -> None:
        self._queues = queues
        self._limit = limit
        self._runs = 0
        self._stack = ExitStack()
        self._benches: dict[tuple[Engine, str], Bench] = {}

    def __enter__(self) -> Play:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    async def run(self, engines: Sequence[Engine]) -> Sequence[RunOutcome[Any]]:
        """Run what is due, and what these jobs dispatch.

        Raises:
            AssertionError: after `limit` runs there is still something to run.
        """
        outcomes: list[RunOutcome[Any]] = []
        while (head := await self._next(engines)) is not None:
            if self._runs >= self._limit:
                raise AssertionError(
                    f"after {self._limit} runs there are still jobs to run, the next one is {head.job.name}; does a "
                    "job release or dispatch itself without end? If not, give a higher limit="
                )
            self._runs += 1
            outcomes += [await head.bench.work(item) for item in await _reserve(head)]
        return outcomes

    async def _next(self, engines: Sequence[Engine]) -> _Head | None:
        """Return the next job, be it one that only lies in an outbox so far."""
        head = await self._first(engines, "ready")
        if head is None and await _relay(engines):
            head = await self._first(engines, "ready")
        return head

    async def next_due(self, engines: Sequence[Engine]) -> float | None:
        """Return when the next delayed job is due, in unix seconds."""
        head = await self._first(engines, "delayed")
        return None if head is None else head.job.due_at

    async def _first(self, engines: Sequence[Engine], state: Any) -> _Head | None:
        heads = [head for engine in engines async for head in self._heads(engine, state)]
        return min(heads, key=lambda head: head.place, default=None)

    async def _heads(self, engine: Engine, state: Any) -> AsyncIterator[_Head]:
        for name, driver in engine.drivers.items():
            if not isinstance(driver, Inspectable):
                continue
            for queue in self._queues or await driver.queues():
                for job in await driver.page(queue, state, limit=1):
                    yield _Head(cast("Driver", driver), self._bench(engine, name), job)

    def _bench(self, engine: Engine, connection: str) -> Bench:
        found = self._benches.get((engine, connection))
        if found is None:
            found = self._benches[engine, connection] = self._stack.enter_context(Bench(engine, connection))
        return found


async def _relay(engines: Sequence[Engine]) -> int:
    """Carry what transactions of users wrote for other connections; returns how many rows there were."""
    relays = [
        Relay(engine, driver, Desk(1, 0, ()))
        for engine in engines
        for driver in engine.drivers.values()
        if isinstance(driver, Transactional)
    ]
    return sum([await relay.relay() for relay in relays])


async def _reserve(head: _Head) -> Sequence[Reservation]:
    reserved = await head.driver.reserve([head.job.queue], limit=1)
    if not reserved.items and reserved.suspects:
        reserved = await head.driver.reserve([head.job.queue], limit=1, alone=True)
    return reserved.items


async def drain(app: AsyncQ, *queues: str, within: Seconds = 0, limit: int = MOST) -> Sequence[RunOutcome[Any]]:
    """Run what waits in an app's queues, in this loop, one job after another; answers how each run ended.

    Jobs that these jobs dispatch are run too. Without names it is the jobs of all queues. `within` also runs what is
    due within that time: it turns the clock from one to the next, and in the end by all of it. `limit` is how many runs
    are taken for a loop without end.

    Raises:
        ConfigError: `within` is given, and the app is not under `asyncq.testing.clock()`.
        AssertionError: the limit was reached.
    """
    engine = await app.engine()
    clock = engine.setup.clock.by if isinstance(engine.setup.clock, Turned) else None
    return await play([engine], queues, clock, within=within, limit=limit)


async def play(
    engines: Sequence[Engine], queues: Sequence[str], clock: TurnableClock | None, *, within: Seconds, limit: int
) -> Sequence[RunOutcome[Any]]:
    """Run what is due now, or within a time of the clock."""
    span = seconds(within, "within")
    if clock is None and span > 0:
        raise ConfigError(
            "within= turns the clock of the test: open the app inside `async with asyncq.testing.clock()`"
        )
    with Play(queues, limit) as stage:
        outcomes = list(await stage.run(engines))
        if clock is None or span <= 0:
            return outcomes
        end = clock.now() + span
        while (due := await stage.next_due(engines)) is not None and due <= end:
            clock.turn(max(0.0, due - clock.now()))
            outcomes += await stage.run(engines)
        clock.turn(max(0.0, end - clock.now()))
        return outcomes
