"""From what a user calls a transaction to a `Transaction`, by the library that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, NoReturn

from asyncq.contracts import Transaction
from asyncq.errors import WrongType

__all__ = ["TAKEN", "Adapted", "adapt", "library_of", "refuse"]

TAKEN: Final = "a SQLAlchemy AsyncSession or AsyncConnection, an asyncpg connection or an aiosqlite connection"
_ADAPTERS: Final[Mapping[str, str]] = {name: f"{__package__}.{name}" for name in ("aiosqlite", "asyncpg", "sqlalchemy")}
"""A library's module here; it is imported only when an object of the library is given, so when that is there."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """A transaction, and where it is."""

    transaction: Transaction
    place: object
    """All transactions of this object are in one database; it can be weakly referred to."""


async def adapt(given: Any, what: str) -> Adapted:
    """Return the transaction that is open on what was given; `what` names the call in errors.

    Raises:
        WrongType: it is nothing that has one.
        ConfigError: none is open on it.
    """
    library = library_of(given)
    if library is None:
        refuse(what, given)
    found: Adapted = await import_module(_ADAPTERS[library]).adapt(given, what)
    return found


def library_of(given: Any) -> str | None:
    """Return which of the libraries an object is made from, be it by a class that derives from one of theirs."""
    roots = (cls.__module__.partition(".")[0] for cls in type(given).__mro__)
    return next((root for root in roots if root in _ADAPTERS), None)


def refuse(what: str, given: Any, hint: str = "") -> NoReturn:
    """Say what is taken instead.

    Raises:
        WrongType: always.
    """
    shown = f"a {type(given).__module__}.{type(given).__qualname__}" if library_of(given) else repr(given)
    raise WrongType(f"{what} takes {TAKEN}, not {shown}" + (f"; {hint}" if hint else ""))
