"""Cases that are measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.harness.case import Case
from benchmarks.harness.results import Results, Target

__all__ = ["Bench", "Group"]


@dataclass(frozen=True, slots=True)
class Bench:
    """The cases of a round in their order.

    `versions` are those of what asyncq runs on; `before_each` empties a database, where there is one.
    """

    cases: Sequence[Case]
    versions: str = ""
    before_each: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Group:
    """What `python -m benchmarks NAME` measures; `open` takes the number of jobs."""

    name: str
    title: str
    jobs: int
    open: Callable[[int], AbstractContextManager[Bench]]
    table: Callable[[Results], Iterator[str]]
    targets: Sequence[Target]
    caveats: Sequence[str]
