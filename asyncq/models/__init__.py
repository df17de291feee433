"""Models by reference: a job carries the class and the key of a record, and finds the record loaded when it runs."""

from __future__ import annotations

from typing import TypeVar

from asyncq.adapter import Adapter, Reference, adapter_of
from asyncq.annotation import ByReference, WithoutRelations
from asyncq.errors import WrongType

__all__ = ["Adapter", "ByReference", "Reference", "WithoutRelations", "without_relations"]

M = TypeVar("M")


def without_relations(instance: M, /) -> M:
    """Return a copy of an instance that has none of its relations loaded, so that a job does not load them again.

    Raises:
        WrongType: it is no instance of a mapped class.
        ValueError: it was not flushed yet, or it was deleted.
    """
    adapter = adapter_of(type(instance))
    if adapter is None:
        raise WrongType(f"without_relations takes an instance of a mapped class, not {instance!r}")
    return adapter.bare(instance)
