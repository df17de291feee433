"""Which of the transactions that are followed are open here."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol

from asyncq.transactions.holding import Level

__all__ = ["Scope", "enter", "leave", "open_level", "scopes"]


class Scope(Protocol):
    """Something that has transactions, such as a session."""

    pinned: int
    """How many blocks of `after_commit` are open for it here and elsewhere."""

    def level(self) -> Level | None:
        """Return what is open now; None where nothing is."""
        ...


scopes: Final[ContextVar[tuple[Scope, ...]]] = ContextVar("asyncq_scopes", default=())
"""What has, or may soon have, a transaction open in this context, the latest last. A task that was started inside a
transaction sees it too; whether it is still open is asked at each dispatch."""


def open_level() -> Level | None:
    """Return the innermost transaction or savepoint that is open here."""
    for scope in reversed(scopes.get()):
        level = scope.level()
        if level is not None:
            return level
    return None


def enter(scope: Scope) -> None:
    """Make this the innermost, where it is not in a block of its own already; forget those that are over."""
    here = scopes.get()
    if scope in here and scope.pinned:
        return
    kept = (other for other in here if other is not scope and (other.pinned or other.level() is not None))
    scopes.set((*kept, scope))


def leave(scope: Scope) -> None:
    """Forget it here."""
    scopes.set(tuple(other for other in scopes.get() if other is not scope))
