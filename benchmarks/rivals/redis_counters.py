"""What a Redis server has spent so far.

`server_us` is CPU. `commands` has those inside scripts too. `trips` are what it took from its connections: one for each
round trip, however many commands a pipeline or a script has.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from benchmarks.rivals.counters import Counters

__all__ = ["read"]


def read(url: str) -> Counters:
    """Ask the server at the URL for its counters."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout=30) as connection:
        connection.sendall(b"INFO cpu stats\r\n")
        answer = connection.makefile("rb")
        text = answer.read(int(answer.readline()[1:])).decode()
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    totals = {
        "server_us": 1e6 * (float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])),
        "commands": int(facts["total_commands_processed"]),
        "trips": int(facts["total_reads_processed"]),
    }
    return Counters(totals, {"commands": 1, "trips": 1})
