"""What is written for an instance, and what is refused at the dispatch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict
from sqlalchemy import inspect, select
from sqlalchemy.orm import selectinload
from typing_extensions import TypeAliasType

from asyncq import Job, field
from asyncq.codec import Codec
from asyncq.errors import ConfigError, DecodeError, EncodeError, ModelNotFound, WrongType
from asyncq.models import ByReference, Reference, WithoutRelations, without_relations
from asyncq.payload import Payload
from asyncq.reference_shape import ReferenceShape
from tests.unit.models.shop import (
    Badge,
    Base,
    Company,
    Database,
    Employee,
    Item,
    Library,
    Manager,
    Order,
    Person,
    Tag,
    Ticket,
    Visit,
    Volume,
)

codec = Codec()
People = TypeAliasType("People", list[Person])
ADA = Reference(Person, (1,))


class Send(Job):
    person: Person

    async def handle(self) -> None: ...


class Many(Job):
    maybe: Person | None = None
    bare: Annotated[Person | None, WithoutRelations] = None
    listed: list[Person] = field(default_factory=list[Person])
    tupled: tuple[Person, ...] = ()
    pair: tuple[Order, Person] | None = None
    named: dict[str, Person] = field(default_factory=dict[str, Person])
    unordered: frozenset[Person] = frozenset()
    either: Person | Company | None = None

    async def handle(self) -> None: ...


def written(job: Job) -> Any:
    return orjson.loads(codec.arguments(job))


def payload_of(job: Job) -> Payload:
    return Payload("1", "default", "x", 0.0, {}, codec.arguments(job))


def shape_of(cls: type[Job]) -> ReferenceShape:
    found = codec.shape(cls)
    assert isinstance(found, ReferenceShape)
    return found


def back(job: Job, *instances: Base) -> Any:
    """The job as it comes back, if the database held these."""
    shape, payload = shape_of(type(job)), payload_of(job)
    there = {(type(item), inspect(item).identity): item for item in instances}
    found = {item: there.get((item.model, item.key)) for item in shape.references(payload)}
    return shape.revive(payload, found)


async def with_all(db: Database, *path: Any) -> Person:
    """Return Ada with the relations along a path loaded, in a session that is over."""
    option = selectinload(path[0])
    for step in path[1:]:
        option = option.selectinload(step)
    async with db.make() as session:
        return (await session.scalars(select(Person).where(Person.id == 1).options(option))).one()


# --- what is written --------------------------------------------------------------------------------------------------


async def test_class_and_key_are_written_and_nothing_else_of_the_instance(db: Database) -> None:
    ada = Person(id=1, name="secret")
    await db.put(ada)
    assert codec.arguments(Send(person=ada)) == b'{"person":{"model":"Person","key":[1]}}'


async def test_names_of_loaded_relations_are_written_to_any_depth_and_without_circles(db: Database) -> None:
    ada = Person(id=1, company=Company(id=1), orders=[Order(year=1, number="a", items=[Item(id=UUID(int=1))])])
    await db.put(ada)
    loaded = await with_all(db, Person.orders, Order.items, Item.order)
    assert written(Send(person=loaded))["person"]["relations"] == ["orders", "orders.items", "orders.items.order"]


async def test_relations_that_go_in_circles_are_looked_at_once(db: Database) -> None:
    companies = [Company(id=n) for n in range(30)]
    people = [Person(id=n, company=companies[n]) for n in range(30)]
    tags = [Tag(id=n, people=set(people)) for n in range(30)]
    await db.put(*people, *tags)
    told = written(Send(person=people[0]))["person"]["relations"]
    again = ["tags.people.company", "tags.people.company.people", "tags.people.tags"]
    assert told == ["company", "company.people", "tags", "tags.people", *again]


async def test_a_relation_that_is_never_loaded_is_none_though_something_was_added_to_it(db: Database) -> None:
    class Count(Job):
        library: Library

        async def handle(self) -> None: ...

    async with db.make() as session:
        session.add(library := Library(id=1))
        library.volumes.add(Volume(id=1))
        library.asked.append(Volume(id=2))
        await session.flush()
        assert written(Count(library=library)) == {"library": {"model": "Library", "key": [1]}}


@pytest.mark.parametrize("expire", [False, True], ids=["loaded", "expired"])
async def test_the_key_of_an_instance_is_known_without_a_query(db: Database, expire: bool) -> None:
    async with db.make() as session:
        ada, order = Person(id=1), Order(year=2026, number="a/1")
        session.add_all([ada, order])
        await session.commit()
        if expire:
            session.expire_all()
        assert db.selects == []
        told = written(Many(pair=(order, ada)))["pair"]
        assert told == [{"model": "Order", "key": [2026, "a/1"]}, {"model": "Person", "key": [1]}]
        assert db.selects == []


async def test_an_instance_that_is_flushed_but_not_committed_is_taken(db: Database) -> None:
    async with db.make() as session:
        session.add(ada := Person(id=1))
        await session.flush()
        assert written(Send(person=ada)) == {"person": {"model": "Person", "key": [1]}}


async def test_members_of_collections_and_what_is_marked_are_written_without_relations(db: Database) -> None:
    await db.put(Person(id=1, orders=[Order(year=1, number="a")]))
    ada = await with_all(db, Person.orders)
    told = written(Many(maybe=ada, bare=ada, listed=[ada], tupled=(ada,), named={"a": ada}, unordered=frozenset([ada])))
    plain = {"model": "Person", "key": [1]}
    assert told["maybe"] == {**plain, "relations": ["orders"]}
    assert told["bare"] == plain
    assert (told["listed"], told["tupled"], told["named"], told["unordered"]) == (
        [plain],
        [plain],
        {"a": plain},
        [plain],
    )


async def test_a_value_without_relations_is_written_without_them(db: Database) -> None:
    await db.put(Person(id=1, name="ada", orders=[Order(year=1, number="a")]))
    ada = await with_all(db, Person.orders)
    bare = without_relations(ada)
    assert type(bare) is Person and bare is not ada
    assert bare.name == "ada" and "orders" in inspect(bare).unloaded
    assert "orders" not in inspect(ada).unloaded
    assert written(Send(person=bare)) == {"person": {"model": "Person", "key": [1]}}


async def test_keys_of_every_kind_come_back_as_they_were(db: Database) -> None:
    class Odd(Job):
        visit: Visit
        item: Item
        ticket: Ticket

        async def handle(self) -> None: ...

    visit = Visit(at=datetime(2026, 7, 1, 12, 30, 1, 5), page=b"\xff\x00")  # noqa: DTZ001  # a value that travels as it is
    item, ticket = Item(id=UUID(int=5)), Ticket(id=UUID(int=6))
    await db.put(visit, item, ticket)
    job = back(Odd(visit=visit, item=item, ticket=ticket), visit, item, ticket)
    assert (job.visit, job.item, job.ticket) == (visit, item, ticket)


async def test_what_stands_beside_models_is_proved_to_come_back_as_in_other_jobs(db: Database) -> None:
    class Mixed(Job):
        first: Person
        second: Person
        at: datetime
        anything: Any = None

        async def handle(self) -> None: ...

    await db.put(Person(id=1))
    one, same = await with_all(db, Person.orders), await with_all(db, Person.tags)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert back(Mixed(first=same, second=without_relations(one), at=at), one).at == at
    assert written(Mixed(first=one, second=one, at=at))["first"]["key"] == [1]
    with pytest.raises(EncodeError, match=r"Mixed\.anything: \(1,\) would come back as \[1\]"):
        codec.arguments(Mixed(first=one, second=one, at=at, anything=(1,)))


async def test_two_instances_of_one_row_may_stand_beside_what_has_to_be_proved(db: Database) -> None:
    class Both(Job):
        first: Person
        second: Person
        anything: Any = None

        async def handle(self) -> None: ...

    await db.put(Person(id=1))
    one, same = await with_all(db, Person.tags), await with_all(db, Person.tags)
    assert one is not same
    assert written(Both(first=one, second=same, anything=1))["second"]["key"] == [1]


# --- unique keys ------------------------------------------------------------------------------------------------------


async def test_jobs_for_one_row_mean_the_same_whatever_is_loaded(db: Database) -> None:
    await db.put(Person(id=1, orders=[Order(year=1, number="a")]), Person(id=2))
    with_orders, with_tags = await with_all(db, Person.orders), await with_all(db, Person.tags)
    assert codec.arguments(Send(person=with_orders)) != codec.arguments(Send(person=with_tags))
    assert codec.identity(Send(person=with_orders)) == codec.identity(Send(person=with_tags))
    assert shape_of(Send).label(Send(person=with_orders), "person") == "Person 1"


# --- what is refused --------------------------------------------------------------------------------------------------


@dataclass
class Opaque:
    person: Person


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (lambda: Send(person=Person(id=1)), r"^Send\.person: this Person has no row yet; flush its session, or commit"),
        (lambda: Many(listed=[Person()]), r"^Many\.listed\.0: this Person has no row yet"),
        (lambda: Many(named={"a": Person()}), r"^Many\.named\.a: this Person has no row yet"),
        (lambda: Send(person=7), r"^Send\.person: Input should be an instance of Person, got 7"),  # type: ignore[arg-type]
        (lambda: Send(person=None), r"^Send\.person: Input should be an instance of Person, got None"),  # type: ignore[arg-type]
        (lambda: Send(person=Company(id=1)), r"^Send\.person: Input should be an instance of Person"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_stored_instance_of_the_class_is_refused(job: Callable[[], Job], message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        codec.arguments(job())


async def test_an_instance_that_waits_for_its_flush_is_refused(db: Database) -> None:
    async with db.make() as session:
        session.add(ada := Person(id=1))
        with pytest.raises(EncodeError, match=r"Send\.person: this Person has no row yet; flush"):
            codec.arguments(Send(person=ada))


async def test_an_instance_that_was_deleted_is_refused_from_the_first_moment(db: Database) -> None:
    await db.put(Person(id=1))
    refused = partial(pytest.raises, EncodeError, match=r"Send\.person: this Person was deleted; dispatch what is need")
    async with db.make() as session:
        ada = await session.get_one(Person, 1)
        await session.delete(ada)
        with refused():
            codec.arguments(Send(person=ada))
        await session.flush()
        with refused():
            codec.arguments(Send(person=ada))
        await session.rollback()
        assert codec.arguments(Send(person=ada))
        await session.delete(ada)
        await session.commit()
        with refused():
            codec.arguments(Send(person=ada))


async def test_an_instance_whose_repr_cannot_be_shown_is_refused_all_the_same(db: Database) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("not now")

    with pytest.raises(EncodeError, match=r"Input should be an instance of Person, got a .*Shy \(its repr raises Runt"):
        codec.arguments(Send(person=Shy()))  # type: ignore[arg-type]


async def test_a_key_of_a_hidden_type_is_refused_with_the_way_out(db: Database) -> None:
    class Show(Job):
        badge: Badge

        async def handle(self) -> None: ...

    badge = Badge(id=UUID(int=1))
    await db.put(badge)
    with pytest.raises(EncodeError, match=r"Show\.badge: this Badge has a key of a type that cannot travel; give its"):
        codec.arguments(Show(badge=badge))


async def test_more_than_a_hundred_relations_are_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncq.models.relations.MOST", 2)
    await db.put(Person(id=1, orders=[Order(year=1, number="a", items=[Item(id=UUID(int=1))])]))
    ada = await with_all(db, Person.orders, Order.items)
    assert codec.arguments(Send(person=ada))
    ada = await with_all(db, Person.orders, Order.items, Item.order)
    with pytest.raises(EncodeError, match=r"Send\.person: .*has more than 2 relations loaded; mark the field"):
        codec.arguments(Send(person=ada))


def test_a_handler_in_a_process_of_its_own_is_refused() -> None:
    class Far(Job, run_in="process"):
        person: Person

        def handle(self) -> None: ...

    with pytest.raises(ConfigError, match=r"Far: run_in='process' cannot have models by reference: .* pass ids"):
        codec.shape(Far)


def test_a_mark_where_no_mapped_class_is_is_refused() -> None:
    class Wrong(Job):
        number: Annotated[int, WithoutRelations]

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match=r"Wrong: .*int.*: the mark stands where no mapped class is"):
        codec.shape(Wrong)


def test_a_class_that_nobody_maps_is_refused_as_before() -> None:
    class Unknown: ...

    class Wrong(Job):
        it: Unknown

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match=r"Wrong: a field's type cannot travel: .*Unknown"):
        codec.shape(Wrong)


@pytest.mark.parametrize("value", [7, Opaque, "x"])
def test_without_relations_takes_instances_of_mapped_classes_only(value: object) -> None:
    with pytest.raises(WrongType, match="without_relations takes an instance of a mapped class"):
        without_relations(value)
    with pytest.raises(ValueError, match="has no row yet"):
        without_relations(Person(id=1))


# --- what is read -----------------------------------------------------------------------------------------------------


async def test_instances_come_back_wherever_they_stand(db: Database) -> None:
    ada, bob, order = Person(id=1), Person(id=2), Order(year=1, number="a")
    await db.put(ada, bob, order)
    job = Many(
        maybe=ada,
        bare=bob,
        listed=[bob, ada, bob],
        tupled=(ada, bob),
        pair=(order, bob),
        named={"b": bob},
        unordered=frozenset([ada, bob]),
        either=ada,
    )
    assert back(job, ada, bob, order) == job


async def test_collections_lose_members_that_are_gone_and_nothing_else_does(db: Database) -> None:
    ada, bob, order = Person(id=1), Person(id=2), Order(year=1, number="a")
    await db.put(ada, bob, order)
    job = back(
        Many(listed=[bob, ada, bob], tupled=(bob,), named={"a": ada, "b": bob}, unordered=frozenset([ada, bob])), ada
    )
    assert (job.listed, job.tupled, job.named, job.unordered) == ([ada], (), {"a": ada}, frozenset([ada]))
    for gone in (Send(person=bob), Many(maybe=bob), Many(pair=(order, bob)), Many(either=bob)):
        with pytest.raises(ModelNotFound, match=r"^Person 2 is gone: ") as caught:
            back(gone, ada, order)
        assert (caught.value.model, caught.value.key) == (Person, (2,))


async def test_a_union_of_mapped_classes_is_told_apart_by_the_name(db: Database) -> None:
    ada, acme = Person(id=1), Company(id=1)
    await db.put(ada, acme)
    for it in (ada, acme):
        assert back(Many(either=it), ada, acme).either is it
    assert written(Many(either=acme))["either"] == {"model": "Company", "key": [1]}
    with pytest.raises(DecodeError, match="Input is a reference to Firm, not to Person"):
        codec.decode(Many, Payload("1", "q", "x", 0.0, {}, b'{"either":{"model":"Firm","key":[1]}}'))


async def test_a_subclass_comes_back_as_itself(db: Database) -> None:
    ada, bob = Manager(id=1), Employee(id=2)
    await db.put(ada, bob)
    assert written(Send(person=bob)) == {"person": {"model": "Employee", "key": [2]}}
    assert shape_of(Send).references(payload_of(Send(person=ada))) == [Reference(Manager, (1,))]


@pytest.mark.parametrize("name", ["Human", "os:system", "tests.unit.models.shop:Company", None])
def test_the_class_is_that_of_the_annotation_whatever_the_payload_says(name: str | None) -> None:
    body = orjson.dumps({"person": {"model": name, "key": [1]} if name else {"key": [1]}})
    assert shape_of(Send).references(Payload("1", "q", "x", 0.0, {}, body)) == [ADA]


@pytest.mark.parametrize(
    "wire", [7, None, {}, {"key": 1}, {"key": []}, {"key": [1, 2]}, {"key": ["x"]}, {"key": [1], "relations": 7}]
)
def test_what_is_no_reference_cannot_be_read(wire: object) -> None:
    payload = Payload("1", "q", "x", 0.0, {}, orjson.dumps({"person": wire}))
    with pytest.raises(DecodeError, match=r"job 1: its arguments do not fit Send: Send\.person"):
        codec.decode(Send, payload)


def test_what_a_later_version_adds_is_passed_over() -> None:
    body = b'{"person":{"model":"Person","key":[1],"new":true}}'
    assert shape_of(Send).references(Payload("1", "q", "x", 0.0, {}, body)) == [ADA]


async def test_a_job_that_is_not_loaded_holds_references(db: Database) -> None:
    ada = Person(id=1)
    await db.put(ada)
    job = cast("Any", codec.decode(Send, payload_of(Send(person=ada))))
    assert type(job) is Send
    assert vars(job) == {"person": ADA}
    assert "Person" in repr(job) and str(job.person) == "Person 1"


async def test_the_methods_and_validators_of_a_class_never_see_references(db: Database) -> None:
    seen: list[object] = []

    def check(person: Person) -> Person:
        seen.append(person)
        return person

    def check_all(people: list[Person]) -> list[Person]:
        seen.extend(people)
        return people

    class Careful(Job):
        person: Annotated[Person, AfterValidator(check)]
        people: Annotated[list[Person], AfterValidator(check_all)]

        def __post_init__(self) -> None:
            seen.append(self.person)

        async def handle(self) -> None: ...

    ada = Person(id=1)
    await db.put(ada)
    job = Careful(person=ada, people=[ada])
    payload = payload_of(job)
    codec.decode(Careful, payload)
    assert back(job, ada) == job == codec.round_trip(job, payload)
    assert seen and all(item is ada for item in seen)


async def test_a_default_is_taken_where_an_old_payload_lacks_the_field(db: Database) -> None:
    job = codec.decode(Many, Payload("1", "q", "x", 0.0, {}, b"{}"))
    assert job == Many()


async def test_inside_dataclasses_and_pydantic_models_a_mark_is_needed(db: Database) -> None:
    @dataclass
    class Parcel:
        to: Annotated[Person, ByReference]
        via: Annotated[list[Person], WithoutRelations]

    class Letter(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        to: Annotated[Person | None, ByReference]

    class Deliver(Job):
        parcel: Parcel
        letter: Letter

        async def handle(self) -> None: ...

    ada = Person(id=1)
    await db.put(ada)
    job = Deliver(parcel=Parcel(ada, [ada]), letter=Letter(to=ada))
    assert back(job, ada) == job == codec.round_trip(job, payload_of(job))
    unloaded: Any = codec.decode(Deliver, payload_of(job))
    assert (unloaded.parcel.to, unloaded.parcel.via, unloaded.letter.to) == (ADA, [ADA], ADA)

    class Unmarked(Job):
        parcel: Opaque

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match="a field's type cannot travel"):
        codec.shape(Unmarked)


async def test_a_type_alias_is_looked_into(db: Database) -> None:
    class Greet(Job):
        people: People

        async def handle(self) -> None: ...

    ada = Person(id=1)
    await db.put(ada)
    assert back(Greet(people=[ada]), ada).people == [ada]
