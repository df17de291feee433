"""What somebody meant who wrote a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["hint"]


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the nearest known name, else all of them."""
    from difflib import get_close_matches  # here, since a process that makes no mistake does not need it

    names = sorted(known)
    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
