"""Lines of those who wait for one gate in this process: only the first of a line asks the store."""

from __future__ import annotations

from weakref import WeakValueDictionary

import anyio

__all__ = ["Line", "Lines"]


class Line:
    """Whoever waits for one gate, first come, first served. Without it each would ask the store again and again."""

    __slots__ = ("__weakref__", "_bell", "_place")

    def __init__(self) -> None:
        self._place = anyio.Lock()
        self._bell = anyio.Event()

    @property
    def empty(self) -> bool:
        """Whether nobody waits."""
        return not self._place.locked()

    async def enter(self, timeout: float) -> bool:
        """Become the first; False if others were before for so many seconds."""
        with anyio.move_on_after(timeout):
            await self._place.acquire()
            return True
        return False

    def leave(self) -> None:
        """Let the next one be the first."""
        self._place.release()

    async def nap(self, seconds: float) -> None:
        """Wait so long, or until the bell rings, which it may have done since the last nap; for the first only."""
        with anyio.move_on_after(seconds):
            await self._bell.wait()
        self._bell = anyio.Event()

    def ring(self) -> None:
        """Wake the first: somebody in this process made room."""
        self._bell.set()


class Lines:
    """The lines of one event loop, by the name of the gate; a line lasts as long as somebody stands in it."""

    def __init__(self) -> None:
        self._lines: WeakValueDictionary[str, Line] = WeakValueDictionary()

    def of(self, name: str) -> Line:
        """Return the line of a gate."""
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line()
        return line

    def ring(self, name: str) -> None:
        """Wake the first who waits there, if there is one."""
        line = self._lines.get(name)
        if line is not None:
            line.ring()
