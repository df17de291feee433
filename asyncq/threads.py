"""Threads that run blocking handlers; one that is abandoned keeps its place until it ends."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, NamedTuple

__all__ = ["Threads", "answer_of"]


class _Call(NamedTuple):
    context: Context
    function: Callable[[], Any]
    started: Callable[[], None]
    future: asyncio.Future[tuple[BaseException | None, Any]]


class Threads:
    """At most `size` threads, made when needed; daemons, since a handler that never returns must not hold us."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._made = 0
        self._busy = 0
        self._abandoned: set[asyncio.Future[Any]] = set()

    @property
    def abandoned(self) -> int:
        """How many threads are held by a call that nobody waits for any more."""
        return len(self._abandoned)

    @property
    def exhausted(self) -> bool:
        """True where every thread is held by a call that nobody waits for any more."""
        return len(self._abandoned) >= self._size

    async def run(self, function: Callable[[], Any], started: Callable[[], None]) -> Any:
        """Run a blocking function in a thread and return its result or raise its error.

        `started` is called in the loop when the thread takes up the call. When this is cancelled the thread goes on,
        since threads cannot be stopped, and its place stays taken until it ends.
        """
        await self._place()
        future: asyncio.Future[tuple[BaseException | None, Any]] = asyncio.get_running_loop().create_future()
        self._busy += 1
        self._calls.put(_Call(copy_context(), function, started, future))
        if self._made < self._busy:
            self._made += 1
            threading.Thread(target=self._serve, name="asyncq-job", daemon=True).start()
        try:
            error, value = await future
        except asyncio.CancelledError:
            self._abandoned.add(future)
            raise
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Let idle threads end; busy ones end after their call."""
        for _ in range(self._made):
            self._calls.put(None)

    async def _place(self) -> None:
        while self._busy >= self._size:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # the place that was ours by now, if it was
                raise

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                self._answer(call)
            except RuntimeError:
                return  # the loop is closed: nobody is left to tell
            finally:
                del call  # an idle thread must hold nothing of the job that it ran last

    def _answer(self, call: _Call) -> None:
        loop = call.future.get_loop()
        loop.call_soon_threadsafe(call.started)
        loop.call_soon_threadsafe(self._finish, call.future, call.context.run(answer_of, call.function))

    def _finish(
        self, future: asyncio.Future[tuple[BaseException | None, Any]], answer: tuple[BaseException | None, Any]
    ) -> None:
        self._busy -= 1
        self._abandoned.discard(future)
        if not future.done():
            future.set_result(answer)
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._busy < self._size:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


def answer_of(function: Callable[[], Any]) -> tuple[BaseException | None, Any]:
    """Call in a thread; returns error and result.

    A pair and not an exception: a future refuses StopIteration, SystemExit would end the thread's loop, and
    GeneratorExit from a future would close who awaits it.
    """
    try:
        return None, function()
    except BaseException as error:
        return error, None
