"""Models of Django by reference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import pytest
from asgiref.sync import sync_to_async

import asyncq
from asyncq import AsyncQ, Job
from asyncq.codec import Codec
from asyncq.errors import ConfigError, EncodeError, ModelNotFound
from asyncq.models import Reference, WithoutRelations, without_relations
from tests.unit.models import office
from tests.unit.models.office import Draft, House, Lease, Member, Memo, Model, Note, Seat, Shelf, Team

from asyncq.models.django import ADAPTER  # isort: skip  # Django must be configured first

codec = Codec()


@pytest.fixture(autouse=True)
async def tables(tmp_path: Path) -> AsyncIterator[None]:
    async with office.tables(tmp_path):
        yield


class Visit(Job):
    member: Member | None = None
    bare: Annotated[Member | None, WithoutRelations] = None
    house: House | None = None
    note: Note | None = None
    memo: Memo | None = None
    lease: Lease | None = None
    team: Team | None = None
    houses: list[House] = asyncq.field(default_factory=list[House])
    members: list[Member] = asyncq.field(default_factory=list[Member])

    async def handle(self) -> Any:
        return self


async def done(job: Job) -> Any:
    """The job as its handler saw it."""
    async with AsyncQ("memory://"):
        return await job.dispatch_sync()


def written(job: Job) -> Any:
    return orjson.loads(codec.arguments(job))


async def filled() -> Any:
    """Ada, who lives in a house and has a note."""
    house = await House.objects.acreate(id=1, name="home")
    ada = await Member.objects.acreate(id=1, name="ada", house=house)
    await ada.notes.aadd(await Note.objects.acreate(id=UUID(int=1)))
    return await Member.objects.aget(id=1)


async def test_classes_and_keys_are_written_and_loaded_again() -> None:
    ada = await filled()
    house, note = await House.objects.aget(), await Note.objects.aget()
    lease = await Lease.objects.acreate(house=house)
    job = Visit(member=ada, note=note, lease=lease, houses=[house, house])
    told = written(job)
    assert told["member"] == {"model": "Member", "key": [1]}
    assert told["note"] == {"model": "Note", "key": [str(UUID(int=1))]}
    assert told["lease"] == {"model": "Lease", "key": [1], "relations": ["house", "house.lease"]}
    await Member.objects.filter(id=1).aupdate(name="Ada Lovelace")
    seen = await done(job)
    assert seen.member is not ada and seen.member.name == "Ada Lovelace"
    assert (seen.note, seen.lease, seen.houses) == (note, lease, [house, house])


async def test_loaded_relations_come_back_whole_and_no_others() -> None:
    await filled()
    ada = await Member.objects.select_related("house").prefetch_related("house__members__notes").aget(id=1)
    names = ["house", "house.members", "house.members.house", "house.members.notes"]
    assert written(Visit(member=ada))["member"]["relations"] == names
    await Member.objects.acreate(id=2, name="bob", house_id=1)
    seen = (await done(Visit(member=ada))).member
    members = seen.house._prefetched_objects_cache["members"]
    assert sorted(member.name for member in members) == ["ada", "bob"]
    assert "notes" not in getattr(seen, "_prefetched_objects_cache", {})
    assert [len(member._prefetched_objects_cache["notes"]) for member in members if member.id == 1] == [1]


async def test_members_of_lists_and_what_is_marked_come_without_relations_in_order() -> None:
    await filled()
    await Member.objects.acreate(id=2, name="bob")
    gone = await Member.objects.acreate(id=3, name="eve")
    ada, bob = [item async for item in Member.objects.select_related("house").order_by("id")][:2]
    job = Visit(bare=ada, members=[gone, bob, ada, bob])
    assert written(job)["bare"] == {"model": "Member", "key": [1]}
    await Member.objects.filter(id=3).adelete()
    seen = await done(job)
    assert [item.name for item in seen.members] == ["bob", "ada", "bob"]
    assert "house" not in seen.bare._state.fields_cache


async def test_a_value_without_relations_is_a_copy_of_the_row() -> None:
    await filled()
    ada = await Member.objects.select_related("house").prefetch_related("notes").aget(id=1)
    bare: Any = without_relations(ada)
    assert (type(bare), bare.pk, bare.name) == (Member, 1, "ada")
    assert written(Visit(member=bare))["member"] == {"model": "Member", "key": [1]}
    assert written(Visit(member=ada))["member"]["relations"] == ["house", "notes"]


async def test_it_is_loaded_from_the_database_that_is_written_to() -> None:
    team = await Team.objects.acreate(name="blue")
    assert written(Visit(team=team))["team"] == {"model": "Team", "key": [team.pk], "using": "branch"}
    assert (await done(Visit(team=team))).team.name == "blue"
    for alias, title in {"copy": "copied", "default": "original"}.items():
        await Memo.objects.using(alias).acreate(id=2, title=title)
    memo = await Memo.objects.aget()
    assert memo.title == "copied" and "using" not in written(Visit(memo=memo))["memo"]
    assert (await done(Visit(memo=memo))).memo.title == "original"


async def test_filters_of_the_models_own_manager_do_not_hide_what_was_dispatched() -> None:
    memo = await Memo.objects.acreate(archived=True)
    assert (await done(Visit(memo=memo))).memo.archived


async def test_composite_keys_are_loaded_too() -> None:
    class Sit(Job):
        seat: Seat
        seats: list[Seat]

        async def handle(self) -> Any:
            return self

    seats = [await Seat.objects.acreate(row="a", number=number) for number in range(3)]
    job = Sit(seat=seats[0], seats=[seats[2], seats[1]])
    assert written(job)["seat"] == {"model": "Seat", "key": ["a", 0]}
    await Seat.objects.filter(number=1).adelete()
    seen = await done(job)
    assert (seen.seat.pk, [seat.pk for seat in seen.seats]) == (("a", 0), [("a", 2)])


async def test_a_model_of_two_tables_comes_back_as_itself() -> None:
    shelf = await Shelf.objects.acreate(height=3)
    job = Visit(house=shelf)
    assert written(job)["house"] == {"model": "Shelf", "key": [shelf.pk]}
    seen = await done(job)
    assert type(seen.house) is Shelf and seen.house.height == 3


async def test_what_is_not_saved_or_was_deleted_is_refused_and_what_is_gone_is_told() -> None:
    with pytest.raises(EncodeError, match=r"Visit\.member: this Member is not saved; save it before the dispatch"):
        codec.arguments(Visit(member=Member(id=1)))
    ada = await filled()
    job = Visit(member=ada)
    same = await Member.objects.aget(id=1)
    await sync_to_async(same.delete)()
    with pytest.raises(EncodeError, match=r"Visit\.member: this Member is not saved"):
        codec.arguments(Visit(member=same))
    with pytest.raises(ModelNotFound, match="Member 1 is gone"):
        await done(job)


async def test_a_relation_that_is_gone_is_passed_over() -> None:
    await filled()
    renamed = Reference(Member, (1,), ("cats", "house.cats", "house", "house.members"))
    member = (await ADAPTER.load([renamed], None))[renamed]
    assert "members" in member.house._prefetched_objects_cache


def test_a_class_without_a_table_is_no_model() -> None:
    assert not ADAPTER.knows(Draft)

    class Wrong(Job):
        it: Draft

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match="a field's type cannot travel"):
        codec.shape(Wrong)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("SlugField", str),
        ("PositiveSmallIntegerField", int),
        ("DateTimeField", datetime),
        ("DateField", date),
        ("DecimalField", Decimal),
        ("BinaryField", bytes),
        ("GenericIPAddressField", str),
        ("DurationField", int | str),
    ],
)
def test_every_kind_of_key_has_its_type(kind: str, expected: Any) -> None:
    field: Any = getattr(import_module("django.db.models"), kind)(primary_key=True)
    body = {"it": field, "__module__": __name__, "Meta": type("Meta", (), {"app_label": "office"})}
    model: type[Model] = type(f"Of{kind}", (Model,), body)
    assert ADAPTER.key_type(model) == tuple.__class_getitem__((expected,))


async def test_a_fake_keeps_the_instance() -> None:
    ada = await filled()
    async with asyncq.fake() as queue:
        await Visit(member=ada).dispatch()
        queue.assert_dispatched(Visit, lambda job: job.member is ada)
