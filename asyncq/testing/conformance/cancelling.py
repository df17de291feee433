"""Cancels a call at every point where it gives way, in three manners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sized
from typing import Any

import anyio

__all__ = ["MANNERS", "Call", "Manner", "steps"]

Call = Callable[[], Awaitable[object]]
Manner = Callable[[Call, int], Awaitable[bool]]
"""Runs a call and cancels it after so many steps of the loop; True if the call ended before that."""

LAST = 600


def steps() -> Iterator[int]:
    """Yield 0, 1, 2, … and then growing distances, since a call that has gone to a thread waits for many steps."""
    step = 0
    while step < LAST:
        yield step
        step += 1 if step < 12 else step // 3


async def natively(call: Call, step: int) -> bool:
    """Cancel the task."""
    task = asyncio.ensure_future(_run(call))
    await _pass(task, step)
    return await _cancel(task)


async def by_scope(call: Call, step: int) -> bool:
    """Cancel a scope of anyio around the call."""
    scope = anyio.CancelScope()

    async def scoped() -> bool:
        with scope:
            await call()
            return True
        return False

    task = asyncio.ensure_future(scoped())
    await _pass(task, step)
    scope.cancel()
    with anyio.fail_after(10):
        return await task


async def after_its_thread(call: Call, step: int) -> bool:
    """Cancel the task when a thread has finished for it, and the loop has not seen that yet."""
    task = asyncio.ensure_future(_run(call))
    await _pass(task, step)
    if not task.done():
        _block_until_something_is_due()
    return await _cancel(task)


MANNERS: dict[str, Manner] = {"natively": natively, "by_scope": by_scope, "after_its_thread": after_its_thread}


async def _run(call: Call) -> None:
    await call()


async def _pass(task: asyncio.Future[Any], step: int) -> None:
    """Let the task run for so many steps of the loop."""
    for _ in range(step):
        if task.done():
            break
        await asyncio.sleep(0)


async def _cancel(task: asyncio.Future[Any]) -> bool:
    ended = task.done()
    task.cancel()
    with anyio.fail_after(10):
        done, _ = await asyncio.wait([task])
    for one in done:
        if not one.cancelled() and (error := one.exception()) is not None:
            raise error
    return ended


def _block_until_something_is_due(within: float = 0.02) -> None:
    """Hold the loop until another thread has called back into it; in vain where the call has no thread."""
    ready: Sized = vars(asyncio.get_running_loop())["_ready"]
    before, deadline = len(ready), time.monotonic() + within
    while len(ready) == before and time.monotonic() < deadline:
        time.sleep(0.0002)
