"""How it is found out who knows a class, and what a package's own adapter does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, TypeVar

import pytest

import asyncq
from asyncq import AsyncQ, Job, adapter
from asyncq.codec import Codec
from asyncq.errors import ConfigError
from asyncq.models import Adapter, Reference, without_relations
from tests.support.root import ROOT

M = TypeVar("M")
ROWS: dict[str, Plant] = {}


class Plant:
    """A class of a library that has its own way to store things."""

    def __init__(self, name: str) -> None:
        self.name = name


class Garden:
    """What knows plants."""

    needs_session = False

    def knows(self, kind: type[Any], /) -> bool:
        return issubclass(kind, Plant)

    def key_type(self, kind: type[Any], /) -> Any:
        return tuple[str]

    def key(self, instance: Any, /) -> tuple[Any, ...]:
        return (instance.name,)

    def refer(self, instance: Any, /, *, relations: bool) -> Reference:
        return Reference(Plant, (instance.name,), ("leaves",) if relations else ())

    def bare(self, instance: M, /) -> M:
        return instance

    async def load(self, references: Sequence[Reference], session: Any, /) -> Mapping[Reference, Any]:
        assert session is None
        return {item: ROWS[item.key[0]] for item in references if item.key[0] in ROWS}


GARDEN: Adapter = Garden()


@pytest.fixture
def garden(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package that brings the adapter, and import its library."""
    points = (
        EntryPoint("library_of_plants", f"{__name__}:GARDEN", adapter.GROUP),
        EntryPoint("library_of_stones", "nothing.that:exists", adapter.GROUP),
    )
    monkeypatch.setattr(adapter, "_points", lambda: points)
    monkeypatch.setitem(sys.modules, "library_of_plants", ModuleType("library_of_plants"))
    ROWS.clear()
    yield
    ROWS.clear()


async def test_a_package_teaches_its_models_by_an_entry_point(garden: None) -> None:
    class Water(Job):
        plant: Plant
        plants: list[Plant]

        async def handle(self) -> list[Plant]:
            return [self.plant, *self.plants]

    ROWS["rose"] = rose = Plant("rose")
    async with AsyncQ("memory://"):
        job = Water(plant=Plant("rose"), plants=[Plant("nettle"), Plant("rose")])
        assert await job.dispatch_sync() == [rose, rose]
    async with asyncq.fake() as queue:
        await job.dispatch()
        assert queue.of(Water)[0].plant is job.plant
    assert without_relations(rose) is rose


def test_an_adapter_that_cannot_be_imported_is_told_once_its_library_is_used(
    garden: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapter.adapter_of(Garden) is None
    monkeypatch.setitem(sys.modules, "library_of_stones", ModuleType("library_of_stones"))
    with pytest.raises(ConfigError, match=r"the adapter of library_of_stones's models, nothing\.that:exists, cannot"):
        adapter.adapter_of(Garden)


def test_no_library_is_imported_to_find_out() -> None:
    program = """
import asyncio, sys
from dataclasses import dataclass
from asyncq import AsyncQ, Job
from asyncq.models import WithoutRelations

@dataclass
class Point:
    x: int

class Draw(Job):
    point: Point
    async def handle(self) -> int:
        return self.point.x

async def main() -> None:
    async with AsyncQ("memory://"):
        assert await Draw(point=Point(3)).dispatch_sync() == 3

asyncio.run(main())
print(*sorted({"sqlalchemy", "django", "tortoise"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_job_that_is_read_from_plain_json_can_be_dispatched(garden: None) -> None:
    """As the command line does, which has a key and no instance."""

    class Water(Job):
        plant: Plant

        async def handle(self) -> None: ...

    codec = Codec()
    job = codec.shape(Water).read(b'{"plant":{"key":["rose"]}}')
    assert codec.arguments(job) == b'{"plant":{"model":"Plant","key":["rose"]}}'
