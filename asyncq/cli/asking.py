"""Asks before something is lost for good."""

from __future__ import annotations

import sys

from asyncq.cli.failures import UsageError

__all__ = ["check_that_we_may_ask", "confirmed"]


def check_that_we_may_ask(*, force: bool) -> None:
    """Refuse at once, before anything is opened, where nobody could answer.

    Raises:
        UsageError: there is no terminal, and no --force.
    """
    if not force and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this cannot be undone, and there is no terminal to ask on; add --force if it is meant")


def confirmed(question: str, *, force: bool) -> bool:
    """Ask on the terminal, where no answer is a no; with `force` nobody is asked."""
    if force:
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
