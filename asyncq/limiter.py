"""How often something may happen: `app.throttle`."""

from __future__ import annotations

from types import TracebackType

from asyncq.clock import Seconds
from asyncq.errors import LockTimeout
from asyncq.gate import Find, Gate, count_of, needed, span_of
from asyncq.records import LimitState
from asyncq.stores import LimitStore

__all__ = ["Throttle"]


class Throttle(Gate):
    """At most `limit` passes in `per` seconds, across processes. It holds nothing, so one object may be shared."""

    def __init__(
        self,
        key: str,
        find: Find,
        *,
        limit: int,
        per: Seconds,
        wait: Seconds | None = 0,
        sliding: bool = False,
    ) -> None:
        super().__init__(key, find, wait)
        self.limit = count_of(limit, "limit")
        self.per = span_of(per, "per")
        self.sliding = sliding

    def __repr__(self) -> str:
        return f"throttle {self.key!r}"

    def _line(self) -> str:
        return f"{self}, {self.limit}, {self.sliding}"

    async def __aenter__(self) -> LimitState:
        return self._check(await self.hit())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def hit(self) -> LimitState:
        """Count one pass, waiting for room as long as `wait` says; where there was none it is not counted.

        Raises:
            NotSupported: the driver of the connection has no store for it.
        """
        store = await self._store()
        return await self._pass(
            lambda: store.hit(self.key, limit=self.limit, per=self.per, sliding=self.sliding), sudden=False
        )

    async def state(self) -> LimitState:
        """Say whether a pass would be allowed now and how many are left, without counting one."""
        return await (await self._store()).state(self.key, limit=self.limit, sliding=self.sliding)

    async def clear(self) -> None:
        """Forget what was counted; who waits in another process goes on waiting for the time it was told."""
        await (await self._store()).clear(self.key)
        await self._wake()

    async def _store(self) -> LimitStore:
        driver = (await self._find()).driver
        return needed(driver, driver.stores.limits, "throttle")

    def _refusal(self, state: LimitState, waited: str, /) -> LockTimeout:
        return LockTimeout(
            f"{self} has had its {self.limit} in {self.per:g} s and has no room {waited}; "
            f"it opens in {state.retry_after:.1f} s",
            key=self.key,
            limit=self.limit,
            retry_after=state.retry_after,
        )
