"""What an error means for who called a command: a text on stderr, and an exit code."""

from __future__ import annotations

import sys
from typing import Final

from asyncq.errors import AsyncqError, BrokerUnavailable, ConfigError, EncodeError, SchemaError, WrongType, WrongValue

__all__ = ["FAILED", "NotFound", "UsageError", "exit_code", "tell"]

FAILED: Final = 1
"""Exit code of a command that found a problem, or did not do what was asked."""


class UsageError(AsyncqError):
    """The command was called in a way that it does not understand."""


class NotFound(AsyncqError):
    """What was asked for is not there."""


_CODES: Final[tuple[tuple[type[AsyncqError], int], ...]] = (
    (UsageError, 2),
    (EncodeError, 2),
    # Of an option of the command; what a module of the project got wrong comes as the error of its import.
    (WrongType, 2),
    (WrongValue, 2),
    (ConfigError, 3),
    (BrokerUnavailable, 4),
    (SchemaError, 5),
)
_HINTS: Final[tuple[tuple[type[AsyncqError], str], ...]] = (
    (BrokerUnavailable, "`asyncq doctor` looks at every connection and says what is wrong with it"),
    (SchemaError, "`asyncq migrate status` shows the versions, `asyncq migrate` makes or updates the tables"),
)


def exit_code(error: AsyncqError) -> int:
    """Return the exit code of an error: 1 failed, 2 usage, 3 configuration, 4 unreachable, 5 schema."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def tell(error: AsyncqError) -> None:
    """Write what happened, its cause and a way out to stderr."""
    print(f"error: {error}", file=sys.stderr)
    cause = error.__cause__
    if cause is not None and str(cause).rstrip(".") not in str(error):
        print(f"cause: {type(cause).__name__}: {cause}", file=sys.stderr)
    for kind, hint in _HINTS:
        if isinstance(error, kind):
            print(f"hint: {hint}", file=sys.stderr)
