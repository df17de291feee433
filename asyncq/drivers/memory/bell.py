"""Wake-ups across loops and threads."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Iterable

import anyio
import anyio.lowlevel

from asyncq.clock import Clock

__all__ = ["Bell", "Bells"]


class Bell:
    """One wait of one task; any thread may ring."""

    __slots__ = ("_event", "_loop")

    def __init__(self) -> None:
        self._loop = get_running_loop()
        self._event = anyio.Event()

    def ring(self) -> None:
        """End the wait."""
        # Between the check and the call another thread may close the loop: then nobody waits there any more.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def heard(self, delay: float, clock: Clock) -> None:
        """Return when the bell rings, or after `delay` seconds of the clock."""
        if delay <= 0:
            await anyio.lowlevel.checkpoint()
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._after, delay, clock)
            await self._event.wait()
            group.cancel_scope.cancel()

    async def _after(self, delay: float, clock: Clock) -> None:
        await clock.wait(delay)
        self._event.set()


class Bells:
    """Who waits for what. Used under the lock of the state."""

    __slots__ = ("_bells",)

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}

    def hang(self, names: Iterable[str], bell: Bell) -> None:
        """Let this bell ring for any of the names."""
        for name in names:
            self._bells.setdefault(name, set()).add(bell)

    def remove(self, names: Iterable[str], bell: Bell) -> None:
        """Forget the bell, rung or not."""
        for name in names:
            bells = self._bells.get(name)
            if bells is not None:
                bells.discard(bell)
                if not bells:
                    del self._bells[name]

    def ring(self, name: str) -> None:
        """Ring all bells of a name; a bell rings once."""
        if self._bells:
            for bell in self._bells.pop(name, ()):
                bell.ring()
