"""Models of SQLAlchemy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio.to_thread
from sqlalchemy import ColumnElement, and_, inspect, or_, select
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    RelationshipProperty,
    Session,
    class_mapper,
    make_transient_to_detached,
    selectinload,
)
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.collections import collection_adapter
from sqlalchemy.orm.interfaces import ORMOption

from asyncq.adapter import Reference
from asyncq.models.relations import names_of_loaded, portions

__all__ = ["ADAPTER"]

M = TypeVar("M")
Key = tuple[Any, ...]


class _SqlAlchemy:
    """Loads in the session of the job, with one query for each class, and one for each relation."""

    needs_session = True

    def knows(self, kind: type[Any], /) -> bool:
        """Say whether the class is mapped."""
        return isinstance(inspect(kind, raiseerr=False), Mapper)

    def key_type(self, kind: type[Any], /) -> Any:
        """Return the Python types of the primary key's columns."""
        types = tuple(_type_of(column) for column in _mapper(kind).primary_key)
        return tuple.__class_getitem__(types)

    def key(self, instance: Any, /) -> Key:
        """Return the identity, which is known also where all attributes are expired."""
        state = _state(instance)
        identity = state.identity
        if identity is None:
            raise ValueError("has no row yet; flush its session, or commit, before the dispatch")
        session = state.session
        if state.deleted or state.was_deleted or (session is not None and instance in session.deleted):
            raise ValueError("was deleted; dispatch what is needed of it as plain values")
        return tuple(identity)

    def refer(self, instance: Any, /, *, relations: bool) -> Reference:
        """Return class, identity and the names of the relations that are there without a query."""
        return Reference(
            _state(instance).mapper.class_,
            self.key(instance),
            names_of_loaded(instance, _loaded) if relations else (),
        )

    def bare(self, instance: M, /) -> M:
        """Return a detached copy with the same columns loaded."""
        key, state = self.key(instance), _state(instance)
        mapper = state.mapper
        copy: M = mapper.class_manager.new_instance()
        for attribute in mapper.column_attrs:
            if attribute.key in state.dict:
                set_committed_value(copy, attribute.key, state.dict[attribute.key])
        for column, value in zip(mapper.primary_key, key, strict=True):
            set_committed_value(copy, mapper.get_property_by_column(column).key, value)
        make_transient_to_detached(copy)
        return copy

    async def load(self, references: Sequence[Reference], session: Any, /) -> Mapping[Reference, Any]:
        """Load in the session: in the loop where it is async, in a thread where it is not."""
        if hasattr(session, "run_sync"):
            found: Mapping[Reference, Any] = await session.run_sync(_fetch, references)
            return found
        return await anyio.to_thread.run_sync(_fetch, session, references)


ADAPTER: Final = _SqlAlchemy()


def _mapper(kind: type[Any]) -> Mapper[Any]:
    return class_mapper(kind)


def _state(instance: Any) -> InstanceState[Any]:
    state: InstanceState[Any] = inspect(instance)
    return state


def _type_of(column: Any) -> Any:
    """Return the column's Python type; a type of one's own that does not say it has plain texts and numbers."""
    try:
        found = column.type.python_type
    except NotImplementedError:
        found = object
    return int | str if found is object else found


def _loaded(instance: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    state = _state(instance)
    for relation in state.mapper.relationships:
        if relation.key in state.dict and _holds_instances(relation):
            value = state.dict[relation.key]
            yield relation.key, _members(value, many=bool(relation.uselist))


def _holds_instances(relation: RelationshipProperty[Any]) -> bool:
    """Say whether it is ever loaded; the others are queries, and only note that something was added."""
    return relation.lazy not in ("dynamic", "write_only")


def _members(value: Any, *, many: bool) -> Iterable[Any]:
    if value is None:
        return ()
    return list(collection_adapter(value)) if many else (value,)


def _fetch(session: Session, references: Sequence[Reference]) -> Mapping[Reference, Any]:
    groups: dict[tuple[type[Any], tuple[str, ...]], list[Reference]] = defaultdict(list)
    for reference in references:
        groups[reference.model, reference.relations].append(reference)
    found: dict[Reference, Any] = {}
    for (model, relations), members in groups.items():
        there = _by_key(session, model, [item.key for item in members], relations)
        found.update({item: there[item.key] for item in members if item.key in there})
    _give_back(session)
    return found


def _give_back(session: Session) -> None:
    """End the transaction, so that no connection is held before the handler needs one, and it may begin its own.

    A rollback would expire what was loaded, so the session has no instances while it rolls back.
    """
    instances = list(session.identity_map.values())
    session.expunge_all()
    session.rollback()
    session.add_all(instances)
    begun = session.get_transaction()  # by taking them back; it has no connection
    if begun is not None:
        begun.close()


def _by_key(session: Session, model: type[Any], keys: Sequence[Key], relations: Iterable[str]) -> Mapping[Key, Any]:
    mapper = _mapper(model)
    query = select(model).options(*_options(mapper, relations))
    found: dict[Key, Any] = {}
    for some in portions(keys):
        for instance in session.scalars(query.where(_among(mapper, some))).unique():
            found[tuple(_state(instance).identity or ())] = instance
    return found


def _among(mapper: Mapper[Any], keys: Sequence[Key]) -> ColumnElement[bool]:
    columns = mapper.primary_key
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return or_(*(and_(*(column == part for column, part in zip(columns, key, strict=True))) for key in keys))


def _options(mapper: Mapper[Any], relations: Iterable[str]) -> Iterator[ORMOption]:
    for path in relations:
        for first, *others in _hops(mapper, path.split(".")):
            option = selectinload(first.attribute)
            for hop in others:
                option = option.selectinload(hop.attribute)
            yield option


@dataclass(frozen=True, slots=True)
class _Hop:
    """One relation of a path, and the mapper that has it."""

    owner: Mapper[Any]
    attribute: Any


def _hops(mapper: Mapper[Any], path: Sequence[str]) -> Iterator[list[_Hop]]:
    """Yield the ways along a path; a relation that only subclasses have is followed from each of them.

    A relation that cannot be loaded any more is passed over: the code is newer than the job.
    """
    for owner in _owners(mapper, path[0]):
        attribute, target = getattr(owner.class_, path[0]), owner.relationships[path[0]].mapper
        if len(path) == 1:
            yield [_Hop(owner, attribute)]
            continue
        for rest in _hops(target, path[1:]):
            next_one = rest[0].owner
            narrowed = attribute if next_one is target else attribute.of_type(next_one.class_)
            yield [_Hop(owner, narrowed), *rest]


def _owners(mapper: Mapper[Any], name: str) -> Iterator[Mapper[Any]]:
    """Yield the mapper, or those below it that bring the relation; none where it is one that is never loaded."""
    bring = (item for item in mapper.self_and_descendants if name in item.relationships)
    for item in bring:
        inherited = item is not mapper and item.inherits is not None and name in item.inherits.relationships
        if not inherited and _holds_instances(item.relationships[name]):
            yield item
