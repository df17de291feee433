"""Servers that all tests of one process share: each test takes a prefix of its own, nobody flushes."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.support.postgres.starts import STARTS as POSTGRES
from tests.support.redis.starts import STARTS as REDIS

__all__ = ["Shared"]

_STARTS = {**REDIS, **POSTGRES}


class Shared:
    """Starts a server when the first test asks for it; all end with the `with` block."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def url(self, server: str) -> str:
        """Where a server is, by its name; it has no query, so that `?prefix=` can follow."""
        if server not in self._urls:
            self._urls[server] = _STARTS[server](self._stack)
        return self._urls[server]
