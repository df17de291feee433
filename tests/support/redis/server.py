"""One private Redis server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hiredis

from tests.support.private import PrivateServer
from tests.support.redis.binaries import Flavour, require
from tests.support.redis.wire import Argument, call

__all__ = ["RedisServer"]


class RedisServer(PrivateServer):
    """A server on a free port of 127.0.0.1 and on a unix socket; it runs inside `with`, and has no data at first.

    `persistent` writes each change to disk before it is answered, so that `restart` after `kill` finds all of it.
    `users` are ACL rules by name, `{"worker": "on >secret ~jobs:* +@all"}`; `config` is any other line of its file.
    """

    kind = "a Redis server"

    def __init__(
        self,
        flavour: Flavour = "any",
        *,
        persistent: bool = False,
        maxmemory: str | None = None,
        password: str | None = None,
        users: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        sentinel: bool = False,
    ) -> None:
        super().__init__()
        self.flavour: Flavour = flavour
        self.password = password
        self._config = {"save": '""', "bind": "127.0.0.1"}
        self._config |= {"appendonly": "yes", "appendfsync": "always"} if persistent else {"appendonly": "no"}
        self._config |= {"maxmemory": maxmemory} if maxmemory else {}
        self._config |= {"requirepass": password} if password else {}
        self._config |= config or {}
        self._users = dict(users or {})
        self._sentinel = sentinel

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self._directory / "s"

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`, with the password if there is one."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def command(self, *arguments: Argument) -> Any:
        """Send one command and return its answer; integers, None, lists, and texts as str."""
        return call(self.socket, *arguments, password=self.password)

    def _prepare(self) -> None:
        self._program = require(self.flavour)

    def _configure(self) -> None:
        """Write it once: a server may keep what it has learned in this file."""
        lines = {"port": str(self.port), "unixsocket": str(self.socket), "dir": str(self._directory)}
        lines |= {"logfile": str(self._log), **self._config}
        lines |= {f"user {name}": rules for name, rules in self._users.items()}
        (self._directory / "server.conf").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))

    def _command(self) -> list[str]:
        command = [str(self._program), str(self._directory / "server.conf")]
        return [*command, "--sentinel"] if self._sentinel else command

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING") == "PONG")
        except (OSError, hiredis.ReplyError):
            return False  # not listening yet, or still loading its data
