"""Takes the place of every app: keeps what is dispatched, in memory, and lets others through where it is told so."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncq.app import AsyncQ
from asyncq.codec import Codec
from asyncq.contracts import Driver
from asyncq.current import Host, StandIn, apps, response_here
from asyncq.handle import JobHandle
from asyncq.job import Job, Request
from asyncq.testing.record import Dispatched, Way, record_of
from asyncq.testing.stage import Stage
from asyncq.testing.turnable_clock import TurnableClock, clock_of_the_test
from asyncq.wiring import Engine

__all__ = ["Choice", "Understudy"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs are faked."""

    only: tuple[type[Job], ...] = ()
    """Empty: all."""
    but: tuple[type[Job], ...] = ()

    @property
    def all(self) -> bool:
        """True where no job goes on to its app."""
        return not (self.only or self.but)

    def takes(self, job: Job) -> bool:
        """Say whether a job is faked."""
        return (not self.only or isinstance(job, self.only)) and not isinstance(job, self.but)


@dataclass(slots=True, eq=False)
class Understudy:
    """One fake, as the apps know it. Any thread and any loop may dispatch."""

    choice: Choice
    records: list[Dispatched[Any]] = field(default_factory=list[Dispatched[Any]])
    answers: dict[type[Job], Any] = field(default_factory=dict[type[Job], Any])
    _clock: TurnableClock | None = None
    _codec: Codec = field(default_factory=Codec)
    _stages: dict[AsyncQ, Stage] = field(default_factory=dict[AsyncQ, Stage])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _default: Host | None = None

    @property
    def whole(self) -> bool:
        """True where no job goes on to its app."""
        return self.choice.all

    @property
    def clock(self) -> TurnableClock:
        """The clock of the test, or one of our own."""
        if self._clock is None:
            self._clock = clock_of_the_test() or TurnableClock()
        return self._clock

    @property
    def stages(self) -> Sequence[Stage]:
        """One for each app that something was dispatched through."""
        with self._lock:
            return list(self._stages.values())

    def enter(self) -> None:
        """Take the place of the apps."""
        self._default = apps.default
        apps.stand_ins.append(self)

    def leave(self) -> None:
        """Give it back, and forget the app that was made only because a job was dispatched here."""
        apps.stand_ins.remove(self)
        apps.default = self._default

    def stage(self, app: AsyncQ) -> Stage:
        """Return what stands in for one app."""
        with self._lock:
            found = self._stages.get(app)
            if found is None:
                found = self._stages[app] = Stage(app, self.clock, self._codec, self.records.append)
            return found

    def drivers(self, app: AsyncQ, /) -> Mapping[str, Driver]:
        """Return drivers that keep the app's jobs in memory."""
        return self.stage(app).drivers

    async def engine(self, app: AsyncQ, /) -> Engine:
        """Return the engine for locks and limits: those of a fake that lets jobs through are the app's own."""
        if self.whole:
            return self.stage(app).engine()
        outer = self._outer()
        return await (outer.engine(app) if outer is not None else app.own_engine())

    async def dispatch(self, app: AsyncQ, requests: Sequence[Request], /) -> Sequence[JobHandle[Any]]:
        """Keep what is faked and let the rest through; answers in their order."""
        mine = [request for request in requests if self.choice.takes(request.job)]
        if len(mine) == len(requests):
            return await self.stage(app).engine().dispatch(mine, app)
        others = [request for request in requests if not self.choice.takes(request.job)]
        passed = iter(await self._pass(app, others))
        kept = iter(await self.stage(app).engine().dispatch(mine, app) if mine else ())
        return [next(kept if self.choice.takes(request.job) else passed) for request in requests]

    async def dispatch_sync(self, app: AsyncQ, request: Request, /) -> Any:
        """Keep the job without running it; answers what the test said."""
        if not self.choice.takes(request.job):
            outer = self._outer()
            if outer is not None:
                return await outer.dispatch_sync(app, request)
            return await (await app.own_engine()).dispatch_sync(request)
        self._keep(app, request, "sync")
        return next((self.answers[cls] for cls in type(request.job).__mro__ if cls in self.answers), None)

    async def dispatch_after_response(self, app: AsyncQ, request: Request, /) -> None:
        """Keep the job; no response need be under way."""
        outer = self._outer()
        if self.choice.takes(request.job):
            self._keep(app, request, "after_response")
        elif outer is not None:
            await outer.dispatch_after_response(app, request)
        else:
            response = response_here()
            await (await app.own_engine()).dispatch_after_response(request, response)

    def _keep(self, app: AsyncQ, request: Request, way: Way) -> None:
        pending = self.stage(app).engine().pack(request)
        self.records.append(record_of(self._codec, pending, self.clock.clock, way=way))

    async def _pass(self, app: AsyncQ, requests: Sequence[Request]) -> Sequence[JobHandle[Any]]:
        outer = self._outer()
        if outer is not None:
            return await outer.dispatch(app, requests)
        return await (await app.own_engine()).dispatch(requests, app)

    def _outer(self) -> StandIn | None:
        """Return the fake around this one."""
        place = apps.stand_ins.index(self)
        return apps.stand_ins[place - 1] if place else None
