"""A private Redis master that sentinels watch over."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from tests.support.redis.binaries import Flavour
from tests.support.redis.server import RedisServer
from tests.support.redis.wire import Argument
from tests.support.waiting import until

__all__ = ["RedisSentinel"]

NAME = "mymaster"
SENTINELS = 3
READY = 40.0


class RedisSentinel:
    """One master, one replica, three sentinels that agree by two; a dead master is replaced in about two seconds."""

    def __init__(self, flavour: Flavour = "any", *, down_after: float = 0.5, persistent: bool = False) -> None:
        self.flavour: Flavour = flavour
        self.down_after = down_after
        self.servers: list[RedisServer] = []
        """The first master and the first replica."""
        self.sentinels: list[RedisServer] = []
        self._persistent = persistent
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            master = stack.enter_context(self._server({"repl-diskless-sync-delay": "0"}))
            follow = {"replicaof": f"127.0.0.1 {master.port}", "repl-diskless-sync-delay": "0"}
            self.servers = [master, stack.enter_context(self._server(follow))]
            self.sentinels = [stack.enter_context(self._watcher(master)) for _ in range(SENTINELS)]
            until(self._ready, READY, "sentinels that know one another and the replica")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """`redis+sentinel://127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT/mymaster`."""
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels) + f"/{NAME}"

    @property
    def master(self) -> RedisServer:
        """The server that the first sentinel names; for a while that is a dead one."""
        _, port = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(server for server in self.servers if server.port == int(port))

    def command(self, *arguments: Argument) -> Any:
        """Send a command to the master."""
        return self.master.command(*arguments)

    def kill_master(self) -> RedisServer:
        """End the master as `kill -9` does, and return it: it can be restarted, as a replica then."""
        master = self.master
        master.kill()
        return master

    def await_master(self, *, other_than: RedisServer) -> RedisServer:
        """Wait until all sentinels name another master, and it is one; blocks, so that a loop asks from a thread."""

        def promoted() -> RedisServer | None:
            named = {one.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1] for one in self.sentinels}
            master = self.master
            if master is other_than or named != {str(master.port)}:
                return None
            return master if master.command("ROLE")[0] == "master" else None

        chosen = until(promoted, READY, "a new master")
        assert isinstance(chosen, RedisServer)
        return chosen

    def _server(self, config: dict[str, str]) -> RedisServer:
        return RedisServer(self.flavour, persistent=self._persistent, config=config)

    def _watcher(self, master: RedisServer) -> RedisServer:
        config = {
            "sentinel monitor": f"{NAME} 127.0.0.1 {master.port} 2",
            "sentinel down-after-milliseconds": f"{NAME} {int(self.down_after * 1000)}",
            # Votes that split are repeated after twice this time.
            "sentinel failover-timeout": f"{NAME} 1000",
        }
        return RedisServer(self.flavour, config=config, sentinel=True)

    def _ready(self) -> bool:
        states = [self._state(one) for one in self.sentinels]
        others = str(SENTINELS - 1)
        return all((state["num-slaves"], state["num-other-sentinels"]) == ("1", others) for state in states) and (
            "master_link_status:up" in self.servers[1].command("INFO", "replication")
        )

    def _state(self, sentinel: RedisServer) -> dict[str, str]:
        flat = sentinel.command("SENTINEL", "MASTER", NAME)
        return dict(zip(flat[::2], flat[1::2], strict=True))
