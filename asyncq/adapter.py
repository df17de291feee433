"""What knows the mapped classes of a library, such as those of an ORM, and what stands for their instances on the wire.

Adapters for SQLAlchemy, Django and Tortoise are here. A package brings one of its own by an entry point in the group
`asyncq.models`: its name is the module that has to be imported for a class to be mapped, its object is an `Adapter`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from asyncq.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Adapter", "Reference", "adapter_of"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Reference:
    """Stands for an instance of a mapped class: on the wire, and in a job that is not loaded."""

    model: type[Any]
    key: tuple[Any, ...]
    relations: tuple[str, ...] = ()
    """The relations that were loaded, with dots for those of relations: `orders.items`."""
    using: str = ""
    """The database, where the library knows several by name."""

    def __str__(self) -> str:
        return f"{self.model.__qualname__} {', '.join(map(str, self.key))}"


class Adapter(Protocol):
    """Knows the mapped classes of one library. All but `load` does no I/O."""

    @property
    def needs_session(self) -> bool:
        """True where instances are loaded in a session, which the app has to be given."""
        ...

    def knows(self, kind: type[Any], /) -> bool:
        """Say whether the class is mapped."""
        ...

    def key_type(self, kind: type[Any], /) -> Any:
        """Return the type of the class's key: a tuple of what pydantic validates, one for each column."""
        ...

    def key(self, instance: Any, /) -> tuple[Any, ...]:
        """Return the key of an instance.

        Raises:
            ValueError: nothing is stored under it: the instance was not flushed yet, or it was deleted.
        """
        ...

    def refer(self, instance: Any, /, *, relations: bool) -> Reference:
        """Return what stands for an instance, with the names of its loaded relations if they are wanted.

        Raises:
            ValueError: as of `key`.
        """
        ...

    def bare(self, instance: M, /) -> M:
        """Return a copy of an instance that has none of its relations loaded."""
        ...

    async def load(self, references: Sequence[Reference], session: Any, /) -> Mapping[Reference, Any]:
        """Return the instances that are there, with their relations; `session` is None where none is needed."""
        ...


GROUP: Final = "asyncq.models"
_OWN: Final = {
    "sqlalchemy.orm": "asyncq.models.sqlalchemy",
    "django.db.models": "asyncq.models.django",
    "tortoise.models": "asyncq.models.tortoise",
}


_PLAIN: Final = {"builtins", "datetime", "decimal", "enum", "pathlib", "uuid"}
"""Modules whose classes nobody maps; jobs that have no others spare the look at what is installed."""


def adapter_of(kind: Any) -> Adapter | None:
    """Return what knows the class, None where it is not mapped. Imports no library that is not imported already.

    Raises:
        ConfigError: the adapter of a package cannot be imported.
    """
    if not isinstance(kind, type) or kind.__module__.partition(".")[0] in _PLAIN:
        return None
    return next((adapter for adapter in _adapters() if adapter.knows(cast("type[Any]", kind))), None)


def _adapters() -> list[Adapter]:
    own = [_own(place) for name, place in _OWN.items() if name in sys.modules]
    return own + [_foreign(point) for point in _points() if point.name in sys.modules]


@lru_cache
def _own(place: str) -> Adapter:
    return cast(Adapter, import_module(place).ADAPTER)


@lru_cache
def _points() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # here: it takes 20 ms

    return tuple(entry_points(group=GROUP))


@lru_cache
def _foreign(point: EntryPoint) -> Adapter:
    try:
        return cast(Adapter, point.load())
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the adapter of {point.name}'s models, {point.value}, cannot be imported: {error}"
        ) from error
