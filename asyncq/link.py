"""`Link`: tells pydantic how an instance of a mapped class becomes a reference, and how it comes back.

Who reads says by the context what takes a reference's place: a callable of (reference, whether it is the member of a
collection), without which references stay. Who writes may give a callable of (reference, instance) that answers with
the reference to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import PydanticCustomError, core_schema

from asyncq.adapter import Adapter, Reference, adapter_of

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

__all__ = ["LINK", "Link", "adapters_in"]

_MARK: Final = "asyncq_adapter"


@dataclass(frozen=True, slots=True)
class Link:
    """Stands in `Annotated[User, Link()]`, at each place of an annotation where a mapped class is."""

    relations: bool = True
    member: bool = False
    """True in a collection of any length, whose members may vanish."""
    strict: bool = False
    """True where other mapped classes could stand here too, so that the name has to tell."""

    def __get_pydantic_core_schema__(self, kind: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        from pydantic import TypeAdapter

        adapter = adapter_of(kind)
        assert adapter is not None  # whoever put the link here has asked
        key_type = adapter.key_type(kind)
        border = _Border(kind, adapter, self, TypeAdapter(key_type).validate_python)
        wire = _wire(handler.generate_schema(key_type))
        return core_schema.json_or_python_schema(
            json_schema=core_schema.with_info_after_validator_function(border.read, wire),
            python_schema=core_schema.no_info_plain_validator_function(border.take),
            serialization=core_schema.plain_serializer_function_ser_schema(
                border.write, info_arg=True, return_schema=wire
            ),
            metadata={_MARK: adapter},
        )


LINK: Final = Link()


def adapters_in(schema: Any) -> Iterator[Adapter]:
    """Yield the adapters of all places of a schema where a mapped class is."""
    parts: Iterable[Any] = ()
    if isinstance(schema, dict):
        known = cast("dict[str, Any]", schema)
        if _MARK in (known.get("metadata") or ()):
            yield known["metadata"][_MARK]
        parts = known.values()
    elif isinstance(schema, (list, tuple)):
        parts = cast("Iterable[Any]", schema)
    for part in parts:
        yield from adapters_in(part)


class _Border:
    """Where instances of one mapped class become references, and references become instances."""

    def __init__(self, kind: type[Any], adapter: Adapter, link: Link, check_key: Callable[[Any], Any]) -> None:
        self._kind = kind
        self._adapter = adapter
        self._link = link
        self._check_key = check_key

    def take(self, value: Any) -> Any:
        """Check what a dispatch was given."""
        if isinstance(value, Reference) and issubclass(value.model, self._kind):
            return value
        name = self._kind.__qualname__
        if not isinstance(value, self._kind):
            raise PydanticCustomError("reference", "Input should be an instance of {name}", {"name": name})
        try:
            self._check_key(self._adapter.key(value))
        except ValueError as error:
            told = f"this {type(value).__qualname__} {_told(error)}"
            raise PydanticCustomError("reference", "{told}", {"told": told}) from None
        return value

    def write(self, value: Any, info: core_schema.SerializationInfo) -> dict[str, Any]:
        """Return what is written for an instance."""
        reference = (
            value if isinstance(value, Reference) else self._adapter.refer(value, relations=self._link.relations)
        )
        if info.context is not None:
            reference = info.context(reference, value)
        wire: dict[str, Any] = {"model": reference.model.__name__, "key": reference.key}
        if reference.relations:
            wire["relations"] = reference.relations
        if reference.using:
            wire["using"] = reference.using
        return wire

    def read(self, wire: dict[str, Any], info: core_schema.ValidationInfo) -> Any:
        """Return the reference, or what the reader puts into its place."""
        relations = tuple(wire.get("relations", ())) if self._link.relations else ()
        reference = Reference(self._model(wire.get("model")), wire["key"], relations, wire.get("using", ""))
        return reference if info.context is None else info.context(reference, self._link.member)

    def _model(self, name: str | None) -> type[Any]:
        """Return the class of this name: the annotation's, or one that derives from it; nothing is looked up elsewhere.

        A class that was renamed since is still the one that the annotation means, where there is only one.
        """
        for kind in _family(self._kind):
            if kind.__name__ == name:
                return kind
        if self._link.strict:
            told = {"name": str(name), "kind": self._kind.__qualname__}
            raise PydanticCustomError("reference", "Input is a reference to {name}, not to {kind}", told)
        return self._kind


def _family(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for child in type.__subclasses__(kind):
        yield from _family(child)


def _told(error: ValueError) -> str:
    if not hasattr(error, "errors"):
        return str(error)
    return "has a key of a type that cannot travel; give its column a type that says its python_type, or pass an id"


def _wire(key: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """Return the form of a reference in JSON; what a later version adds is passed over."""
    text = core_schema.str_schema()
    fields = {
        "model": core_schema.typed_dict_field(text, required=False),
        "key": core_schema.typed_dict_field(key),
        "relations": core_schema.typed_dict_field(core_schema.tuple_variable_schema(text), required=False),
        "using": core_schema.typed_dict_field(text, required=False),
    }
    config = core_schema.CoreConfig(ser_json_bytes="base64", val_json_bytes="base64")  # as in the rest of a job
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore", config=config)
