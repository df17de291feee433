"""How instances are loaded again: with how many queries, with which relations, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, selectinload, sessionmaker

from asyncq import Job, field
from asyncq.codec import Codec
from asyncq.models import Reference, without_relations
from asyncq.models.sqlalchemy import ADAPTER
from asyncq.payload import Payload
from asyncq.reference_shape import ReferenceShape
from tests.unit.models.shop import Base, Company, Database, Employee, Item, Library, Manager, Order, Person, Tag

codec = Codec()
everywhere = pytest.mark.parametrize("db", ["sqlite", "postgresql"], indirect=True)


class Show(Job):
    one: Person | None = None
    other: Person | None = None
    company: Company | None = None
    people: list[Person] = field(default_factory=list[Person])
    orders: list[Order] = field(default_factory=list[Order])

    async def handle(self) -> None: ...


async def loaded(job: Show, session: AsyncSession | Session) -> Any:
    """The job as it is loaded in a session."""
    shape = codec.shape(Show)
    assert isinstance(shape, ReferenceShape)
    payload = Payload("1", "q", "x", 0.0, {}, codec.arguments(job))
    return shape.revive(payload, await ADAPTER.load(shape.references(payload), session))


def unloaded(instance: Base) -> set[str]:
    """The relations that would need a query."""
    state: Any = inspect(instance)
    return {name for name in state.unloaded if name in state.mapper.relationships}


async def given(db: Database, kind: type[Any], *paths: Sequence[Any]) -> Any:
    """The first of its kind, with the relations along some paths loaded, in a session that is over."""
    options: list[Any] = []
    for first, *others in paths:
        option = selectinload(first)
        for step in others:
            option = option.selectinload(step)
        options.append(option)
    async with db.make() as session:
        return (await session.scalars(select(kind).order_by(kind.id).options(*options))).first()


@everywhere
async def test_a_list_is_loaded_with_one_query_in_its_order_without_those_that_are_gone(db: Database) -> None:
    people = [Person(id=number) for number in range(1, 6)]
    await db.put(*people)
    await db.remove(people[3])
    job = Show(people=[people[number] for number in (4, 0, 3, 2, 0)])
    async with db.make() as session:
        assert db.selects
        found = (await loaded(job, session)).people
    assert [person.id for person in found] == [5, 1, 3, 1]
    assert found[1] is found[3]
    assert len(db.selects) == 1


@everywhere
async def test_keys_of_several_columns_are_loaded_with_one_query_too(db: Database) -> None:
    orders = [Order(year=year, number=number) for year in (1, 2) for number in ("a", "b")]
    await db.put(*orders)
    async with db.make() as session:
        assert db.selects == []
        found = (await loaded(Show(orders=[orders[2], orders[1]]), session)).orders
    assert [(order.year, order.number) for order in found] == [(2, "a"), (1, "b")]
    assert len(db.selects) == 1


@everywhere
@pytest.mark.parametrize("kind", [Person, Order])
async def test_more_keys_than_a_query_takes_are_loaded_in_portions(db: Database, kind: type[Any]) -> None:
    rows = [Person(id=n) if kind is Person else Order(year=n, number="x") for n in range(1, 1202)]
    await db.put(*rows)
    references = [ADAPTER.refer(row, relations=False) for row in rows]
    async with db.make() as session:
        assert len(await ADAPTER.load(references, session)) == 1201
    assert len(db.selects) == 3


@everywhere
async def test_loaded_relations_come_back_whole_and_no_others(db: Database) -> None:
    tag = Tag(id=1)
    await db.put(
        Person(
            id=1,
            tags={tag},
            company=Company(id=1),
            orders=[Order(year=1, number="b", items=[Item(id=UUID(int=1))]), Order(year=1, number="a")],
        )
    )
    some = await given(db, Person, [Person.orders.and_(Order.number == "b"), Order.items], [Person.company])
    assert len(some.orders) == 1
    async with db.make() as session:
        ada = (await loaded(Show(one=some), session)).one
    assert unloaded(ada) == {"tags"}
    assert [order.number for order in ada.orders] == ["a", "b"]  # all of them, in the order of the relation
    assert ada.orders[1].items[0].id == UUID(int=1)
    assert ada.company.id == 1


@everywhere
async def test_an_empty_relation_that_was_loaded_is_loaded_again(db: Database) -> None:
    await db.put(Person(id=1))
    before = await given(db, Person, [Person.orders], [Person.company])
    await db.put(Order(year=1, number="new", person_id=1))
    async with db.make() as session:
        ada = (await loaded(Show(one=before), session)).one
    assert [order.number for order in ada.orders] == ["new"]
    assert ada.company is None


@everywhere
@pytest.mark.parametrize("turned", [False, True])
async def test_two_fields_of_one_row_share_the_instance_with_all_relations_of_both(db: Database, turned: bool) -> None:
    await db.put(Person(id=1, orders=[Order(year=1, number="a")], tags={Tag(id=1)}))
    one, other = await given(db, Person, [Person.orders]), await given(db, Person, [Person.tags])
    if turned:
        one, other = without_relations(one), one
    async with db.make() as session:
        job = await loaded(Show(one=one, other=other), session)
    assert job.one is job.other
    assert unloaded(job.one) == ({"company", "tags"} if turned else {"company"})


@everywhere
async def test_a_subclass_is_loaded_as_itself_with_its_own_relations(db: Database) -> None:
    boss = Manager(id=1, name="boss")
    await db.put(Employee(id=2, name="ada", manager=boss))
    async with db.make() as session:
        query = select(Employee).where(Employee.id == 2).options(selectinload(Employee.manager))
        ada = (await session.scalars(query)).one()
    async with db.make() as session:
        found = (await loaded(Show(one=ada), session)).one
    assert type(found) is Employee and type(found.manager) is Manager


@everywhere
async def test_relations_that_only_subclasses_have_are_followed_from_others(db: Database) -> None:
    boss = Manager(id=1)
    await db.put(Company(id=1, people=[boss, Employee(id=2, manager=boss), Person(id=3)]))
    path = [Company.people.of_type(Employee), Employee.manager]
    before = await given(db, Company, path)
    async with db.make() as session:
        company = (await loaded(Show(company=before), session)).company
    assert {type(person) for person in company.people} == {Manager, Employee, Person}
    assert "manager" not in unloaded(next(person for person in company.people if person.id == 2))


@everywhere
async def test_a_relation_that_does_not_exist_any_more_is_passed_over(db: Database) -> None:
    await db.put(Person(id=1))
    renamed = Reference(Person, (1,), ("bills", "bills.items", "orders", "orders.parts"))
    async with db.make() as session:
        found = await ADAPTER.load([renamed], session)
    assert unloaded(found[renamed]) == {"company", "tags"}


async def test_a_relation_that_is_not_loaded_any_more_is_passed_over(db: Database) -> None:
    await db.put(Library(id=1))
    before = Reference(Library, (1,), ("asked", "volumes", "volumes.pages"))
    async with db.make() as session:
        assert isinstance((await ADAPTER.load([before], session))[before], Library)


async def test_sessions_that_are_not_async_load_in_a_thread(sync_sessions: sessionmaker[Session]) -> None:
    with sync_sessions() as session:
        session.add_all([ada := Person(id=1, orders=[Order(year=1, number="a")]), bob := Person(id=2)])
        session.commit()
        assert len(ada.orders) == 1
        job = Show(one=ada, people=[bob, ada])
    with sync_sessions() as session:
        found = await loaded(job, session)
        assert inspect(found.one).session is session
        assert [person.id for person in found.people] == [2, 1]
        assert unloaded(found.one) == {"company", "tags"}
