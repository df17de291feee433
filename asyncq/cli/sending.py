"""Dispatches a job by its name, with arguments as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from asyncq.cli.failures import UsageError
from asyncq.cli.output import say, write_json
from asyncq.cli.session import with_engine
from asyncq.errors import UnknownJob
from asyncq.handle import JobHandle
from asyncq.job import Job, Request
from asyncq.settings import DispatchOptions
from asyncq.shape import fields_of
from asyncq.wiring import Engine

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["dispatch_by_name", "job_called", "send"]


async def dispatch_by_name(engine: Engine, name: str, arguments: str, options: DispatchOptions) -> JobHandle[object]:
    """Dispatch the job of this name.

    Raises:
        UsageError: no job has the name, or the arguments are not its.
    """
    cls = job_called(engine.setup.registry.load(), name)
    (handle,) = await engine.dispatch([Request(_job(engine, cls, arguments), options)])
    return handle


def job_called(known: Mapping[str, type[Job]], name: str) -> type[Job]:
    """Return the job of a name, of an alias, or of the last part of a name where only one job has it."""
    if name in known:
        return known[name]
    short = {cls: full for full, cls in known.items() if full.rpartition(":")[2] == name}
    if len(short) == 1:
        return next(iter(short))
    if short:
        raise UsageError(
            f"{len(short)} jobs are called {name!r}: {', '.join(sorted(short.values()))}; name one in full"
        )
    raise UsageError(str(_unknown(known, name)))


def _unknown(known: Mapping[str, type[Job]], name: str) -> UnknownJob:
    endings = {full.rpartition(":")[2]: full for full in known}
    near = get_close_matches(name, known, 1) or [endings[item] for item in get_close_matches(name, endings, 1)]
    if near:
        return UnknownJob(f"no job is called {name!r}; did you mean {near[0]!r}?")
    if not known:
        return UnknownJob(
            f"no job is called {name!r}: no jobs were found at all; `asyncq about` says where asyncq looked"
        )
    return UnknownJob(f"no job is called {name!r}; there are {', '.join(sorted(known))}")


def _job(engine: Engine, cls: type[Job], arguments: str) -> Job:
    try:
        return engine.codec.shape(cls).read(arguments.encode())
    except ValueError as error:
        raise UsageError(_complaint(cls, arguments, error)) from None


def _complaint(cls: type[Job], arguments: str, error: ValueError) -> str:
    if not hasattr(error, "errors"):
        return f"{cls.__qualname__}: {error}"
    details = cast("ValidationError", error).errors(include_url=False, include_context=False)
    lines: list[str] = []
    for detail in details:
        if detail["type"] == "json_invalid":
            return (
                f'the arguments of {cls.__qualname__} are no JSON: {detail["msg"]}; write for example \'{{"to": "x"}}\''
            )
        place = ".".join(map(str, detail["loc"])) or "arguments"
        lines.append(f"{place}: {_told(detail['type'], detail['msg'], cls)}")
    return f"{cls.__qualname__} does not take these arguments: " + "; ".join(lines)


def _told(kind: str, message: str, cls: type[Job]) -> str:
    if kind == "unexpected_keyword_argument":
        return f"there is no such argument; there are {', '.join(item.name for item in fields_of(cls)) or 'none'}"
    if kind.startswith("dataclass_type"):
        return "the arguments take one JSON object"
    return message


def send(asked: str | None, name: str, arguments: str, *, as_json: bool, **given: object) -> None:
    """Dispatch a job and write its id."""
    options = cast(DispatchOptions, {key: value for key, value in given.items() if value is not None})
    handle = with_engine(asked, lambda engine: dispatch_by_name(engine, name, arguments, options), jobs=True)
    if as_json:
        facts = {"id": handle.id, "created": handle.created, "queue": handle.queue, "connection": handle.connection}
        write_json(facts)
        return
    print(handle.id)
    what = "dispatched to" if handle.created else "there already, nothing was dispatched:"
    say(f"{what} queue {handle.queue} of {handle.connection}")
