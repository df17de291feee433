"""Loads the models of a job before anything sees it, each time that it runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from asyncq.adapter import Reference, adapter_of
from asyncq.codec import Codec
from asyncq.context import JobContext
from asyncq.errors import DecodeError, Fail, IncompleteApp, ModelNotFound, Skip
from asyncq.job import Job
from asyncq.models.session import JobSession, SessionSource
from asyncq.plugin import Plugin, Preparation
from asyncq.reference_shape import ReferenceShape
from asyncq.settings import Next

__all__ = ["LoadModels"]

_log = logging.getLogger("asyncq.job")


class LoadModels(Plugin):
    """Prepares the jobs of classes whose fields hold models."""

    def __init__(self, codec: Codec, source: SessionSource | None) -> None:
        self._codec = codec
        self._source = source

    def prepare(self, cls: type[Job]) -> Preparation | None:
        """Return what loads the models of the class's jobs.

        Raises:
            IncompleteApp: they are loaded in a session, and the app was given none.
        """
        shape = self._codec.shape(cls)
        if not isinstance(shape, ReferenceShape):
            return None
        if self._source is None and any(adapter.needs_session for adapter in shape.adapters):
            raise IncompleteApp(
                f"{cls.__qualname__}: its models are loaded in a session, and the app has none; "
                "write AsyncQ(…, session=async_sessionmaker(engine))"
            )
        return _Loading(shape, self._source)


class _Loading:
    """Loads the models of one class's jobs."""

    def __init__(self, shape: ReferenceShape, source: SessionSource | None) -> None:
        self._shape = shape
        self._source = source

    async def run(self, ctx: JobContext, call_next: Next, /) -> Any:
        """Load, and keep the session open until the job has run; a job whose model is gone ends here."""
        async with JobSession(self._source, ctx) as session:
            found = await self._load(ctx, session)
            ctx.job = self._revived(ctx, found)
            return await call_next(ctx)

    def _revived(self, ctx: JobContext, found: Mapping[Reference, Any]) -> Job:
        """Return the loaded job; what is wrong with it now is wrong at the next attempt too, so that there is none."""
        try:
            return self._shape.revive(ctx.payload, found)
        except DecodeError as error:
            raise Fail(error) from None
        except ModelNotFound as error:
            if not ctx.job.settings_.delete_when_missing:
                raise Fail(error.with_traceback(None)) from None
            _log.info("%s %s is skipped: %s", ctx.payload.name, ctx.id, error)
            raise Skip(str(error)) from None

    async def tell(self, ctx: JobContext, call_next: Next, /) -> Any:
        """Load what is there, and leave a reference in place of the rest."""
        async with JobSession(self._source, ctx) as session:
            ctx.job = self._shape.revive_in_part(ctx.payload, await self._load_or_tell(ctx, session))
            return await call_next(ctx)

    async def _load_or_tell(self, ctx: JobContext, session: JobSession) -> Mapping[Reference, Any] | None:
        try:
            return await self._load(ctx, session)
        except Exception:
            _log.exception("failed() of %s %s gets its models as references", ctx.payload.name, ctx.id)
            return None

    async def _load(self, ctx: JobContext, session: JobSession) -> Mapping[Reference, Any]:
        references = self._shape.references(ctx.payload)
        found: dict[Reference, Any] = {}
        for adapter in self._shape.adapters:
            mine = [item for item in references if adapter_of(item.model) is adapter]
            if mine:
                found |= await adapter.load(mine, session.get() if adapter.needs_session else None)
        return found
