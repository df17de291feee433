"""Models of Django."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has no types
    DEFAULT_DB_ALIAS,
    close_old_connections,  # pyright: ignore[reportUnknownVariableType]
    models,
    router,
)

from asyncq.adapter import Reference
from asyncq.models.relations import existing, names_of_loaded, portions

__all__ = ["ADAPTER"]

M = TypeVar("M")
_TYPES: Final[Sequence[tuple[type[Any], type[Any]]]] = (
    (models.IntegerField, int),
    (models.UUIDField, UUID),
    (models.CharField, str),
    (models.TextField, str),
    (models.GenericIPAddressField, str),
    (models.DateTimeField, datetime),  # which is a DateField too
    (models.DateField, date),
    (models.DecimalField, Decimal),
    (models.BinaryField, bytes),
)


class _Django:
    """Loads through each model's base manager, from the database that is written to."""

    needs_session = False

    def knows(self, kind: type[Any], /) -> bool:
        """Say whether the class is a model with a table."""
        return issubclass(kind, models.Model) and hasattr(kind, "_meta") and not _meta(kind).abstract

    def key_type(self, kind: type[Any], /) -> Any:
        """Return the types of the primary key's fields."""
        return tuple.__class_getitem__(tuple(_type_of(field) for field in _key_fields(kind)))

    def key(self, instance: Any, /) -> tuple[Any, ...]:
        """Return the primary key of a saved instance; one that was deleted has none any more."""
        key = _key(instance)
        if instance._state.adding or None in key:  # pyright: ignore[reportPrivateUsage]  # documented, underscore or not
            raise ValueError("is not saved; save it before the dispatch")
        return key

    def refer(self, instance: Any, /, *, relations: bool) -> Reference:
        """Return class, key, the names of the relations that are there without a query, and the database."""
        using = _written_to(instance)
        return Reference(
            instance.__class__,
            self.key(instance),
            names_of_loaded(instance, _loaded) if relations else (),
            "" if using == DEFAULT_DB_ALIAS else using,
        )

    def bare(self, instance: M, /) -> M:
        """Return a copy without what its relations have cached."""
        self.key(instance)
        made: Any = copy.copy(instance)
        made._state.fields_cache = {}
        made.__dict__.pop("_prefetched_objects_cache", None)
        return made  # type: ignore[no-any-return]  # of the class of the instance

    async def load(self, references: Sequence[Reference], session: Any, /) -> Mapping[Reference, Any]:
        """Load in the thread that Django keeps for what async code asks of its databases."""
        return await sync_to_async(_fetch)(references)


ADAPTER: Final = _Django()


def _meta(kind: type[Any]) -> Any:
    return kind._meta  # pyright: ignore[reportPrivateUsage]  # documented, underscore or not


def _key_fields(kind: type[Any]) -> Sequence[Any]:
    meta = _meta(kind)
    fields: Sequence[Any] = getattr(meta, "pk_fields", None) or [meta.pk]  # there are composite keys since Django 5.2
    return fields


def _type_of(field: Any) -> Any:
    while field.is_relation:
        field = field.target_field
    return next((type_ for kind, type_ in _TYPES if isinstance(field, kind)), int | str)


def _key(instance: Any) -> tuple[Any, ...]:
    return tuple(instance.pk) if len(_key_fields(instance.__class__)) > 1 else (instance.pk,)


def _as_asked(key: tuple[Any, ...]) -> Any:
    first, *others = key
    return key if others else first


def _written_to(instance: Any) -> str:
    asked: Any = router
    return str(asked.db_for_write(instance.__class__, instance=instance))


def _loaded(instance: Any) -> Iterator[tuple[str, Iterable[Any]]]:
    for name, value in instance._state.fields_cache.items():
        yield name, () if value is None else (value,)
    for name, found in getattr(instance, "_prefetched_objects_cache", {}).items():
        yield name, list(found)  # a queryset that has its rows


def _fetch(references: Sequence[Reference]) -> Mapping[Reference, Any]:
    close_old_connections()  # as at the start of a request: this may be the first job in hours
    groups: dict[tuple[type[Any], str, tuple[str, ...]], list[Reference]] = defaultdict(list)
    for reference in references:
        groups[reference.model, reference.using, reference.relations].append(reference)
    found: dict[Reference, Any] = {}
    for (model, using, relations), members in groups.items():
        paths = [path.replace(".", "__") for path in existing(relations, model, _relations)]
        query = model._base_manager.using(using or DEFAULT_DB_ALIAS).prefetch_related(*paths)  # pyright: ignore[reportPrivateUsage]  # documented
        for some in portions([item.key for item in members]):
            there = {_key(item): item for item in query.filter(pk__in=[_as_asked(key) for key in some])}
            found.update({item: there[item.key] for item in members if item.key in there})
    return found


def _relations(model: type[Any]) -> Mapping[str, type[Any] | None]:
    """Return the relations of a model by name, and whom they lead to; None where that may be anyone."""
    fields = [field for field in _meta(model).get_fields() if field.is_relation]
    return {
        field.get_accessor_name() if field.auto_created and not field.concrete else field.name: field.related_model
        for field in fields
    }
