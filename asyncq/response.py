"""What waits for the end of one response of a web server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncq.payload import Envelope

if TYPE_CHECKING:
    from asyncq.aside import Aside, Line

__all__ = ["Errand", "Response"]


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """A job that this process shall run while nobody waits for it."""

    connection: str
    envelope: Envelope
    keep: bool
    """True where its result, or that it failed, is kept as its connection does."""
    context: Context = field(default_factory=copy_context, repr=False)
    """The context variables of the dispatch."""

    def __str__(self) -> str:
        return f"{self.envelope.name} {self.envelope.id}"


class Response:
    """One response while it is under way, and the errands that begin when it has gone out.

    It is found by a context variable, which threads and child tasks of the request share, also those that outlive it:
    what they add later begins at once. It belongs to one loop; threads go there by `asyncq.blocking`.
    """

    def __init__(self, grace: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._grace = grace
        self._lines: dict[Aside, Line] = {}
        self._answered: bool | None = None
        """None while it is under way."""

    @property
    def here(self) -> bool:
        """True in the loop of the server, not in another one that some thread of the request runs."""
        return asyncio.get_running_loop() is self.loop

    def add(self, aside: Aside, errands: Sequence[Errand]) -> None:
        """Add errands of one app."""
        line = self._lines.get(aside)
        if line is None:
            line = self._lines[aside] = aside.line(self._grace)
        for errand in errands:
            line.add(errand)
        if self._answered is not None:
            _end(line, answered=self._answered)

    def end(self, *, answered: bool) -> Iterable[Aside]:
        """Let the errands begin, or drop them where nothing was answered; returns who runs them."""
        self._answered = answered
        for line in self._lines.values():
            _end(line, answered=answered)
        return self._lines.keys()


def _end(line: Line, *, answered: bool) -> None:
    if answered:
        line.start()
    else:
        line.drop()
