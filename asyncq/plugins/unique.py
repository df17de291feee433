"""At most one stored job for each unique key."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from asyncq.codec import Codec
from asyncq.context import JobContext
from asyncq.contracts import Driver, Findable
from asyncq.errors import ConfigError
from asyncq.job import Job
from asyncq.payload import Pushed, Unique
from asyncq.plugin import Pending, Plugin, Send
from asyncq.registry import name_of
from asyncq.settings import Next

__all__ = ["UniqueJobs"]


class UniqueJobs(Plugin):
    """Gives envelopes their unique key; frees it before the handler where `unique_until="start"`."""

    def __init__(self, codec: Codec, driver_of: Callable[[str], Driver]) -> None:
        self._codec = codec
        self._driver_of = driver_of

    def dispatch(self, pending: Sequence[Pending], send: Send) -> Awaitable[Sequence[Pushed]]:
        """Add the keys; the driver decides in the push who is first."""
        return send([self._keyed(item) for item in pending])

    def _keyed(self, item: Pending) -> Pending:
        if not is_unique(item.job) or item.envelope.unique is not None:
            return item
        ttl = item.unique_for if item.unique_for is not None else item.job.settings_.unique_for
        unique = Unique(key_of(self._codec, item.job), ttl)
        return replace(item, envelope=replace(item.envelope, unique=unique))

    def handle(self, ctx: JobContext, call_next: Next) -> Awaitable[Any]:
        """Free the key first, where the job's settings say so."""
        settings = ctx.job.settings_
        if settings.unique_until != "start" or ctx.reservation.unique_key is None:
            return call_next(ctx)
        return self._freed(ctx, call_next)

    async def _freed(self, ctx: JobContext, call_next: Next) -> Any:
        driver = self._driver_of(ctx.connection)
        if isinstance(driver, Findable):
            await driver.free(ctx.reservation)
        return await call_next(ctx)


def is_unique(job: Job) -> bool:
    """Say whether settings or a `unique_id` method ask for a key."""
    return job.settings_.is_unique or callable(getattr(type(job), "unique_id", None))


def key_of(codec: Codec, job: Job) -> str:
    """Return the key: name (or unique_scope) and the id, which without more is a digest of all arguments."""
    cls = type(job)
    scope = cls.settings_.unique_scope or name_of(cls)
    own = getattr(cls, "unique_id", None)
    if callable(own):
        return f"{scope}:{own(job)}"
    if cls.settings_.unique_by:
        return f"{scope}:{':'.join(_label(codec, job, name) for name in cls.settings_.unique_by)}"
    return f"{scope}:{hashlib.sha256(codec.identity(job)).hexdigest()}"


def _label(codec: Codec, job: Job, name: str) -> str:
    try:
        return codec.shape(type(job)).label(job, name)
    except AttributeError:
        raise ConfigError(f"{type(job).__qualname__}: unique_by names {name!r}, which is no field of it") from None
