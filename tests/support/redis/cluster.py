"""A private Redis cluster."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import hiredis

from tests.support.redis.binaries import Flavour
from tests.support.redis.server import RedisServer
from tests.support.redis.wire import Argument, call
from tests.support.waiting import until

__all__ = ["RedisCluster"]

SLOTS = 16384
READY = 40.0
"""Seconds; a new cluster takes two to believe in itself."""


class RedisCluster:
    """Masters that share all slots; with `replicas`, each has so many servers that take over when it dies.

    `servers` are the masters, then the replicas of the first round, then those of the second.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        replicas: int = 0,
        flavour: Flavour = "any",
        node_timeout: float = 1.0,
        persistent: bool = False,
    ) -> None:
        config = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(int(node_timeout * 1000)),
            "repl-diskless-sync-delay": "0",
        }
        count = nodes * (1 + replicas)
        self.servers = [RedisServer(flavour, persistent=persistent, config=config) for _ in range(count)]
        self.masters = self.servers[:nodes]
        """The first ones; after a failover a replica is one too."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            self._mesh()
            until(self._ready, READY, "a cluster whose nodes all say ok")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """`redis+cluster://127.0.0.1:PORT,127.0.0.1:PORT,…/0`, all that were masters at first."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.masters) + "/0"

    def command(self, *arguments: Argument) -> Any:
        """Send a command to the node that has its keys."""
        port = next(server.port for server in self.servers if server.alive)
        for _ in range(5):
            try:
                return call(("127.0.0.1", port), *arguments)
            except hiredis.ReplyError as error:
                kind, *rest = str(error).split()
                if kind != "MOVED":
                    raise
                port = int(rest[1].rpartition(":")[2])
        raise RuntimeError("the nodes do not agree whose slot it is")

    def _mesh(self) -> None:
        size = -(-SLOTS // len(self.masters))
        for number, server in enumerate(self.servers):
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if server in self.masters:
                # One by one: ranges are known from version 7 on.
                server.command("CLUSTER", "ADDSLOTS", *range(number * size, min((number + 1) * size, SLOTS)))
            self.servers[0].command("CLUSTER", "MEET", "127.0.0.1", server.port)
        for number, server in enumerate(self.servers[len(self.masters) :]):
            self._follow(server, self.masters[number % len(self.masters)])

    def _follow(self, replica: RedisServer, master: RedisServer) -> None:
        name = str(master.command("CLUSTER", "MYID"))
        until(lambda: name in replica.command("CLUSTER", "NODES"), READY, "a replica that has heard of its master")
        replica.command("CLUSTER", "REPLICATE", name)

    def _ready(self) -> bool:
        infos = [server.command("CLUSTER", "INFO") for server in self.servers]
        known = f"cluster_known_nodes:{len(self.servers)}\r"
        if not all("cluster_state:ok" in info and known in info for info in infos):
            return False
        replicas = self.servers[len(self.masters) :]
        return all("master_link_status:up" in server.command("INFO", "replication") for server in replicas)
