"""`app.lock`, `app.funnel` and `app.throttle`, on the connection that the app or the call names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from asyncq.clock import Seconds
from asyncq.gate import Place
from asyncq.limiter import Throttle
from asyncq.locks import Funnel, Lock

if TYPE_CHECKING:
    from asyncq.wiring import Engine

__all__ = ["Gates"]


class Gates(ABC):
    """What user code passes one by one, or so many at a time."""

    stores: Mapping[str, str]
    """The connection that keeps something for all others, by what it keeps."""

    @abstractmethod
    async def engine(self) -> Engine:
        """Return the open engine of the running loop."""

    def lock(
        self,
        key: str,
        *,
        ttl: Seconds | None = 60,
        wait: Seconds | None = 0,
        owner: str | None = None,
        connection: str | None = None,
    ) -> Lock:
        """Make a lock that one holder has at a time: `async with app.lock("key"): …`.

        `ttl`: seconds after which it is free even if its holder died; None: never. `wait`: seconds to wait for it;
        None: without limit. `owner`: the name of the holder, where another process shall release it.
        """
        return Lock(key, partial(self._place, connection or self.stores.get("locks")), ttl=ttl, wait=wait, owner=owner)

    def funnel(
        self,
        key: str,
        *,
        limit: int,
        ttl: Seconds = 60,
        wait: Seconds | None = 0,
        owner: str | None = None,
        connection: str | None = None,
    ) -> Funnel:
        """Make a funnel that `limit` holders have at a time; the rest is as for a lock."""
        place = partial(self._place, connection or self.stores.get("locks"))
        return Funnel(key, place, limit=limit, ttl=ttl, wait=wait, owner=owner)

    def throttle(
        self,
        key: str,
        *,
        limit: int,
        per: Seconds,
        wait: Seconds | None = 0,
        sliding: bool = False,
        connection: str | None = None,
    ) -> Throttle:
        """Make a throttle that lets `limit` pass in `per` seconds: `async with app.throttle("key", …): …`.

        The window starts at its first pass and then starts anew, so that up to twice the limit may pass around its end;
        with `sliding` no span of `per` seconds ever has more than the limit.
        """
        place = partial(self._place, connection or self.stores.get("limits"))
        return Throttle(key, place, limit=limit, per=per, wait=wait, sliding=sliding)

    async def _place(self, connection: str | None) -> Place:
        engine = await self.engine()
        return Place(engine.driver(connection or engine.setup.default), engine.lines)
