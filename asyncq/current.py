"""Which app and which job are current, and the one late import of the app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast
from weakref import WeakSet

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.errors import ConfigError, NotOpen

if TYPE_CHECKING:
    import asyncio

    from asyncq.context import JobContext
    from asyncq.handle import JobHandle, JobProgress, JobStatus
    from asyncq.job import Request
    from asyncq.response import Response

__all__ = ["Host", "StandIn", "Tracker", "current", "host", "likely_host", "own_host", "response_here"]


class Host(Protocol):
    """What jobs know of an app: it takes their dispatches."""

    async def dispatch(self, requests: Sequence[Request], /) -> Sequence[JobHandle[Any]]:
        """Push the jobs; answers in their order."""
        ...

    async def dispatch_sync(self, request: Request, /) -> Any:
        """Run the job here and now."""
        ...

    async def dispatch_after_response(self, request: Request, /) -> None:
        """Run the job in this process when the response that is under way here has gone out."""
        ...

    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return a running loop in which the app is open; may be called from any thread."""
        ...

    async def tracker(self) -> Tracker:
        """Return what knows what became of jobs."""
        ...


class Tracker(Protocol):
    """What handles ask."""

    async def status(self, handle: JobHandle[Any], /) -> JobStatus:
        """Return where the job is in its life."""
        ...

    async def result(self, handle: JobHandle[Any], timeout: float | None, /) -> Any:
        """Return what the handler returned, as soon as it has."""
        ...

    async def cancel(self, handle: JobHandle[Any], /) -> bool:
        """Forget the job, or tell its worker; False where it has ended."""
        ...

    def watch(self, handle: JobHandle[Any], /) -> AsyncIterator[JobProgress]:
        """Yield how far the job is until it has ended."""
        ...


class StandIn(Protocol):
    """What takes the place of every app of the process while a test lasts."""

    @property
    def whole(self) -> bool:
        """True where nothing goes on to the apps themselves."""
        ...

    def drivers(self, app: Any, /) -> Any:
        """Return the drivers that the app shall open in place of its own, by connection; asked only where `whole`."""
        ...

    async def engine(self, app: Any, /) -> Any:
        """Return the engine that the app shall use in place of its own."""
        ...

    async def dispatch(self, app: Any, requests: Sequence[Request], /) -> Sequence[JobHandle[Any]]:
        """Take what is dispatched through the app."""
        ...

    async def dispatch_sync(self, app: Any, request: Request, /) -> Any:
        """Take what the app would run here and now."""
        ...

    async def dispatch_after_response(self, app: Any, request: Request, /) -> None:
        """Take what the app would run when a response has gone out."""
        ...


class Apps:
    """The apps of this process: built, and open ones in the order in which they were entered."""

    def __init__(self) -> None:
        self.built: WeakSet[Any] = WeakSet()
        self.open: list[Host] = []
        self.default: Host | None = None
        self.stand_ins: list[StandIn] = []
        """The last one counts. For the process, since threads and fixtures do not share the test's context."""
        self.clock: Clock = SYSTEM_CLOCK
        """What apps that open now take the time from."""

    def whole_stand_in(self) -> StandIn | None:
        """Return what takes all jobs of all apps now."""
        return self.stand_ins[-1] if self.stand_ins and self.stand_ins[-1].whole else None


apps = Apps()
current_app: ContextVar[Host | None] = ContextVar("asyncq_app", default=None)
current_job: ContextVar[JobContext | None] = ContextVar("asyncq_job", default=None)
current_response: ContextVar[Response | None] = ContextVar("asyncq_response", default=None)


def current() -> JobContext:
    """Return the context of the job that is running here.

    Raises:
        NotOpen: no job is running in this task or thread.
    """
    ctx = current_job.get()
    if ctx is None:
        raise NotOpen("asyncq.current() was called outside a running job; it works in handle(), middleware and below")
    return ctx


def response_here() -> Response:
    """Return the response that is under way here.

    Raises:
        NotOpen: there is none.
    """
    response = current_response.get()
    if response is None:
        raise NotOpen(
            "dispatch_after_response() was called where no response is under way; in a web application add "
            "asyncq.asgi.QueueMiddleware to it, elsewhere (a websocket, a job, a script) use dispatch()"
        )
    return response


def host() -> Host:
    """Return the app that a dispatch from here goes through.

    The context's app comes first, then the only open one, then the only one that was built. Only where no app was ever
    built is one made from the environment and `pyproject.toml`.
    """
    return likely_host() if apps.stand_ins else own_host()


def own_host() -> Host:
    """Return the same, whatever stands in for the apps."""
    here = current_app.get()
    if here is not None:
        return here
    if len(apps.open) == 1:
        return apps.open[0]
    if apps.open:
        _ambiguous("open")
    return _outside()


def likely_host() -> Host:
    """Return the app that is meant most likely, where it does not matter much: something stands in for all."""
    here = current_app.get()
    if here is not None:
        return here
    if apps.open:
        return apps.open[-1]
    return cast(Host, max(apps.built, key=lambda app: app.number)) if apps.built else _outside()


def _outside() -> Host:
    built = list(apps.built)
    if len(built) > 1:
        _ambiguous("built")
    if built:
        return cast(Host, built[0])
    if apps.default is None:
        apps.default = cast(Host, import_module("asyncq.app").AsyncQ())
    return apps.default


def _ambiguous(what: str) -> NoReturn:
    raise ConfigError(
        f"several AsyncQ apps are {what}, and none is current here; dispatch inside `async with app:`, "
        "or keep one app and give it several connections"
    )
