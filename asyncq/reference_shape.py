"""How the arguments of a job class are encoded whose fields hold instances that are loaded again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from pydantic_core import PydanticOmit

from asyncq.adapter import Adapter, Reference, adapter_of
from asyncq.errors import ConfigError, ModelNotFound
from asyncq.job import Job
from asyncq.payload import Payload
from asyncq.shape import Shape

__all__ = ["ReferenceShape"]


@dataclass(frozen=True, slots=True)
class ReferenceShape(Shape):
    """Encoder and decoder of such a class. What it decodes holds references until `revive` has put instances there."""

    adapters: tuple[Adapter, ...]
    peek: Callable[..., Any]
    """Reads the fields, and calls nothing of the class: its `__post_init__` and validators expect instances."""

    def __post_init__(self) -> None:
        if self.cls.settings_.run_in == "process":
            raise ConfigError(
                f"{self.cls.__qualname__}: run_in='process' cannot have models by reference: they are loaded in this "
                "process; pass ids, or take run_in='process' away"
            )

    def identity(self, job: Job) -> bytes:
        """Return the arguments without the relations that happen to be loaded."""
        self.encode(job)  # what cannot travel is refused there, by its name
        return self.dump(self.validate(job), context=_without_relations)

    def label(self, job: Job, name: str) -> str:
        """Return the value of one attribute as a text; of an instance its class and key."""
        value = getattr(job, name)
        adapter = adapter_of(type(value))
        return str(value if adapter is None else adapter.refer(value, relations=False))

    def read(self, body: bytes) -> Job:
        """Return the job with references in place of instances."""
        job = object.__new__(self.cls)
        job.__dict__.update(self.peek(body).__dict__)
        return job

    def decode(self, payload: Payload) -> Job:
        """Return the job of a payload, not loaded; raises DecodeError where the arguments do not fit."""
        return cast(Job, self._fitting(payload, self.read))

    def references(self, payload: Payload) -> list[Reference]:
        """Return all that has to be loaded, each once."""
        found: dict[Reference, None] = {}

        def note(reference: Reference, _: bool) -> None:
            found[reference] = None

        self._fitting(payload, partial(self.peek, context=note))
        return list(found)

    def revive(self, payload: Payload, found: Mapping[Reference, Any]) -> Job:
        """Return the job with its instances; collections lose the members that are gone.

        Raises:
            ModelNotFound: an instance is gone.
            DecodeError: the arguments do not fit the class any more.
        """
        return self._with(payload, partial(_found, found))

    def revive_in_part(self, payload: Payload, found: Mapping[Reference, Any] | None) -> Job:
        """Return the job with a reference in place of each instance that is gone; of all where nothing was `found`."""
        return self._with(payload, partial(_found_or_named, found))

    def _with(self, payload: Payload, instance_of: Callable[[Reference, bool], Any]) -> Job:
        return cast(Job, self._fitting(payload, partial(self.load, context=instance_of)))

    def _fitting(self, payload: Payload, read: Callable[[bytes], Any]) -> Any:
        try:
            return read(payload.arguments)
        except ValueError as error:
            raise self.unfitting(payload, error) from error

    def round_trip(self, job: Job, payload: Payload) -> Job:
        """Return the job as a worker would see it, with the very instances that were given."""
        return self.revive_in_part(payload, self._given(self.validate(job)))

    def _back(self, checked: Job, body: bytes) -> Job:
        return cast(Job, self.load(body, context=partial(_found, self._given(checked))))

    def _given(self, checked: Job) -> Mapping[Reference, Any]:
        given: dict[Reference, Any] = {}

        def keep(reference: Reference, instance: Any) -> Reference:
            given[reference] = instance
            return reference

        self.dump(checked, context=keep)
        return given


def _without_relations(reference: Reference, instance: Any) -> Reference:
    return replace(reference, relations=())


def _found_or_named(found: Mapping[Reference, Any] | None, reference: Reference, member: bool) -> Any:
    if found is None or (reference not in found and not member):
        return reference
    return _found(found, reference, member)


def _found(found: Mapping[Reference, Any], reference: Reference, member: bool) -> Any:
    instance = found.get(reference)
    if instance is not None:
        return instance
    if member:
        raise PydanticOmit
    raise ModelNotFound(
        f"{reference} is gone: it was deleted after the dispatch, or the dispatch came before its commit",
        model=reference.model,
        key=reference.key,
    )
