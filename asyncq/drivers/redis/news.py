"""Publish and subscribe: one connection that hears of changes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

from redis import exceptions as redis_errors

__all__ = ["News"]

LONGEST: Final = 86_400.0


class _Opener(Protocol):
    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection that is subscribed."""
        ...


class News:
    """A subscription. What is told while its connection is broken is missed, so look after each wait."""

    def __init__(self, link: _Opener, channels: Sequence[str]) -> None:
        self._link = link
        self._channels = channels
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        self._connection = await self._link.listen(self._channels)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self._connection.disconnect(nowait=True)

    async def wait(self, seconds: float) -> bytes | None:
        """Return what was told; None after so many seconds, or where the connection had to be made anew.

        Raises:
            BrokerUnavailable: the server cannot be reached.
        """
        try:
            async with asyncio.timeout(seconds if math.isfinite(seconds) else LONGEST):
                # A read that is given up leaves the connection as it is: the next one goes on.
                message = await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except TimeoutError:
            return None
        except (redis_errors.ConnectionError, OSError, EOFError):
            await self._connection.disconnect(nowait=True)
            self._connection = await self._link.listen(self._channels)
            return None
        told: bytes = message[2]
        return told
