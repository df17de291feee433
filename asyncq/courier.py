"""Concurrent dispatches share one push: what arrives while a push is under way leaves together with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from asyncq.contracts import Driver
from asyncq.payload import Envelope, Pushed

__all__ = ["Courier"]

_Waiting = tuple[Sequence[Envelope], "asyncio.Future[Sequence[Pushed]]"]


class Courier:
    """Carries the pushes of one connection, one call at a time.

    Who comes when nothing is under way carries its own: a task and two turns of the loop would cost as much as all the
    rest of a dispatch. What comes meanwhile is carried together by a task of the courier's, so that a caller who is
    cancelled neither tears the others' push nor leaves it in doubt. The task lives only while there is something to
    push, and `close` waits for it. (To gather crowds before the first push was tried: it is slower, since the broker
    works on the first while the others are still being packed.)
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._idle = asyncio.Event()

    async def push(self, envelopes: Sequence[Envelope]) -> Sequence[Pushed]:
        """Push the envelopes, all of them or none; answers in their order."""
        if self._busy:
            future: asyncio.Future[Sequence[Pushed]] = asyncio.get_running_loop().create_future()
            self._waiting.append((envelopes, future))
            return await future
        self._busy = True
        try:
            return await self._driver.push(envelopes)
        finally:
            self._go_on()

    async def close(self) -> None:
        """Return when everything that was accepted has been pushed."""
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    def _go_on(self) -> None:
        """Carry what came meanwhile, or rest."""
        if self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._carry())
        else:
            self._busy, self._task = False, None
            self._idle.set()

    async def _carry(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                await self._push(together)
        finally:
            self._go_on()

    async def _push(self, together: list[_Waiting]) -> None:
        try:
            pushed = await self._driver.push([envelope for envelopes, _ in together for envelope in envelopes])
        except BaseException as error:
            await self._refused(together, error)
            return
        start = 0
        for envelopes, future in together:
            if not future.done():
                future.set_result(pushed[start : start + len(envelopes)])
            start += len(envelopes)

    async def _refused(self, together: list[_Waiting], error: BaseException) -> None:
        """One dispatch that the broker refuses must not take the others with it: push each by itself."""
        if len(together) > 1 and isinstance(error, Exception):
            for one in together:
                await self._push([one])
            return
        for _, future in together:
            if not future.done():
                future.set_exception(error)
        if not isinstance(error, Exception):
            raise error
