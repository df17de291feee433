"""Servers that all tests of one process share: each test takes a prefix of its own, or tables that it finds empty."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.support.postgres.starts import OWN_URL
from tests.support.postgres.starts import STARTS as POSTGRES
from tests.support.postgres.tables import Tables
from tests.support.redis.starts import STARTS as REDIS

__all__ = ["Shared"]

_STARTS = {**REDIS, **POSTGRES}


class Shared:
    """Starts a server when the first test asks for it; all end with the `with` block."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._tables: dict[str, Tables] = {}
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

    def tables(self, server: str, place: Callable[[str], str]) -> str:
        """The URL of a connection whose tables are there, and empty; `place` makes one from the name of a schema."""
        if server not in self._tables:
            self._tables[server] = Tables(self.url(server), place)
            if self.url(server) == os.environ.get(OWN_URL):
                self._stack.callback(self._tables[server].drop)
        self._tables[server].empty()
        return self._tables[server].url
