# over budget: job: one keyword for each setting, so that type checkers know them all
"""`@job`: the same engine for a plain function."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import new_class
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from asyncq.clock import Seconds
from asyncq.depends import is_injected, written_as_injected
from asyncq.errors import WrongType
from asyncq.handle import JobHandle
from asyncq.job import BoundJob, Job
from asyncq.settings import DispatchOptions, Middleware

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["FunctionJob", "JobFunction", "SyncJobFunction", "job"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class FunctionJob(Job, abstract=True):
    """Base of the classes that stand for functions: parameters are the fields, `handle` calls the function."""

    function_: ClassVar[Callable[..., Any]]
    signature_: ClassVar[inspect.Signature]
    """The function's signature without what is injected."""

    def arguments_(self) -> tuple[list[Any], dict[str, Any]]:
        """Return the fields as the positional and the keyword arguments of the function."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for name, parameter in self.signature_.parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(getattr(self, name))
            else:
                named[name] = getattr(self, name)
        return positional, named


class _AsyncFunctionJob(FunctionJob, abstract=True):
    async def handle(self, **injected: Any) -> Any:
        """Await the function."""
        positional, named = self.arguments_()
        return await type(self).function_(*positional, **named, **injected)


class _SyncFunctionJob(FunctionJob, abstract=True):
    def handle(self, **injected: Any) -> Any:
        """Call the function."""
        positional, named = self.arguments_()
        return type(self).function_(*positional, **named, **injected)


class JobFunction(Generic[P, R_co]):
    """A function on the queue; calling it runs it here, without the queue."""

    def __init__(self, job_type: type[FunctionJob], options: DispatchOptions | None = None) -> None:
        function = job_type.function_
        self.__wrapped__ = function
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.job_type = job_type
        """The class that stands for the function on the queue."""
        self._options: DispatchOptions = options if options is not None else {}

    def __repr__(self) -> str:
        return f"<job {self.__module__}:{self.__qualname__}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        return cast("Coroutine[Any, Any, R_co]", self.__wrapped__(*args, **kwargs))

    async def dispatch(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R_co]:
        """Give the function with these arguments to its queue; see `Job.dispatch`."""
        return await self.bind(*args, **kwargs).dispatch()

    async def dispatch_if(self, condition: bool, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R_co] | None:
        """Dispatch if the condition holds."""
        return await self.bind(*args, **kwargs).dispatch() if condition else None

    async def dispatch_unless(self, condition: bool, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R_co] | None:
        """Dispatch unless the condition holds."""
        return None if condition else await self.bind(*args, **kwargs).dispatch()

    async def dispatch_sync(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function here and now, through its middleware, and return its result or raise its error."""
        return await self.bind(*args, **kwargs).dispatch_sync()

    async def dispatch_after_response(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the function in this process when the response has gone out; see `Job.dispatch_after_response`."""
        await self.bind(*args, **kwargs).dispatch_after_response()

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> BoundJob[R_co]:
        """Return the job with its arguments filled in.

        Raises:
            WrongType: the arguments do not fit the function, as if it were called.
        """
        try:
            bound = self.job_type.signature_.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongType(f"{self.__qualname__}() {error}") from None
        return BoundJob(self.job_type(**bound.arguments), self._options)

    def options(self, **options: Unpack[DispatchOptions]) -> JobFunction[P, R_co]:
        """Return the same function with other dispatch options."""
        return type(self)(self.job_type, {**self._options, **options})


class SyncJobFunction(JobFunction[P, R_co]):
    """A plain `def` on the queue: calling it runs it here and returns the value itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # a plain function returns its value, not an awaitable
        return cast(R_co, self.__wrapped__(*args, **kwargs))


class _JobDecorator(Protocol):
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> JobFunction[P, R]: ...  # type: ignore[overload-overlap]  # the first match wins, on purpose
    @overload
    def __call__(self, fn: Callable[P, R], /) -> SyncJobFunction[P, R]: ...


@overload
def job(fn: Callable[P, Coroutine[Any, Any, R]], /) -> JobFunction[P, R]: ...  # type: ignore[overload-overlap]  # the first match wins, on purpose
@overload
def job(fn: Callable[P, R], /) -> SyncJobFunction[P, R]: ...
@overload
def job(
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
) -> _JobDecorator: ...
def job(fn: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a function a job; takes every setting of `Job`'s class keywords.

    Raises:
        WrongType: it is no function with a name, or has `*args` or `**kwargs`, or a parameter that is injected but
            has no default.
    """
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # documented, underscore or not
    if fn is not None:
        return _job_function(fn, {}, frame)
    return partial(_job_function, settings=settings, frame=frame)


def _job_function(fn: Callable[..., Any], settings: Mapping[str, Any], frame: FrameType) -> JobFunction[..., Any]:
    if not inspect.isfunction(fn):
        raise WrongType(f"@job takes a function, not {fn!r}; for a method or a callable object write a Job class")
    if fn.__name__ == "<lambda>":
        raise WrongType("@job takes a function that a worker can find by its name, not a lambda; write it with def")
    job_type = _job_type(fn, settings)
    job_type.namespace_ = fn.__globals__, dict(frame.f_locals) if "<locals>" in fn.__qualname__ else {}
    is_async = inspect.iscoroutinefunction(fn)
    return JobFunction(job_type) if is_async else SyncJobFunction(job_type)


def _job_type(fn: Callable[..., Any], settings: Mapping[str, Any]) -> type[FunctionJob]:
    base = _AsyncFunctionJob if inspect.iscoroutinefunction(fn) else _SyncFunctionJob
    signature = inspect.signature(fn)
    carried = [item for item in signature.parameters.values() if not is_injected(item)]
    for parameter in carried:
        _refuse(fn, parameter)
    body = {
        "__module__": fn.__module__,
        "__qualname__": fn.__qualname__,
        "__doc__": fn.__doc__,
        "__annotations__": {item.name: _annotation(item) for item in carried},
        "function_": staticmethod(fn),
        "signature_": signature.replace(parameters=carried),
        **{item.name: _default(item.default) for item in carried if item.default is not item.empty},
    }
    made = new_class(fn.__name__, (base,), dict(settings), lambda namespace: namespace.update(body))
    return cast("type[FunctionJob]", made)


def _annotation(parameter: inspect.Parameter) -> Any:
    return Any if parameter.annotation is parameter.empty else parameter.annotation


def _shown(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation).rpartition(".")[2]


def _default(value: Any) -> Any:
    if isinstance(value, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(cast(Any, value)))
    return value


def _refuse(fn: Callable[..., Any], parameter: inspect.Parameter) -> None:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        raise WrongType(f"{fn.__qualname__}: a job names its parameters; {parameter} cannot be checked or encoded")
    if parameter.default is parameter.empty and written_as_injected(parameter.annotation):
        raise WrongType(
            f"{fn.__qualname__}: {parameter.name} is injected, so callers pass nothing; "
            f"write {parameter.name}: {_shown(parameter.annotation)} = INJECT"
        )
