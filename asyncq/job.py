# over budget: Job.__init_subclass__: one keyword for each setting, so that type checkers know them all
"""`Job`: the base class of typed jobs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    Never,
    Protocol,
    TypeVar,
    Unpack,
    cast,
    dataclass_transform,
    overload,
)

from asyncq.clock import Seconds
from asyncq.current import host
from asyncq.errors import WrongType
from asyncq.fields import make_fields
from asyncq.handle import JobHandle
from asyncq.settings import DispatchOptions, JobSettings, Middleware, merge_settings, reject_unknown

if TYPE_CHECKING:
    from types import FrameType

__all__ = [
    "AnyJob",
    "AsyncHandler",
    "BoundJob",
    "Dispatchable",
    "Job",
    "Request",
    "SyncHandler",
    "dispatch_many",
    "field",
    "requests_of",
]

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class AsyncHandler(Protocol[R_co]):
    """A job whose `handle` is async."""

    def handle(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, R_co]: ...


class SyncHandler(Protocol[R_co]):
    """A job whose `handle` is not."""

    def handle(self, *args: Any, **kwargs: Any) -> R_co: ...


@overload
def field(*, default: T, redact: bool = ...) -> T: ...
@overload
def field(*, default_factory: Callable[[], T], redact: bool = ...) -> T: ...
@overload
def field(*, redact: bool = ...) -> Any: ...
def field(
    *, default: Any = dataclasses.MISSING, default_factory: Any = dataclasses.MISSING, redact: bool = False
) -> Any:
    """Describe a field of a job; `redact=True` keeps its value out of the job's repr, so out of logs and tracebacks."""
    return dataclasses.field(default=default, default_factory=default_factory, repr=not redact)


@dataclass(frozen=True, slots=True)
class Request:
    """A job that shall be dispatched, with what this dispatch says differently."""

    job: Job
    options: DispatchOptions


class BoundJob(Generic[R_co]):
    """A function job with its arguments filled in."""

    def __init__(self, job: Job, options: DispatchOptions | None = None) -> None:
        self.job = job
        self.bound_options: DispatchOptions = options if options is not None else {}

    def __repr__(self) -> str:
        return f"BoundJob({self.job!r})"

    def request(self, options: DispatchOptions) -> Request:
        """Return what to dispatch, the options of the call before the bound ones."""
        return Request(self.job, {**self.bound_options, **options})

    async def dispatch(self, **options: Unpack[DispatchOptions]) -> JobHandle[R_co]:
        """Give the job to its queue."""
        return cast("JobHandle[R_co]", await _dispatch(self.request(options)))

    async def dispatch_if(self, condition: bool, /, **options: Unpack[DispatchOptions]) -> JobHandle[R_co] | None:
        """Dispatch if the condition holds."""
        return await self.dispatch(**options) if condition else None

    async def dispatch_unless(self, condition: bool, /, **options: Unpack[DispatchOptions]) -> JobHandle[R_co] | None:
        """Dispatch unless the condition holds."""
        return None if condition else await self.dispatch(**options)

    async def dispatch_sync(self) -> R_co:
        """Run the job here and now, through its middleware, and return its result or raise its error."""
        return cast(R_co, await host().dispatch_sync(self.request({})))

    async def dispatch_after_response(self) -> None:
        """Run the job in this process when the response has gone out; see `Job.dispatch_after_response`."""
        await host().dispatch_after_response(self.request({}))


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Job:
    """Base of typed jobs: annotated fields are the payload, `handle` does the work, class keywords are the settings.

    `async def handle` runs in the event loop, `def handle` in a thread, and with `run_in="process"` in a process of
    its own. Its parameters are injected. `failed(error)` is called once the job has failed for good.
    """

    settings_: ClassVar[JobSettings] = JobSettings()
    abstract_: ClassVar[bool] = True
    namespace_: ClassVar[tuple[dict[str, Any], dict[str, Any]]] = ({}, {})
    """Globals and locals of the place that defined the class, for its string annotations."""

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        aliases: Sequence[str] | None = None,
        queue: str | None = None,
        connection: str | None = None,
        delay: Seconds | None = None,
        tries: int | None = None,
        timeout: Seconds | None = None,
        backoff: Seconds | Sequence[Seconds] | None = None,
        max_exceptions: int | None = None,
        max_crashes: int | None = None,
        retry_for: Seconds | None = None,
        fail_on_timeout: bool | None = None,
        retry_on: tuple[type[BaseException], ...] | type[BaseException] | None = None,
        fail_on: tuple[type[BaseException], ...] | type[BaseException] | None = None,
        unique: bool | None = None,
        unique_for: Seconds | None = None,
        unique_by: Sequence[str] | None = None,
        unique_scope: str | None = None,
        unique_until: Literal["done", "start"] | None = None,
        middleware: Sequence[Middleware] | None = None,
        tags: Sequence[str] | None = None,
        group: str | None = None,
        run_in: Literal["loop", "thread", "process"] | None = None,
        keep_result: Seconds | None = None,
        on_shutdown: Literal["finish", "release"] | None = None,
        delete_when_missing: bool | None = None,
        silenced: bool | None = None,
        after_commit: bool | None = None,
        abstract: bool = False,
        **unknown: Never,
    ) -> None:
        given = {key: value for key, value in locals().items() if key in _SETTING_NAMES}
        reject_unknown(unknown, cls.__qualname__)
        super().__init_subclass__()
        cls.settings_ = merge_settings(cls.settings_, given, cls.__qualname__)
        cls.abstract_ = abstract
        cls.namespace_ = _place_of_definition(sys._getframe(1), cls)  # pyright: ignore[reportPrivateUsage]  # documented
        make_fields(cls, _RESERVED)

    def handle(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; parameters are injected. Every job has its own."""
        raise NotImplementedError(f"{type(self).__qualname__} has no handle()")

    def middleware(self) -> Sequence[Middleware]:
        """Middleware that depends on the instance; it runs inside the class's and the app's."""
        return ()

    def dispatch_options(self) -> DispatchOptions:
        """Options that depend on the instance; asked once, at dispatch."""
        return {}

    def failed(self, error: BaseException, /) -> Awaitable[None] | None:
        """Called on a fresh instance when the job has failed for good; at least once."""

    def interrupted(self, reason: str, /) -> Awaitable[None] | None:
        """Called when a running job is about to be cancelled because its worker stops."""

    @overload
    async def dispatch(self: AsyncHandler[R], **options: Unpack[DispatchOptions]) -> JobHandle[R]: ...
    @overload
    async def dispatch(self: SyncHandler[R], **options: Unpack[DispatchOptions]) -> JobHandle[R]: ...
    async def dispatch(self, **options: Unpack[DispatchOptions]) -> JobHandle[Any]:
        """Give the job to its queue. The arguments are checked and encoded before anything is sent.

        Raises:
            EncodeError: an argument cannot travel.
            ConfigError: an option cannot be used.
            DriverError: the broker did not take the job.
        """
        return await _dispatch(Request(self, options))

    @overload
    async def dispatch_if(
        self: AsyncHandler[R], condition: bool, /, **options: Unpack[DispatchOptions]
    ) -> JobHandle[R] | None: ...
    @overload
    async def dispatch_if(
        self: SyncHandler[R], condition: bool, /, **options: Unpack[DispatchOptions]
    ) -> JobHandle[R] | None: ...
    async def dispatch_if(self, condition: bool, /, **options: Unpack[DispatchOptions]) -> JobHandle[Any] | None:
        """Dispatch if the condition holds."""
        return await _dispatch(Request(self, options)) if condition else None

    @overload
    async def dispatch_unless(
        self: AsyncHandler[R], condition: bool, /, **options: Unpack[DispatchOptions]
    ) -> JobHandle[R] | None: ...
    @overload
    async def dispatch_unless(
        self: SyncHandler[R], condition: bool, /, **options: Unpack[DispatchOptions]
    ) -> JobHandle[R] | None: ...
    async def dispatch_unless(self, condition: bool, /, **options: Unpack[DispatchOptions]) -> JobHandle[Any] | None:
        """Dispatch unless the condition holds."""
        return None if condition else await _dispatch(Request(self, options))

    @overload
    async def dispatch_sync(self: AsyncHandler[R]) -> R: ...
    @overload
    async def dispatch_sync(self: SyncHandler[R]) -> R: ...
    async def dispatch_sync(self) -> Any:
        """Run the job here and now, through its middleware, and return its result or raise its error."""
        return await host().dispatch_sync(Request(self, {}))

    async def dispatch_after_response(self) -> None:
        """Run the job in this process, as `dispatch_sync` does, when the response has gone out that is under way here.

        Raises:
            EncodeError: an argument cannot travel.
            NotOpen: no response is under way; a web application needs `asyncq.asgi.QueueMiddleware`.
        """
        await host().dispatch_after_response(Request(self, {}))


AnyJob = Job | BoundJob[Any]
Dispatchable = AnyJob

_SETTING_NAMES = frozenset(JobSettings.__dataclass_fields__)
_RESERVED = frozenset(name for name, value in vars(Job).items() if isinstance(value, FunctionType) and name[0] != "_")


async def dispatch_many(jobs: Iterable[AnyJob], /, **options: Unpack[DispatchOptions]) -> Sequence[JobHandle[Any]]:
    """Dispatch jobs together, in one round trip for each batch of each connection; the options hold for all."""
    return await host().dispatch(requests_of(jobs, options))


def requests_of(jobs: Iterable[AnyJob], options: DispatchOptions) -> Sequence[Request]:
    """Pair each job with the options of the call.

    Raises:
        WrongType: something among them is no job.
    """
    if not isinstance(jobs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers that are not checked
        raise WrongType(f"dispatch_many takes a list of jobs, not {jobs!r}")
    return [job.request(options) if isinstance(job, BoundJob) else Request(_checked(job), options) for job in jobs]


def _checked(job: Any) -> Job:
    if isinstance(job, Job):
        return job
    hint = "make an instance of it" if isinstance(job, type) else "make it a Job, or bind a @job function"
    raise WrongType(f"dispatch_many takes jobs, not {job!r}; {hint}")


async def _dispatch(request: Request) -> JobHandle[Any]:
    handles = await host().dispatch((request,))
    return handles[0]


def _place_of_definition(frame: FrameType | None, cls: type[Job]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return globals and, for a class made inside a function, locals around the class statement."""
    while frame is not None and frame.f_code.co_name == "__init_subclass__":
        frame = frame.f_back
    if frame is None:
        return {}, {}
    return frame.f_globals, dict(frame.f_locals) if "<locals>" in cls.__qualname__ else {}
