"""`AsyncQ`: the thin face over wiring and worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Token
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast, overload
from weakref import WeakKeyDictionary

from asyncq.choice import choose, modules_of
from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.config import Connection
from asyncq.context import JobContext
from asyncq.contracts import Driver
from asyncq.current import Host, apps, current_app, response_here
from asyncq.drivers import connect
from asyncq.errors import NotOpen
from asyncq.events import Event, JobFailed, JobProcessed, JobProcessing, Looping
from asyncq.function import JobFunction
from asyncq.gates import Gates
from asyncq.handle import JobHandle
from asyncq.injector import Injector, Override, Resolver
from asyncq.job import AnyJob, AsyncHandler, Job, Request, SyncHandler, requests_of
from asyncq.lifespan import AppLifespan, Lifespan, as_context_manager, served
from asyncq.listeners import Listeners
from asyncq.models.session import source_of
from asyncq.project import read_project
from asyncq.registry import Registry
from asyncq.session import Session, loop_here
from asyncq.settings import DispatchOptions, Middleware, normalise_option
from asyncq.tracking import Tracker
from asyncq.wiring import Engine, Setup
from asyncq.worker.options import EmbeddedOptions, worker_options

__all__ = ["AsyncQ"]

E = TypeVar("E", bound=Event)
J = TypeVar("J", bound=Job)
R = TypeVar("R")
L = TypeVar("L", bound=Callable[..., Any])
_numbers = count()


class AsyncQ(Gates):
    """An application: its connections, its middleware, its listeners.

    `url` is the connection `default`; `connections` names several. Without either, those of the environment, of
    `[tool.asyncq]` in `pyproject.toml`, and last the embedded SQLite file `.asyncq/queue.db` in the project's root are
    taken. `failed` names the connection, or the URL, that keeps the failed jobs of all; by default each keeps its own.
    `locks` names the one of `lock` and `funnel`, `limits` that of `throttle`, where a call names none; by default it is
    the default connection. `jobs` are modules that define jobs. `lifespan` is called with the app and returns an async
    context manager (or is an async generator function) around the time in which the app is open. `resolver` makes what
    handlers ask for by its bare type; `asyncq.resolvers` has some. `session` is an `async_sessionmaker` or a
    `sessionmaker` of SQLAlchemy: the models of a job are loaded in a session of its own, which its handler may ask for.

    Raises:
        ConfigError: an argument, a variable or a key of `pyproject.toml` cannot be used.
    """

    def __init__(
        self,
        url: str | Connection | None = None,
        *,
        name: str | None = None,
        default: str | None = None,
        connections: Mapping[str, str | Connection] | None = None,
        middleware: Sequence[Middleware] = (),
        jobs: Sequence[str] = (),
        failed: str | Connection | None = None,
        locks: str | Connection | None = None,
        limits: str | Connection | None = None,
        lifespan: AppLifespan | None = None,
        resolver: Resolver | None = None,
        session: Callable[[], Any] | None = None,
    ) -> None:
        stores = {"failed": failed, "locks": locks, "limits": limits}
        project = read_project()
        choice = choose(project, url=url, connections=connections, name=name, default=default, **stores)
        self.name, self.default, self.jobs = choice.name, choice.default, modules_of(jobs)
        self.connections, self.stores, self.sources = dict(choice.connections), choice.stores, choice.sources
        self.listeners, self.registry, self._guard = Listeners(), Registry(), threading.Lock()
        self._source, self._lifespan = source_of(session), as_context_manager(lifespan)
        self._injector = Injector(resolver, self._source)
        self._middleware: tuple[Middleware, ...] = normalise_option("middleware", middleware, "AsyncQ")
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = WeakKeyDictionary()
        self._entered: list[tuple[Session, Token[Host | None]]] = []
        self.number = next(_numbers)  # later apps have higher ones
        self._drivers(SYSTEM_CLOCK)  # a wrong URL is refused here, not at the first dispatch
        apps.built.add(self)

    def __repr__(self) -> str:
        return f"AsyncQ({self.name!r}, {', '.join(f'{k}={v!r}' for k, v in self.connections.items())})"

    async def __aenter__(self) -> Self:
        session, token = self._session(), current_app.set(self)
        try:
            await session.acquire()  # with this app current: its lifespan may dispatch
        except BaseException:
            current_app.reset(token)
            raise
        self._entered.append((session, token))
        apps.open.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        session, token = self._entered.pop()
        apps.open.remove(self)
        try:
            current_app.reset(token)
        except ValueError:
            # pytest and some servers leave in another context than they entered in, where it was never set.
            current_app.set(None)
        await session.release()

    async def engine(self) -> Engine:
        """Return the open engine of the running loop, or what stands in for it while a test lasts."""
        if apps.stand_ins:
            return cast(Engine, await apps.stand_ins[-1].engine(self))
        return await self.own_engine()

    async def own_engine(self) -> Engine:
        """Return the open engine of the running loop; where there is none, open one that lasts as long as the loop."""
        session = self._session()
        return session.engine or await session.keep()

    async def dispatch(self, requests: Sequence[Request]) -> Sequence[JobHandle[Any]]:
        """Push the jobs; answers in their order."""
        if apps.stand_ins:
            return await apps.stand_ins[-1].dispatch(self, requests)
        return await (await self.own_engine()).dispatch(requests, self)

    async def dispatch_many(
        self, jobs: Sequence[AnyJob], /, **options: Unpack[DispatchOptions]
    ) -> Sequence[JobHandle[Any]]:
        """Dispatch jobs together through this app."""
        return await self.dispatch(requests_of(jobs, options))

    async def dispatch_sync(self, request: Request) -> Any:
        """Run a job here and now."""
        if apps.stand_ins:
            return await apps.stand_ins[-1].dispatch_sync(self, request)
        return await (await self.own_engine()).dispatch_sync(request)

    async def dispatch_after_response(self, request: Request) -> None:
        """Run a job in this process when the response that is under way here has gone out."""
        if apps.stand_ins:
            await apps.stand_ins[-1].dispatch_after_response(self, request)
            return
        response = response_here()
        if not response.here:
            raise NotOpen("dispatch_after_response() was called in a loop of a thread; use asyncq.blocking there")
        await (await self.own_engine()).dispatch_after_response(request, response)

    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return a running loop in which the app is open, None where there is none; may be called from any thread."""
        with self._guard:
            sessions = list(self._sessions.items())
        return next((loop for loop, session in sessions if session.alive and loop.is_running()), None)

    async def tracker(self) -> Tracker:
        """Return what knows what became of jobs; for handles, which ask through it."""
        return Tracker(await self.engine())

    @overload
    def handle(self, id: str, job: type[AsyncHandler[R]], /, *, connection: str | None = None) -> JobHandle[R]: ...
    @overload
    def handle(self, id: str, job: type[SyncHandler[R]], /, *, connection: str | None = None) -> JobHandle[R]: ...
    @overload
    def handle(self, id: str, job: JobFunction[..., R], /, *, connection: str | None = None) -> JobHandle[R]: ...
    @overload
    def handle(self, id: str, /, *, connection: str | None = None) -> JobHandle[Any]: ...
    def handle(self, id: str, job: Any = None, /, *, connection: str | None = None) -> JobHandle[Any]:
        """Return a handle for the id of a job that was dispatched elsewhere, such as by another request.

        `job` is its class or function, which says of what type its result is; without it the result is plain JSON.
        """
        job_type = job.job_type if isinstance(job, JobFunction) else job
        where = connection or (job_type.settings_.connection if job_type else None) or self.default
        return JobHandle(id, False, "", where, job_type, self)

    def bind(self, job: type[J] | JobFunction[..., Any], call: Callable[[J, JobContext], Awaitable[Any]], /) -> None:
        """Let `call(job, ctx)` stand for the job's `handle`; it runs in the loop."""
        self._injector.bind(job.job_type if isinstance(job, JobFunction) else job, call)

    def override(self, dependency: Callable[..., Any], by: Callable[..., Any], /) -> Override:
        """Let `by` stand for a dependency at once; `with app.override(…):` undoes it at the end of the block.

        It does not reach handlers that run in a process of their own.
        """
        return self._injector.override(dependency, by)

    def on(self, kind: type[E]) -> Callable[[L], L]:
        """Decorate a listener, sync or async, of one type of event; `Event` hears all."""

        def decorate(listener: L) -> L:
            self.listeners.add(kind, listener)
            return listener

        return decorate

    def before(self, listener: L) -> L:
        """Decorate a listener that is called before each attempt."""
        return self.on(JobProcessing)(listener)

    def after(self, listener: L) -> L:
        """Decorate a listener that is called after each job that was done."""
        return self.on(JobProcessed)(listener)

    def failing(self, listener: L) -> L:
        """Decorate a listener that is called when a job has failed for good."""
        return self.on(JobFailed)(listener)

    def looping(self, listener: L) -> L:
        """Decorate a listener that is called before each look for jobs; it may return False to veto the round."""
        return self.on(Looping)(listener)

    def worker(self, *queues: str, **options: Unpack[EmbeddedOptions]) -> AbstractAsyncContextManager[None]:
        """Work in this loop while the block lasts; touches no signal and no logging configuration.

        Leaving the block drains the worker: running jobs get `grace` seconds, the rest is handed back.
        """
        from asyncq.worker.embedded import embedded_worker

        return embedded_worker(self, worker_options(queues, options))

    def lifespan(
        self, *, work: bool = False, queues: Sequence[str] = (), **options: Unpack[EmbeddedOptions]
    ) -> Lifespan:
        """Return a lifespan for an ASGI framework: it opens the app and, with `work=True`, a worker in its loop."""

        return served(self, (lambda: self.worker(*queues, **options)) if work else None)

    def _session(self) -> Session:
        loop = loop_here()
        session = self._sessions.get(loop)
        if session is None:
            around = None if self._lifespan is None else partial(self._lifespan, self)
            session = Session(self._opened_drivers, self.setup, around)
            with self._guard:
                self._sessions[loop] = session
        return session

    def _opened_drivers(self, clock: Clock) -> Mapping[str, Driver]:
        stand_in = apps.whole_stand_in()
        return self._drivers(clock) if stand_in is None else stand_in.drivers(self)

    def _drivers(self, clock: Clock) -> Mapping[str, Driver]:
        return {name: connect(item, name=name, clock=clock) for name, item in self.connections.items()}

    def setup(self) -> Setup:
        """Return what an engine of this app is made from."""
        settings = {name: item.settings(name) for name, item in self.connections.items()}
        return Setup(
            default=self.default,
            queues={name: item.queue for name, item in settings.items()},
            block_for={name: item.block_for for name, item in settings.items()},
            after_commit={name: item.after_commit for name, item in settings.items()},
            middleware=self._middleware,
            failed_on=self.stores.get("failed"),
            listeners=self.listeners,
            registry=self.registry,
            injector=self._injector,
            sessions=self._source,
            clock=apps.clock,
        )
