"""Composition: drivers, codec and plugins in one visible ordered tuple, as one `Engine`; dispatch goes through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from asyncq.aside import Aside
from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.codec import Codec
from asyncq.context import JobContext, Outlets
from asyncq.contracts import Driver, Inline
from asyncq.courier import Courier
from asyncq.current import Host
from asyncq.dispatch import Packer
from asyncq.errors import ConfigError
from asyncq.events import JobQueued, JobQueueing, UniqueJobSkipped
from asyncq.executor import Executor
from asyncq.handle import JobHandle
from asyncq.hands import Hands
from asyncq.injector import Injector
from asyncq.inplace import InPlace
from asyncq.isolation import Isolation
from asyncq.job import Request
from asyncq.lines import Lines
from asyncq.listeners import Listeners
from asyncq.models.loading import LoadModels
from asyncq.models.session import SessionSource
from asyncq.payload import Pushed
from asyncq.pipeline import compose
from asyncq.plugin import Carrier, Pending, Plugin
from asyncq.plugins.failed import KeepFailed
from asyncq.plugins.results import KeepResults
from asyncq.plugins.routing import Routing
from asyncq.plugins.unique import UniqueJobs
from asyncq.progress import Teller
from asyncq.recipe import Places, Recipes, Supply
from asyncq.registry import Registry
from asyncq.response import Errand, Response
from asyncq.retry import Rules
from asyncq.settings import Middleware
from asyncq.stores import FailedStore
from asyncq.supply import Shared
from asyncq.threads import Threads
from asyncq.transactions.door import Transactions

__all__ = ["Engine", "Setup"]

INLINE_THREADS: Final = 40
"""Threads for blocking handlers that `dispatch_sync` and `sync://` run."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an app gives to its engine."""

    default: str
    queues: Mapping[str, str]
    """Default queue by connection."""
    block_for: Mapping[str, float | None]
    """Longest wait in one call to the broker, by connection."""
    after_commit: Mapping[str, bool | None]
    """Whether dispatches wait for a commit, by connection; None: it does not say."""
    middleware: tuple[Middleware, ...]
    failed_on: str | None
    """Connection that keeps failed jobs; None: each connection its own."""
    listeners: Listeners
    registry: Registry
    injector: Injector
    sessions: SessionSource | None = None
    """Where the session of a job comes from, in which its models are loaded."""
    clock: Clock = SYSTEM_CLOCK
    plugins: tuple[Plugin, ...] = ()
    """Nearer to the broker than our own."""
    at_once: bool = False
    """No dispatch is a part of a transaction or waits for one: in tests that keep what is dispatched."""


class Engine:
    """The open drivers of one app in one event loop, and all that works on them."""

    def __init__(self, drivers: Mapping[str, Driver], setup: Setup) -> None:
        self.drivers = drivers
        self.setup = setup
        self.codec = Codec()
        self.lines = Lines()
        self.shared = Shared()
        self._transactions = Transactions(drivers, setup.after_commit)
        self.plugins: tuple[Plugin, ...] = (
            LoadModels(self.codec, setup.sessions),
            UniqueJobs(self.codec, self.driver),
            *([] if setup.at_once else [self._transactions]),
            KeepResults(self.codec),
            KeepFailed(),
            Routing({name: self._keeper_of_failed(name) for name in drivers}),
            *setup.plugins,
        )
        self._packer = Packer(self.codec, setup.registry, setup.queues, setup.default, setup.clock.now)
        # What runs jobs itself must not be shared: a job that dispatches would wait for its own push to end.
        self._couriers = {name: Courier(driver) for name, driver in drivers.items() if not driver.traits.runs_inline}
        doors = [plugin.dispatch for plugin in self.plugins if type(plugin).dispatch is not Plugin.dispatch]
        self._send = compose(doors, self._push)
        self._inline = self.executor(setup.default, Rules(), anyio.Event(), lambda ctx: None, threads=INLINE_THREADS)
        self._in_place = InPlace(self._executor_here, self.driver, setup.listeners, setup.clock)
        self.aside = Aside(self._in_place)
        for name, driver in drivers.items():
            if isinstance(driver, Inline):
                driver.bind(Hands(self.aside, name))

    async def finish(self) -> None:
        """Return when what runs aside has ended, within its grace; then close what jobs of the whole app share."""
        try:
            await self.aside.close()
        finally:
            await self.shared.close()

    async def close(self) -> None:
        """Return when every accepted dispatch has been pushed, or waits for a transaction."""
        await self._transactions.close()
        for courier in self._couriers.values():
            await courier.close()

    def driver(self, name: str) -> Driver:
        """Return the driver of a connection; raises ConfigError for a name that is none."""
        try:
            return self.drivers[name]
        except KeyError:
            known = ", ".join(map(repr, self.drivers))
            raise ConfigError(f"no connection is called {name!r}; there are {known}") from None

    def failed_store(self, connection: str) -> FailedStore | None:
        """Return the store that keeps the failed jobs of a connection."""
        owner = self._keeper_of_failed(connection)
        return None if owner is None else self.driver(owner).stores.failed

    def _keeper_of_failed(self, connection: str) -> str | None:
        owner = self.setup.failed_on or connection
        return owner if self.driver(owner).stores.failed is not None else None

    def executor(
        self,
        connection: str,
        rules: Rules,
        stopping: anyio.Event,
        arm: Callable[[JobContext], None],
        *,
        threads: int,
        places: Places | None = None,
    ) -> Executor:
        """Make what runs the jobs of one connection; `threads` is how many blocking handlers may run at once."""
        places = places or Places(Threads(threads), Isolation(threads))
        supply = Supply(self.setup.injector, self.shared)
        settlers = [plugin for plugin in self.plugins if type(plugin).settle is not Plugin.settle]
        return Executor(
            connection=connection,
            codec=self.codec,
            registry=self.setup.registry,
            recipes=Recipes(self.plugins, self.setup.middleware, places, supply, arm),
            rules=rules,
            settlers=settlers,
            listeners=self.setup.listeners,
            stopping=stopping,
            arm=arm,
            scope=type(anyio.CancelScope()),
            outlets=self._outlets(connection, settlers),
            unknown_since={},
        )

    def _outlets(self, connection: str, settlers: Sequence[Plugin]) -> Outlets:
        signals = self.driver(connection).stores.signals
        teller = None if signals is None else Teller(signals, connection)
        return Outlets(teller, self._transactions.completer(connection, settlers, real=not self.setup.at_once))

    def pack(self, request: Request) -> Pending:
        """Return a job as it would be sent."""
        return self._packer.pack(request)

    async def dispatch(self, requests: Sequence[Request], host: Host | None = None) -> Sequence[JobHandle[Any]]:
        """Push the jobs; answers in their order. All are encoded before the first is sent.

        The handles ask `host` what became of their jobs, by default the current app.
        """
        pending = [self._packer.pack(request) for request in requests]
        pushed = await self._send(pending)
        return [
            JobHandle(answer.id, answer.created, item.envelope.queue, item.connection, type(item.job), host)
            for item, answer in zip(pending, pushed, strict=True)
        ]

    async def _push(self, pending: Sequence[Pending]) -> Sequence[Pushed]:
        if self.setup.listeners.active:
            return await self._push_aloud(pending)
        return await self._push_all(pending)

    async def _push_all(self, pending: Sequence[Pending]) -> Sequence[Pushed]:
        carriers = [item.carrier or self._carrier(item.connection) for item in pending]
        if len(set(carriers)) == 1:
            return await carriers[0].push([item.envelope for item in pending])
        answers: dict[str, Pushed] = {}
        for carrier in dict.fromkeys(carriers):
            mine = [item.envelope for item, its in zip(pending, carriers, strict=True) if its is carrier]
            pushed = await carrier.push(mine)
            answers.update(zip((envelope.id for envelope in mine), pushed, strict=True))
        return [answers[item.envelope.id] for item in pending]

    def _carrier(self, connection: str) -> Carrier:
        return self._couriers.get(connection) or self.drivers[connection]

    async def _push_aloud(self, pending: Sequence[Pending]) -> Sequence[Pushed]:
        emit = self.setup.listeners.emit
        for item in pending:
            await emit(JobQueueing(*_facts(item), item.envelope.delay))
        pushed = await self._push_all(pending)
        for item, answer in zip(pending, pushed, strict=True):
            if answer.created:
                await emit(JobQueued(*_facts(item), item.envelope.delay))
            else:
                await emit(UniqueJobSkipped(item.connection, item.envelope.queue, answer.id, item.envelope.name))
        return pushed

    async def dispatch_sync(self, request: Request) -> Any:
        """Run the job here and now, after the round trip through the codec; its error is raised."""
        pending = self._packer.pack(request)
        return await self._in_place.run(pending.connection, pending.envelope)

    async def dispatch_after_response(self, request: Request, response: Response) -> None:
        """Run the job in this process when the response has gone out; it is encoded now.

        Within a transaction that is followed it waits for the commit too, and is dropped with a rollback.
        """
        pending = self._packer.pack(request)
        errand = Errand(pending.connection, pending.envelope, keep=False)

        async def send(items: Sequence[Pending]) -> Sequence[Pushed]:
            response.add(self.aside, [errand])
            return [Pushed(item.envelope.id, created=True) for item in items]

        await self._transactions.dispatch([pending], send)

    def _executor_here(self, connection: str) -> Executor:
        inline, outlets = self._inline, self._outlets(connection, self._inline.settlers)
        return replace(inline, connection=connection, stopping=self.aside.stopping, outlets=outlets)


def _facts(item: Pending) -> tuple[str, str, str, str]:
    return item.connection, item.envelope.queue, item.envelope.id, item.envelope.name
