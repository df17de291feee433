"""The session of a job: opened when it is first needed, rolled back and closed when the job's run has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from inspect import isclass, iscoroutinefunction
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread

from asyncq.context import JobContext
from asyncq.errors import WrongType
from asyncq.hints import returned_by
from asyncq.supply import CLEAN_UP_SECONDS

__all__ = ["JobSession", "SessionSource", "source_of"]


class SessionSource:
    """Makes the sessions of jobs, and gives them to handlers that ask for one by its type."""

    def __init__(self, make: Callable[[], Any], kind: type[Any]) -> None:
        self.make = make
        self._kind = kind
        self._open: dict[JobContext, JobSession] = {}
        """By the run that they are of."""

    def knows(self, wanted: Any, /) -> bool:
        """Say whether the sessions are of this type."""
        return isclass(wanted) and wanted is not object and issubclass(self._kind, wanted) and hasattr(wanted, "close")

    async def open(self, ctx: JobContext) -> AsyncIterator[Any]:
        """Yield the session of the run: the one in which its models were loaded, where it has some."""
        held = self._open.get(ctx)
        if held is not None:
            yield held.get()
            return
        async with JobSession(self, ctx) as own:
            yield own.get()

    def held(self, ctx: JobContext, session: JobSession | None) -> None:
        """Note which session a run has; None: it has none any more."""
        if session is None:
            self._open.pop(ctx, None)
        else:
            self._open[ctx] = session


class JobSession:
    """The session of one run. Closing rolls back what the handler did not commit, and leaves instances as they are."""

    def __init__(self, source: SessionSource | None, ctx: JobContext) -> None:
        self._source = source
        self._ctx = ctx
        self._session: Any = None

    def get(self) -> Any:
        """Return the session; None where the app has no source of sessions."""
        if self._session is None and self._source is not None:
            self._session = self._source.make()
        return self._session

    async def __aenter__(self) -> Self:
        if self._source is not None:
            self._source.held(self._ctx, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._source is not None:
            self._source.held(self._ctx, None)
        if self._session is None:
            return
        with anyio.fail_after(CLEAN_UP_SECONDS, shield=True):
            if iscoroutinefunction(self._session.close):
                await self._session.close()
            else:
                await anyio.to_thread.run_sync(self._session.close)


def source_of(make: Any) -> SessionSource | None:
    """Return what makes sessions by what an app was given: a sessionmaker, or a function that says what it returns.

    Raises:
        WrongType: it makes no sessions, or does not say which.
    """
    if make is None:
        return None
    if isclass(make) or not callable(make):
        raise WrongType(f"AsyncQ: session takes an async_sessionmaker or a sessionmaker, not {make!r}")
    kind = getattr(make, "class_", None) or returned_by(make, "AsyncQ: session")
    if isclass(kind) and hasattr(kind, "close"):
        return SessionSource(make, kind)
    raise WrongType(
        "AsyncQ: session takes an async_sessionmaker, a sessionmaker, or a function that says which session it returns "
        f"(`-> AsyncSession`), not {make!r}"
    )
