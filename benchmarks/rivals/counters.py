"""What a server has spent so far, whichever it is, asked without any client library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from urllib.parse import urlsplit

__all__ = ["Counters", "read"]

READERS = {
    "redis": "benchmarks.rivals.redis_counters",
    "postgresql": "benchmarks.rivals.postgres_counters",
}


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the server started, by name, and what one question for them adds to each."""

    totals: Mapping[str, float] = field(default_factory=dict)
    question: Mapping[str, float] = field(default_factory=dict)

    def since(self, earlier: Counters) -> dict[str, float]:
        """Return the differences, less the question itself."""
        return {
            name: total - earlier.totals[name] - self.question.get(name, 0)
            for name, total in self.totals.items()
            if name in earlier.totals
        }


def read(url: str) -> Counters:
    """Ask the server at the URL for its counters; one that has none answers with nothing."""
    reader = READERS.get(urlsplit(url).scheme)
    if reader is None:
        return Counters()
    found: Counters = import_module(reader).read(url)
    return found
