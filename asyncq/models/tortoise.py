"""Models of Tortoise."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from tortoise.models import Model
from tortoise.queryset import QuerySet

from asyncq.adapter import Reference
from asyncq.models.relations import existing, names_of_loaded, portions

__all__ = ["ADAPTER"]

M = TypeVar("M")


class _Tortoise:
    """Loads without the filters of the model's own manager, from the database that is written to."""

    needs_session = False

    def knows(self, kind: type[Any], /) -> bool:
        """Say whether the class is a model with a table."""
        return issubclass(kind, Model) and kind is not Model and not _meta(kind).abstract

    def key_type(self, kind: type[Any], /) -> Any:
        """Return the type of the primary key."""
        return tuple.__class_getitem__((_meta(kind).pk.field_type,))

    def key(self, instance: Any, /) -> tuple[Any, ...]:
        """Return the primary key of a saved instance."""
        if not instance._saved_in_db:
            raise ValueError("is not saved; save it before the dispatch")
        return (instance.pk,)

    def refer(self, instance: Any, /, *, relations: bool) -> Reference:
        """Return class, key and the names of the relations that were fetched."""
        names = names_of_loaded(instance, _loaded) if relations else ()
        return Reference(instance.__class__, self.key(instance), names)

    def bare(self, instance: M, /) -> M:
        """Return a copy without what was fetched."""
        self.key(instance)
        made = copy.copy(instance)
        for name in _meta(type(instance)).fetch_fields:
            made.__dict__.pop(f"_{name}", None)
        return made

    async def load(self, references: Sequence[Reference], session: Any, /) -> Mapping[Reference, Any]:
        """Load with one query for each class, and one for each relation."""
        groups: dict[tuple[type[Any], tuple[str, ...]], list[Reference]] = defaultdict(list)
        for reference in references:
            groups[reference.model, reference.relations].append(reference)
        found: dict[Reference, Any] = {}
        for (model, relations), members in groups.items():
            there: dict[Any, Any] = {}
            for some in portions([item.key[0] for item in members]):
                there |= {item.pk: item async for item in _query(model, some, relations)}
            found.update({item: there[item.key[0]] for item in members if item.key[0] in there})
        return found


ADAPTER: Final = _Tortoise()


def _meta(kind: type[Any]) -> Any:
    return kind._meta  # pyright: ignore[reportPrivateUsage]  # how Tortoise describes its models


def _query(model: type[Any], keys: Sequence[Any], relations: Iterable[str]) -> QuerySet[Any]:
    paths = [path.replace(".", "__") for path in existing(relations, model, _relations)]
    database = model._choose_db(for_write=True)  # pyright: ignore[reportPrivateUsage]  # there is no other way to ask
    return QuerySet(model).using_db(database).filter(pk__in=list(keys)).prefetch_related(*paths)


def _loaded(instance: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    for name in sorted(_meta(instance.__class__).fetch_fields):
        members = _members(instance.__dict__.get(f"_{name}", _NOTHING))
        if members is not None:
            yield name, members


_NOTHING: Final = object()


def _members(value: Any) -> Iterable[Any] | None:
    """Return who is in a relation; None where it was not fetched, be it that somebody asked for its query."""
    if value is None:
        return ()
    if isinstance(value, Model):
        return (value,)
    relation: dict[str, Any] = getattr(value, "__dict__", {})  # of a ReverseRelation, else of a query
    return relation["related_objects"] if relation.get("_fetched") else None


def _relations(model: type[Any]) -> Mapping[str, type[Any]]:
    meta = _meta(model)
    return {name: meta.fields_map[name].related_model for name in meta.fetch_fields}
