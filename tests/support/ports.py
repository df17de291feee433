"""Ports that are free, and stay so while a server restarts."""

from __future__ import annotations

import random
import socket

__all__ = ["BUS", "free_port"]

BUS = 10_000
"""A cluster's node listens at its port and at this much above."""

# Below the ports that systems give to outgoing connections (from 32768), for the bus as well: nobody takes the port of
# a server that is down for a moment.
_FIRST, _LAST = 12_000, 22_000


def free_port() -> int:
    """Find a port that is free together with its bus port."""
    for _ in range(200):
        port = random.randint(_FIRST, _LAST)
        if _is_free(port) and _is_free(port + BUS):
            return port
    raise RuntimeError(f"no free port between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
