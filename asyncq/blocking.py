"""Dispatching and waiting from code that has no event loop: Django and Flask views, threadpool endpoints, a REPL."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, ParamSpec, TypeVar, Unpack, cast, overload

from asyncq.clock import Seconds
from asyncq.current import apps, current_response, host, response_here
from asyncq.errors import ConfigError, NotOpen
from asyncq.handle import JobHandle
from asyncq.job import AnyJob, AsyncHandler, BoundJob, Request, SyncHandler, requests_of
from asyncq.settings import DispatchOptions

__all__ = ["call", "close", "dispatch", "dispatch_after_response", "dispatch_many", "dispatch_sync", "result"]

P = ParamSpec("P")
R = TypeVar("R")

GLANCE: Final = 1.0
"""Seconds between looks whether the loop that shall answer still runs."""


@overload
def dispatch(job: AsyncHandler[R], /, **options: Unpack[DispatchOptions]) -> JobHandle[R]: ...
@overload
def dispatch(job: SyncHandler[R], /, **options: Unpack[DispatchOptions]) -> JobHandle[R]: ...
@overload
def dispatch(job: BoundJob[R], /, **options: Unpack[DispatchOptions]) -> JobHandle[R]: ...
def dispatch(job: Any, /, **options: Unpack[DispatchOptions]) -> JobHandle[Any]:
    """Do what `await job.dispatch(…)` does, and return when the job is in its queue.

    It runs in the loop of the web server around this thread, which `asyncq.asgi.QueueMiddleware` knows, else in the one
    in which the app is open, such as that of a worker. Where it is open nowhere, it runs in a thread of this module's
    own, which is started once and lasts as long as the process.

    Raises:
        ConfigError: called in a thread whose event loop is running: `await` the job's own `dispatch` there.
        AsyncqError: whatever `dispatch` itself raises.
    """
    return dispatch_many([job], **options)[0]


def dispatch_many(jobs: Iterable[AnyJob], /, **options: Unpack[DispatchOptions]) -> Sequence[JobHandle[Any]]:
    """Do what `await dispatch_many(…)` does."""
    return call(host().dispatch, requests_of(jobs, options))


@overload
def dispatch_sync(job: AsyncHandler[R], /) -> R: ...
@overload
def dispatch_sync(job: SyncHandler[R], /) -> R: ...
@overload
def dispatch_sync(job: BoundJob[R], /) -> R: ...
def dispatch_sync(job: Any, /) -> Any:
    """Run the job now, through its middleware, and return its result or raise its error."""
    request = job.request({}) if isinstance(job, BoundJob) else Request(job, {})
    return call(host().dispatch_sync, request)


def dispatch_after_response(job: AnyJob, /) -> None:
    """Do what `await job.dispatch_after_response()` does, in the loop that answers the request around this thread.

    Raises:
        EncodeError: an argument cannot travel.
        NotOpen: no response is under way; a web application needs `asyncq.asgi.QueueMiddleware`.
    """
    (request,) = requests_of([job], {})
    if not apps.stand_ins:
        response_here()
    call(host().dispatch_after_response, request)


def result(handle: JobHandle[R], *, timeout: Seconds | None = None) -> R:
    """Do what `await handle.result(…)` does."""

    async def wait() -> R:
        return await handle.result(timeout=timeout)

    return call(wait)


def call(function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call any async function of a handle, a context or an app: `call(handle.cancel)`, `call(ctx.progress, 3, 10)`.

    The function sees the context variables of the caller, so also the current job of a handler in a thread.

    Raises:
        ConfigError: called in a thread whose event loop is running.
        NotOpen: the loop in which the app was open ended before it answered.
    """
    _refuse_in_loop()

    async def run() -> R:
        return await function(*args, **kwargs)

    loop = _loop_of_the_request() or host().loop() or _home.loop()
    return _answer(asyncio.run_coroutine_threadsafe(run(), loop), loop)


def _loop_of_the_request() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the web server whose request this thread belongs to, where its middleware says so."""
    response = current_response.get()
    return response.loop if response is not None and response.loop.is_running() else None


def close() -> None:
    """End this module's own thread, if it was started; a later call starts it anew. For tests and for a clean exit."""
    _home.close()


def _refuse_in_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(
        "asyncq.blocking was called in a thread whose event loop is running, which it would block; "
        "write `await job.dispatch()` instead"
    )


def _answer(future: concurrent.futures.Future[R], loop: asyncio.AbstractEventLoop) -> R:
    try:
        while True:
            try:
                return future.result(GLANCE)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise  # the function's own
                if not loop.is_running():
                    raise NotOpen("the event loop in which the app was open ended before it answered") from None
    except BaseException:
        future.cancel()  # Ctrl-C while we wait: nobody is there any more to take the answer
        raise


class _Home:
    """A loop in a thread of its own. A process that was forked from ours has the object and not the thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop; starts it at the first call."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._start()
            return cast("asyncio.AbstractEventLoop", self._loop)

    def close(self) -> None:
        """Close what was opened there, then the loop."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            if loop is not None and thread is not None and self._pid == os.getpid():
                asyncio.run_coroutine_threadsafe(_end(loop), loop).result()
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()

    def _start(self) -> None:
        started = threading.Event()
        self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
        self._loop.call_soon(started.set)
        # A daemon: a program that forgets to close us must end all the same. Every call has its answer by then.
        self._thread = threading.Thread(target=self._loop.run_forever, name="asyncq-blocking", daemon=True)
        self._thread.start()
        started.wait()


def _end(loop: asyncio.AbstractEventLoop) -> Coroutine[Any, Any, None]:
    return loop.shutdown_asyncgens()


_home = _Home()
"""The one thing of this module that outlives its calls: synchronous code has no block that could own it."""
