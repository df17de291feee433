"""What all adapters do alike: the names of relations, with dots for those of relations, and keys in portions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

__all__ = ["Loaded", "existing", "names_of_loaded", "portions"]

T = TypeVar("T")

MOST: Final = 100
AT_ONCE: Final = 500
"""Keys in one query; databases limit the parameters of a statement, and how deep it nests."""
Loaded = Callable[[Any], Iterable[tuple[str, Iterable[Any]]]]
"""Returns the loaded relations of an instance: their names, and who is in them."""


def names_of_loaded(instance: Any, loaded: Loaded) -> tuple[str, ...]:
    """Return the names of an instance's loaded relations and of theirs, to any depth, without going in circles.

    Raises:
        ValueError: there are more than a hundred, which would be as many queries.
    """
    names: set[str] = set()
    todo = [("", [instance], frozenset([id(instance)]))]
    while todo:
        prefix, instances, seen = todo.pop()
        for name, members in _gathered(instances, loaded).items():
            names.add(prefix + name)
            # One that was met on the way here has told its relations there, and is the same instance when loaded.
            new = {id(member): member for member in members if id(member) not in seen}
            if new:
                todo.append((f"{prefix}{name}.", list(new.values()), seen | new.keys()))
        if len(names) > MOST:
            raise ValueError(f"has more than {MOST} relations loaded; mark the field with WithoutRelations")
    return tuple(sorted(names))


def _gathered(instances: Iterable[Any], loaded: Loaded) -> Mapping[str, list[Any]]:
    """Return who is in the relations of several instances, by the relation's name."""
    found: dict[str, list[Any]] = {}
    for instance in instances:
        for name, members in loaded(instance):
            found.setdefault(name, []).extend(members)
    return found


def existing(
    names: Iterable[str], model: type[Any], relations: Callable[[type[Any]], Mapping[str, type[Any] | None]]
) -> list[str]:
    """Return the names that still are relations; the others are passed over: the code is newer than the job."""
    return [name for name in names if _exists(name, model, relations)]


def _exists(
    name: str, model: type[Any] | None, relations: Callable[[type[Any]], Mapping[str, type[Any] | None]]
) -> bool:
    if model is None:
        return True
    first, _, rest = name.partition(".")
    known = relations(model)
    return first in known and (not rest or _exists(rest, known[first], relations))


def portions(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield as many keys as one query takes."""
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
