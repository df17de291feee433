"""The thread that owns a connection: calls wait in its queue, and all that wait share one commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from asyncq.drivers.sqlite.bell import Bell
from asyncq.drivers.sqlite.leases import give_back
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.transaction import Answer, Transactor
from asyncq.drivers.sqlite.undelivered import Undelivered
from asyncq.errors import NotOpen
from asyncq.payload import Reservation

__all__ = ["Call", "SqlThread"]

T = TypeVar("T")
GROUP = 256
"""Most calls in one transaction."""

Pick = Callable[[Any], Sequence[Reservation]]
_Post = tuple[asyncio.Future[Any], Answer] | tuple[asyncio.Event, None]


class Call:
    """One piece of work on its way through the thread. It may run twice, so it keeps nothing outside the file."""

    __slots__ = ("future", "loop", "pick", "work")

    def __init__(self, work: Callable[[Step], Any], future: asyncio.Future[Any] | None, pick: Pick | None) -> None:
        self.work = work
        self.future = future
        """Where the answer goes; None if nobody waits for it."""
        self.loop = None if future is None else future.get_loop()
        self.pick = pick
        """Picks the reservations out of the answer."""


class SqlThread:
    """Runs calls in transactions of up to 256, and answers after the commit.

    A call that was cancelled before the thread took it is skipped. Reservations whose caller was cancelled later are
    given back by a call that the cancellation itself puts into the queue: it stands behind the reserve and before
    whatever the caller does next.
    """

    def __init__(self, name: str, transactor: Transactor, bell: Bell, undelivered: Undelivered) -> None:
        self._name = name
        self._transactor = transactor
        self._bell = bell
        self._undelivered = undelivered
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread takes calls."""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread; it opens its connection with the first call."""
        self._calls = SimpleQueue()
        # A daemon: a process that forgets to close its driver still ends, and SQLite bears being cut off.
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Serve the accepted calls, close the connection, end the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.put(Call(_nothing, served, None))
        self._calls.put(None)
        try:
            # Waits here and not in the join, so that the loop goes on meanwhile; how this last call fared is no matter.
            await asyncio.wait([served])
        finally:
            thread.join()
        if not served.cancelled():
            served.exception()

    async def call(self, work: Callable[[Step], T], pick: Callable[[T], Sequence[Reservation]] | None = None) -> T:
        """Run `work` in a transaction and return its answer after the commit.

        `pick` finds the reservations in the answer; they are given back if the caller does not receive it.
        """
        if self._thread is None:
            raise NotOpen("the SQLite driver is used outside its `async with` block")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        call = Call(work, future, pick)
        self._calls.put(call)
        if pick is None:
            return await future
        try:
            answer = await future
        except (asyncio.CancelledError, GeneratorExit):
            # Also when the answer was on its way, or there already: the caller will not see it.
            self._undo(call)
            raise
        self._undelivered.take(call)
        return answer

    def _undo(self, call: Call) -> None:
        held: list[Reservation] = []

        def work(step: Step) -> None:
            held.extend(self._undelivered.take(call))
            give_back(step, held)

        self._calls.put(Call(work, None, None))

    def _run(self) -> None:
        try:
            while calls := self._next():
                self._serve([call for call in calls if call.future is None or not call.future.cancelled()])
                calls = []  # while it waits it must hold nothing of what it did last
        finally:
            self._transactor.close()

    def _next(self) -> list[Call]:
        """Wait for a call, then take all that came meanwhile; nothing means the end, and the queue is empty then."""
        calls: list[Call] = []
        try:
            call = self._calls.get()
            while True:
                if call is not None:
                    calls.append(call)
                    if len(calls) >= GROUP:
                        return calls
                elif not calls:
                    return self._remaining()
                else:
                    self._calls.put(None)
                    return calls
                call = self._calls.get_nowait()
        except Empty:
            return calls

    def _remaining(self) -> list[Call]:
        """Take what slipped in behind the end."""
        calls: list[Call] = []
        while not self._calls.empty():
            if (call := self._calls.get()) is not None:
                calls.append(call)
        if calls:
            self._calls.put(None)
        return calls

    def _serve(self, calls: Sequence[Call]) -> None:
        if not calls:
            return
        answers, touched = self._transactor.run([call.work for call in calls])
        posts: dict[asyncio.AbstractEventLoop, list[_Post]] = {}
        for call, answer in zip(calls, answers, strict=True):
            if call.pick is not None and answer[1] is None:
                self._undelivered.add(call, call.pick(answer[0]))
            if call.future is not None and call.loop is not None:
                posts.setdefault(call.loop, []).append((call.future, answer))
        for loop, event in self._bell.heard(touched):
            posts.setdefault(loop, []).append((event, None))
        for loop, items in posts.items():
            self._post(loop, items, calls)

    def _post(self, loop: asyncio.AbstractEventLoop, items: list[_Post], calls: Sequence[Call]) -> None:
        """Hand all that one loop gets to it in one call."""
        try:
            loop.call_soon_threadsafe(_deliver, items)
        except RuntimeError:
            # The loop is closed: nobody will ever receive these, so what they reserved goes back.
            for call in calls:
                if call.loop is loop and call.pick is not None:
                    self._undo(call)


def _deliver(items: Sequence[_Post]) -> None:
    for target, answer in items:
        if isinstance(target, asyncio.Event):
            target.set()
        elif answer is not None and not target.done():
            result, error = answer
            if error is None:
                target.set_result(result)
            else:
                target.set_exception(error)


def _nothing(_: Step) -> None:
    return None
