"""From a job and its options to an envelope: settings frozen, arguments encoded."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from asyncq.clock import delay_of, seconds
from asyncq.codec import Codec
from asyncq.errors import ConfigError, WrongType
from asyncq.ids import check_id, new_id
from asyncq.job import Job, Request
from asyncq.payload import Envelope, Payload
from asyncq.plugin import Pending
from asyncq.recipe import place_of
from asyncq.registry import Registry
from asyncq.settings import DispatchOptions, normalise_option, reject_unknown

__all__ = ["Packer"]

_OPTIONS: Final = tuple(DispatchOptions.__annotations__)
_FROZEN: Final = ("tries", "timeout", "backoff", "max_exceptions", "max_crashes")
_ON_THE_WAY: Final = ("unique_for", "after_commit")
_METHODS: Final = ("tries", "retry_until", "tags", "group", "display_name")


@dataclass(frozen=True, slots=True)
class _Template:
    """What all dispatches of one class have in common."""

    name: str
    frozen: Mapping[str, Any]
    asks: frozenset[str]
    """The methods that the class has for what depends on the instance."""
    plain: bool
    """True where a dispatch without options differs from others in its id, instant and arguments alone."""


@dataclass(frozen=True, slots=True)
class _Route:
    """Where plain dispatches of one class go."""

    connection: str
    queue: str
    delay: float
    group: str | None
    tags: tuple[str, ...]


class Packer:
    """Makes envelopes. `queues` gives each connection its default queue, `now` is unix seconds."""

    def __init__(
        self,
        codec: Codec,
        registry: Registry,
        queues: Mapping[str, str],
        default: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._codec = codec
        self._registry = registry
        self._queues = queues
        self._default = default
        self._now = now
        self._templates: dict[type[Job], _Template] = {}
        self._routes: dict[type[Job], _Route] = {}

    def pack(self, request: Request) -> Pending:
        """Return the job as bytes, with its routing.

        Raises:
            EncodeError: an argument cannot travel.
            ConfigError: an option, a queue or a connection cannot be used.
        """
        options, template = self._options(request), self._template(type(request.job))
        if options or not template.plain:
            return self._pack_asking(request.job, options, template)
        return self._pack_plain(request.job, template)

    def _pack_asking(self, job: Job, options: DispatchOptions, template: _Template) -> Pending:
        settings = job.settings_
        connection = self._connection(options.get("connection") or settings.connection or self._default, type(job))
        delay, due_at = (
            delay_of(options["delay"], f"{type(job).__qualname__}: delay")
            if "delay" in options
            else (settings.delay, None)
        )
        payload = Payload(
            id=check_id(options["id"]) if "id" in options else new_id(),
            queue=_queue(options, job) or settings.queue or self._queues[connection],
            name=template.name,
            dispatched_at=self._now(),
            settings=self._freeze(job, template, options),
            arguments=self._codec.arguments(job),
            ext={"display": str(cast("Any", job).display_name())} if "display_name" in template.asks else None,
        )
        envelope = Envelope(
            id=payload.id,
            queue=payload.queue,
            name=payload.name,
            body=self._codec.body(payload),
            delay=delay,
            due_at=due_at,
            group=self._asked(job, template, options, "group"),
            tags=tuple(self._asked(job, template, options, "tags") or ()),
        )
        return _pending(job, envelope, connection, options)

    def _pack_plain(self, job: Job, template: _Template) -> Pending:
        """Pack what most dispatches are, with all its look-ups made before."""
        route = self._routes.get(type(job)) or self._route(type(job))
        name, queue, id = template.name, route.queue, new_id()
        payload = Payload(id, queue, name, self._now(), template.frozen, self._codec.arguments(job))
        body = self._codec.body(payload)
        envelope = Envelope(id, queue, name, body, route.delay, None, None, route.group, route.tags)
        return Pending(job, envelope, route.connection)

    def _options(self, request: Request) -> DispatchOptions:
        job = request.job
        options = request.options
        if type(job).dispatch_options is not Job.dispatch_options:
            options = cast("DispatchOptions", {**_own_options(job), **options})
        if options and not options.keys() <= set(_OPTIONS):
            unknown = [name for name in options if name not in _OPTIONS]
            reject_unknown(unknown, type(job).__qualname__, _OPTIONS, "option")
        return options

    def _route(self, cls: type[Job]) -> _Route:
        settings = cls.settings_
        connection = self._connection(settings.connection or self._default, cls)
        queue = settings.queue or self._queues[connection]
        self._routes[cls] = route = _Route(connection, queue, settings.delay, settings.group, settings.tags)
        return route

    def _connection(self, name: str, cls: type[Job]) -> str:
        if name in self._queues:
            return name
        known = ", ".join(map(repr, self._queues))
        raise ConfigError(f"{cls.__qualname__}: no connection is called {name!r}; there are {known}")

    def _template(self, cls: type[Job]) -> _Template:
        found = self._templates.get(cls)
        if found is None:
            found = self._templates[cls] = self._make_template(cls)
        return found

    def _make_template(self, cls: type[Job]) -> _Template:
        if cls.abstract_:
            raise ConfigError(f"{cls.__qualname__} is abstract; dispatch a job that derives from it")
        place_of(cls)  # what is wrong with the handler is said here, and not first in the worker
        settings = cls.settings_
        frozen = {name: value for name in _FROZEN if (value := getattr(settings, name)) is not None}
        if settings.fail_on_timeout:
            frozen["fail_on_timeout"] = True
        asks = frozenset(name for name in _METHODS if inspect.isfunction(getattr(cls, name, None)))
        return _Template(self._registry.name(cls), frozen, asks, not asks and settings.retry_for is None)

    def _freeze(self, job: Job, template: _Template, options: DispatchOptions) -> Mapping[str, Any]:
        """Return the settings that hold for this job whatever its class says later."""
        frozen = dict(template.frozen)
        owner = type(job).__qualname__
        if "tries" in template.asks:
            frozen["tries"] = normalise_option("tries", cast("Any", job).tries(), owner)
        for name, value in options.items():
            if name in _FROZEN:
                frozen[name] = normalise_option(name, value, owner)
        until = self._retry_until(job, template)
        return frozen if until is None else {**frozen, "retry_until": until}

    def _retry_until(self, job: Job, template: _Template) -> float | None:
        """Return unix seconds. The dispatcher's clock sets it, since only the push itself has the broker's."""
        if "retry_until" in template.asks:
            asked = cast("Any", job).retry_until()
            if asked is None:
                return None
            if isinstance(asked, datetime):
                return delay_of(asked, "retry_until")[1]
            return self._now() + seconds(asked, "retry_until")
        retry_for = job.settings_.retry_for
        return None if retry_for is None else self._now() + retry_for

    def _asked(self, job: Job, template: _Template, options: DispatchOptions, name: str) -> Any:
        if name in options:
            return normalise_option(name, options[name], type(job).__qualname__)  # type: ignore[literal-required]
        if name not in template.asks:
            return getattr(job.settings_, name)
        asked = getattr(job, name)()
        return None if asked is None else normalise_option(name, asked, f"{type(job).__qualname__}.{name}()")


def _own_options(job: Job) -> Mapping[str, Any]:
    given: Any = job.dispatch_options()
    if isinstance(given, Mapping):
        return cast("Mapping[str, Any]", given)
    what = f"{type(job).__qualname__}.dispatch_options()"
    raise WrongType(f"{what} returns options by name, for example {{'queue': 'high'}}, not {given!r}")


def _queue(options: DispatchOptions, job: Job) -> str | None:
    return str(normalise_option("queue", options["queue"], type(job).__qualname__)) if "queue" in options else None


def _pending(job: Job, envelope: Envelope, connection: str, options: DispatchOptions) -> Pending:
    """Return it with what only this dispatch says of its way to the broker."""
    owner, tx = type(job).__qualname__, options.get("tx")
    said = {name: normalise_option(name, value, owner) for name, value in options.items() if name in _ON_THE_WAY}
    if tx is not None and said.get("after_commit"):
        raise ConfigError(f"{owner}: tx= and after_commit=True are two ways to wait for a commit; give one of them")
    return Pending(job, envelope, connection, tx=tx, **said)
