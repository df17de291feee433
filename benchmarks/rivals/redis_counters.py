"""What a Redis server has spent so far, asked without any client library."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Counters", "read"]


@dataclass(frozen=True, slots=True)
class Counters:
    """What it has spent since it started.

    `commands` has those inside scripts too. `reads` are what it took from its connections: one for each round trip,
    however many commands a pipeline or a script has.
    """

    cpu: float
    commands: int
    reads: int

    def since(self, earlier: Counters) -> Counters:
        """Return the difference, less the question itself."""
        return Counters(self.cpu - earlier.cpu, self.commands - earlier.commands - 1, self.reads - earlier.reads - 1)


def read(url: str) -> Counters:
    """Ask the server at the URL for its counters."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout=30) as connection:
        connection.sendall(b"INFO cpu stats\r\n")
        answer = connection.makefile("rb")
        text = answer.read(int(answer.readline()[1:])).decode()
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    cpu = float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])
    return Counters(cpu, int(facts["total_commands_processed"]), int(facts["total_reads_processed"]))
