"""`asyncq work` in one process: the loop, the signals, and an end that no handler can hold up."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Coroutine
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast

from asyncq.config import ChildPipes, child_pipes
from asyncq.worker.enforce import end_process, leave
from asyncq.worker.ledger import Ledger
from asyncq.worker.options import WorkerOptions
from asyncq.worker.succession import settle_predecessor
from asyncq.worker.supervisor import Supervisor

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = ["calm_collector", "run_process"]

LEFTOVER_SECONDS: Final = 1.0
YOUNG_OBJECTS: Final = 10_000
"""So many new objects make the collector of cycles look; Python's own 700 is less than 50 jobs at once hold."""
_log = logging.getLogger("asyncq.worker")


def run_process(app: AsyncQ, options: WorkerOptions) -> int:
    """Work until a signal, a limit or a restart ends it. Ends the process: a leaked thread would hold it for ever.

    Raises:
        AsyncqError: the worker could not start; nothing was reserved.
    """
    process = _Process(app, options, child_pipes())
    loop = new_loop()
    asyncio.set_event_loop(loop)
    process.install_signals()
    code = run_to_the_end(loop, process.main())
    close_loop(loop)
    leave(code)
    return code


class _Process:
    """What the signals act on; they may come before the worker is there."""

    def __init__(self, app: AsyncQ, options: WorkerOptions, pipes: ChildPipes | None) -> None:
        self._app = app
        self._options = options
        self._pipes = pipes
        self._supervisor: Supervisor | None = None
        self._early: list[tuple[str, str]] = []

    async def main(self) -> int:
        """Open the app, work, and return the exit code."""
        async with self._app:
            supervisor = Supervisor(await self._app.engine(), self._options, end_process)
            if self._pipes is not None:
                await self._join_parent(supervisor, self._pipes)
            self._supervisor = supervisor
            for reason, name in self._early:
                supervisor.interrupt(reason, name)
            calm_collector()
            await supervisor.run()
            _log.info("worker %s ends: %s", self._options.name, supervisor.stop.reason)
            return supervisor.stop.code

    async def _join_parent(self, supervisor: Supervisor, pipes: ChildPipes) -> None:
        """Share the ledger with the parent, settle for a killed predecessor, and end when the parent is gone."""
        supervisor.desk.ledger = Ledger(pipes.ledger, self._options.concurrency + self._options.ahead + 8)
        if pipes.predecessor is not None:
            await settle_predecessor(supervisor, pipes.predecessor)
            os.close(pipes.predecessor)
        asyncio.get_running_loop().add_reader(pipes.parent, self._parent_gone, pipes.parent)

    def _parent_gone(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        _log.warning("the parent process is gone; this worker drains")
        self._stop("parent_gone")

    def install_signals(self) -> None:
        """Install the handlers through `signal.signal`, which run while Python code blocks the loop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR2, self._on_pause)
        signal.signal(signal.SIGCONT, self._on_resume)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop("restart_signal" if number == signal.SIGHUP else "interrupted", signal.Signals(number).name)

    def _stop(self, reason: str, signal_name: str = "") -> None:
        if self._supervisor is None:
            self._early.append((reason, signal_name))
        else:
            self._supervisor.interrupt(reason, signal_name)

    def _on_pause(self, number: int, frame: FrameType | None) -> None:
        self._hold(True)

    def _on_resume(self, number: int, frame: FrameType | None) -> None:
        self._hold(False)

    def _hold(self, hold: bool) -> None:
        if self._supervisor is not None:
            self._supervisor.hold(hold)


def calm_collector() -> None:
    """Keep the collector of cycles, which costs 5 to 10 % of a busy worker, from what was loaded and what just runs.

    Jobs are freed without it. This is for a process that is ours: a host of an embedded worker decides for itself.
    """
    gc.collect()
    gc.freeze()
    young, *older = gc.get_threshold()
    if young:  # 0 turned it off
        gc.set_threshold(max(young, YOUNG_OBJECTS), *older)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where the `speed` extra is installed, else asyncio's."""
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    return cast("asyncio.AbstractEventLoop", uvloop.new_event_loop())


def run_to_the_end(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, int]) -> int:
    """Run `main`, going on where a task of a handler raised what stops a loop.

    asyncio lets SystemExit and KeyboardInterrupt of any task leave `run_forever`; only our own signals may stop us.
    """
    task = loop.create_task(main)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            if task.done():
                break
            _log.error("a task of a handler raised %r, which must not stop the worker; it goes on", error)
    return task.result()


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """End tasks that handlers left behind, for at most a second, and close what async generators hold."""
    leftovers = asyncio.all_tasks(loop)
    for task in leftovers:
        task.cancel()

    async def end() -> int:
        if leftovers:
            await asyncio.wait(leftovers, timeout=LEFTOVER_SECONDS)
        await loop.shutdown_asyncgens()
        return 0

    run_to_the_end(loop, end())
