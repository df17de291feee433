"""The settings of a job: what class keywords and dispatch options say, checked and normalised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict

from asyncq.clock import Seconds, seconds
from asyncq.errors import WrongType, WrongValue
from asyncq.nearest import hint

if TYPE_CHECKING:
    from asyncq.context import JobContext

__all__ = ["DispatchOptions", "JobSettings", "Middleware", "Next", "merge_settings", "reject_unknown"]

Next = Callable[["JobContext"], Awaitable[Any]]
"""What a middleware calls to go on."""


class Middleware(Protocol):
    """Wraps the run of a job: any async callable of (ctx, call_next)."""

    async def __call__(self, ctx: JobContext, call_next: Next, /) -> Any: ...


class DispatchOptions(TypedDict, total=False):
    """What one dispatch may say differently from the job's class; the same names everywhere."""

    queue: str
    connection: str
    delay: Seconds | datetime
    tries: int
    timeout: Seconds
    backoff: Seconds | Sequence[Seconds]
    tags: Sequence[str]
    group: str
    unique_for: Seconds
    tx: object
    after_commit: bool
    id: str


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The settings of one job class; None leaves the choice to the connection or the worker."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    queue: str | None = None
    connection: str | None = None
    delay: float = 0.0
    tries: int | None = None
    timeout: float | None = None
    backoff: tuple[float, ...] | None = None
    max_exceptions: int | None = None
    max_crashes: int | None = None
    retry_for: float | None = None
    fail_on_timeout: bool = False
    retry_on: tuple[type[BaseException], ...] = ()
    fail_on: tuple[type[BaseException], ...] = ()
    unique: bool = False
    unique_for: float | None = None
    unique_by: tuple[str, ...] = ()
    unique_scope: str | None = None
    unique_until: Literal["done", "start"] = "done"
    middleware: tuple[Middleware, ...] = ()
    tags: tuple[str, ...] = ()
    group: str | None = None
    run_in: Literal["loop", "thread", "process"] | None = None
    keep_result: float = 0.0
    """Seconds for which the end of the job, with its result, is kept."""
    on_shutdown: Literal["finish", "release"] = "finish"
    delete_when_missing: bool = False
    silenced: bool = False
    after_commit: bool | None = None

    @property
    def is_unique(self) -> bool:
        """True where any of the unique settings asks for a key."""
        return self.unique or self.unique_for is not None or bool(self.unique_by)


_NOT_INHERITED: Final = {"name": None, "aliases": ()}
_COUNTS: Final = {"tries", "max_exceptions", "max_crashes"}
_DURATIONS: Final = {"delay", "timeout", "retry_for", "unique_for", "keep_result"}
_FLAGS: Final = {"fail_on_timeout", "unique", "delete_when_missing", "silenced", "after_commit"}
_TEXTS: Final = {"name", "connection", "group", "unique_scope"}
_LISTS_OF_TEXT: Final = {"aliases", "tags", "unique_by"}
_CHOICES: Final = {
    "run_in": ("loop", "thread", "process"),
    "on_shutdown": ("finish", "release"),
    "unique_until": ("done", "start"),
}
LONGEST_QUEUE: Final = 200
NAMES: Final = tuple(field.name for field in fields(JobSettings))


def merge_settings(base: JobSettings, given: Mapping[str, Any], owner: str) -> JobSettings:
    """Return the settings of a class from its parent's and its own keywords; None keywords were not given.

    Raises:
        WrongType, WrongValue: a value that cannot be, naming class, setting and what it takes.
    """
    changes = {name: _normalise(name, value, owner) for name, value in given.items() if value is not None}
    return replace(base, **{**_NOT_INHERITED, **changes})


def reject_unknown(unknown: Iterable[str], owner: str, known: Sequence[str] = NAMES, what: str = "setting") -> None:
    """Refuse settings that do not exist, with the nearest one that does."""
    for name in unknown:
        raise WrongType(f"{owner}: unknown {what} {name!r}{hint(name, known)}")


def normalise_option(name: str, value: Any, owner: str) -> Any:
    """Check one dispatch option by the rules of the setting of its name."""
    return _normalise(name, value, owner)


def _normalise(name: str, value: Any, owner: str) -> Any:
    what = f"{owner}: {name}"
    if name in _CHECKS:
        return _CHECKS[name](what, value)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise WrongValue(f"{what} takes one of {', '.join(map(repr, _CHOICES[name]))}, not {value!r}")
    return value


def _count(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"{what} takes a whole number, not {value!r}")
    if value < 0:
        raise WrongValue(f"{what} takes 0 (no limit) or more, not {value!r}")
    return value


def _duration(what: str, value: Any) -> float:
    result = seconds(value, what)
    if result < 0:
        raise WrongValue(f"{what} takes 0 seconds or more, not {value!r}")
    return result


def _listed(value: Any) -> tuple[Any, ...]:
    """Take one for a list of one."""
    return tuple(value) if _is_list(value) else (value,)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _durations(what: str, value: Any) -> tuple[float, ...]:
    given = _listed(value)
    if not given:
        raise WrongValue(f"{what} takes seconds or a list of seconds, not an empty list")
    return tuple(_duration(what, item) for item in given)


def _flag(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongType(f"{what} takes True or False, not {value!r}")
    return value


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise WrongType(f"{what} takes a text, not {value!r}")
    return value


def _queue(what: str, value: Any) -> str:
    """A name has to fit into `--queue mail:10,default`, into a line of a log, and into a key of a broker."""
    text = _text(what, value)
    if len(text) > LONGEST_QUEUE or "," in text or not text.isprintable() or text != text.strip():
        shown = repr(text[:50]) + ("…" if len(text) > 50 else "")
        raise WrongValue(
            f"{what} takes at most {LONGEST_QUEUE} characters, without commas and line breaks, not {shown}"
        )
    return text


def _texts(what: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise WrongType(f"{what} takes a list of texts, not {value!r}")
    return tuple(_text(what, item) for item in _listed(value))


def _errors(what: str, value: Any) -> tuple[type[BaseException], ...]:
    given = _listed(value)
    for item in given:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise WrongType(f"{what} takes exception classes, not {item!r}")
    return given


def _middleware(what: str, value: Any) -> tuple[Middleware, ...]:
    given = _listed(value)
    for item in given:
        if not callable(item) or isinstance(item, type):
            hint = "; make an instance of it" if isinstance(item, type) else ""
            raise WrongType(f"{what} takes async callables of (ctx, call_next), not {item!r}{hint}")
    return given


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_DURATIONS, _duration),
    **dict.fromkeys(_FLAGS, _flag),
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_LISTS_OF_TEXT, _texts),
    "backoff": _durations,
    "queue": _queue,
    "retry_on": _errors,
    "fail_on": _errors,
    "middleware": _middleware,
}
