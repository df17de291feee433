"""The names of keys: which hash tag a queue has, and where its jobs lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Keys", "queue_of", "tag"]

_HARMFUL = {"%": "%25", "{": "%7B", "}": "%7D", "\n": "%0A"}
"""Braces would move the hash tag, a line end would end the first line of a record."""
_TABLE = str.maketrans(_HARMFUL)


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of one connection's keys; all of them begin with its prefix."""

    prefix: str
    clustered: bool = False
    """Each queue has a home of its own, so that it fits in one slot."""

    @property
    def root(self) -> str:
        """Home of the stores, and where one server serves all queues, of all jobs."""
        return f"{self.prefix}:{{{tag(self.prefix)}}}:"

    @property
    def start(self) -> str:
        """What all bases begin with."""
        return f"{self.prefix}:q:{{"

    def base(self, queue: str) -> str:
        """Return what the names of a queue's own keys begin with."""
        return _base(self.start, queue)

    def home(self, queue: str) -> str:
        """Return where the jobs of a queue lie."""
        return f"{self.base(queue)}own:" if self.clustered else self.root

    def groups(self, queues: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Sort queues by their homes, each once and in their order: one script can reach those of one home."""
        found: dict[str, list[str]] = {}
        for queue in dict.fromkeys(queues):
            found.setdefault(self.home(queue), []).append(queue)
        return found

    def channel(self, name: str) -> str:
        """Return the name of a channel of publish and subscribe."""
        return f"{self.root}{name}"


@lru_cache(maxsize=1024)
def _base(start: str, queue: str) -> str:
    return f"{start}{tag(queue)}}}:"


@lru_cache(maxsize=1024)
def tag(queue: str) -> str:
    """Return a queue's name as it stands in a hash tag."""
    return queue.translate(_TABLE)


def queue_of(tagged: str) -> str:
    """Undo `tag`."""
    for plain, written in reversed(_HARMFUL.items()):
        tagged = tagged.replace(written, plain)
    return tagged
