"""Texts that PostgreSQL cannot hold as they are: those with a NUL, and those that are no Unicode."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["readable", "stored", "unstored"]

_MARK: Final = "\x02"
"""Begins a text that is written as JSON; a text that begins so by itself is, too."""


def stored(text: str) -> str:
    """Return the text as a column holds it; different texts stay different."""
    if "\0" not in text and not text.startswith(_MARK) and _is_unicode(text):
        return text
    return _MARK + json.dumps(text)


def unstored(text: str) -> str:
    """Undo `stored`."""
    return str(json.loads(text[1:])) if text.startswith(_MARK) else text


def readable(text: str) -> str:
    """Return a text for people, without what cannot be stored."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
