"""The driver that keeps its jobs in a PostgreSQL database."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.ends import first_ends
from asyncq.drivers.postgres import leasing
from asyncq.drivers.postgres.diagnosis import diagnose
from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.faults import blocked
from asyncq.drivers.postgres.heads import Heads
from asyncq.drivers.postgres.inspection import Inspection
from asyncq.drivers.postgres.installation import Installation
from asyncq.drivers.postgres.joining import Joining
from asyncq.drivers.postgres.keeper import PostgresKeeper
from asyncq.drivers.postgres.leasing import new_token, stale_of
from asyncq.drivers.postgres.link import Link, Told
from asyncq.drivers.postgres.micros import MICRO, micros
from asyncq.drivers.postgres.options import REMEMBERED, options_of
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.schema import Sql
from asyncq.drivers.postgres.stores import stores_of
from asyncq.drivers.postgres.waiting import wait_for_jobs
from asyncq.drivers.postgres.wire import ends, pushed, pushed_one, pushed_to, reserved, reserved_again, rung_by
from asyncq.drivers.unanswered import Lost, Unanswered
from asyncq.errors import BrokerUnavailable, DriverError
from asyncq.payload import Envelope, Pushed, Released, Reservation, Reserved, Settlement, Traits
from asyncq.records import Fact

__all__ = ["PostgresDriver"]

SWEEP_SECONDS: Final = 10.0
"""How often a worker forgets what is over, such as the answers of calls."""
PUSHED_A_SECOND: Final = 5000
"""A slow server's pace: so much longer than others a push of many jobs may take."""
_log = logging.getLogger("asyncq.postgres")


class PostgresDriver(Inspection, Installation, Joining):
    """Jobs in one schema of a database. Each call is one statement, and one transaction of its own."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.name = settings.name
        self.lease = settings.lease
        self._options = options_of(settings)
        heard = self._options.listen is not None
        self.traits = Traits() if heard else Traits(wake_latency=self._options.poll + 0.1)
        self._lease = micros(settings.lease)
        self._link = Link(self._options, Sql(self._options.schema))
        self._heads = Heads(settings.lease)
        self._ears = Ears(self._options, self._heads)
        self._ringer = Ringer(lambda topics: self._link.run("ring", topics), self._ears)
        self._unanswered = Unanswered[None](self._recover)
        self.stores = stores_of(self._link, self._ears, self._ringer)

    async def __aenter__(self) -> Self:
        self._link.open()
        self._ringer.open()
        try:
            await self._greet()
        except BaseException:
            await self._link.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self._ringer.close()
        await self._ears.close()
        await self._link.close()

    async def run(self) -> None:
        """Forget what is over, now and then."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self._sweep()
            except DriverError as error:
                _log.warning("what is over could not be forgotten: %s", error)

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of them or none."""
        if not envelopes:
            return []
        try:
            answers = await (self._push_one(envelopes[0]) if len(envelopes) == 1 else self._push_all(envelopes))
        except BrokerUnavailable as error:
            raise self._named(error, envelopes) from error.__cause__
        self._ringer.ring(pushed_to(envelopes), of_one=len(envelopes) == 1)
        return answers

    async def _push_one(self, envelope: Envelope) -> Sequence[Pushed]:
        try:
            holder = (await self._link.call("push_one", new_token(), *pushed_one(envelope)))[0]
        except Told as told:
            holder = told.answer
        return [Pushed(envelope.id, True) if holder is None else Pushed(holder, False)]

    async def _push_all(self, envelopes: Sequence[Envelope]) -> Sequence[Pushed]:
        answers = [Pushed(envelope.id, True) for envelope in envelopes]
        # Keys in one order in all calls, so that two of them never wait for each other in a circle.
        order = _order(envelopes)
        for place, holder in await self._refused([envelopes[at] for at in order]):
            answers[order[place - 1]] = Pushed(holder, False)
        return answers

    async def _refused(self, envelopes: Sequence[Envelope]) -> list[tuple[int, str]]:
        """Push; return the places of those that were not written, and who holds their ids or keys."""
        more = len(envelopes) / PUSHED_A_SECOND
        try:
            row = await self._link.call("push", new_token(), *pushed(envelopes), more=more)
            places, holders = row["places"], row["holders"]
        except Told as told:
            places, holders = json.loads(told.answer or "[[],[]]")
        return list(zip(places, holders, strict=True))

    def _named(self, error: BrokerUnavailable, envelopes: Sequence[Envelope]) -> BrokerUnavailable:
        """Name the keys, one of which an open transaction holds, where that is what a push has waited for."""
        keys = [repr(envelope.unique.key) for envelope in envelopes if envelope.unique]
        if not keys or not blocked(error):
            return error
        told = " or ".join(keys[:3]) + (f" or {len(keys) - 3} others" if len(keys) > 3 else "")
        return BrokerUnavailable(
            f"{self._options.where}: a transaction that is still open holds the unique key {told}; it must end first"
        )

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Lease up to `limit` due jobs, and never wait for one."""
        return (await self._turn([], queues, limit, alone=alone))[1]

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds."""
        await wait_for_jobs(self._link, self._ears, self._heads, queues, timeout)

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        await self._unanswered.clear()
        first, late = first_ends(settlements)
        left, op = self._unanswered.unsettled(first), new_token()
        if not left:
            return late
        lost = Lost(op, None, left, (), "")
        stale = await self._unanswered.run(lost, leasing.settle(self._link, left, op))
        self._ended(first, left)
        return [*stale, *late]

    async def turn(
        self, settlements: Sequence[Settlement], queues: Sequence[str], /, *, limit: int
    ) -> tuple[Sequence[Reservation], Reserved]:
        """Settle, then reserve, in one statement."""
        first, late = first_ends(settlements)
        stale, found = await self._turn(first, queues, limit, alone=False)
        return [*stale, *late], found

    async def _turn(
        self, first: Sequence[Settlement], queues: Sequence[str], limit: int, *, alone: bool
    ) -> tuple[list[Reservation], Reserved]:
        await self._unanswered.clear()
        left, asked, op = self._unanswered.unsettled(first), list(dict.fromkeys(queues)), new_token()
        ordered, values = ends(left)
        self._heads.forget(_handed_back(left))
        view = self._heads.view(asked)
        most = 1 if alone else max(0, limit)

        async def attempt() -> tuple[list[int], Reserved]:
            try:
                row = await self._link.call(
                    "turn", op, *values, asked, view.heads, view.leases_from, most, self._lease, alone
                )
            except Told as told:
                rows, ahead = await self._link.run("turned", op, asked), await self._link.run("ahead", asked, None, 0)
                return json.loads(told.answer or "[]"), reserved_again(rows, op, ahead[0], alone=alone)
            self._heads.learn(asked, view, row)
            if row["reclaimed"]:
                self._ringer.ring({f"h:{queue}" for queue in asked})
            return row["stale"], reserved(row, asked, op)

        places, found = await self._unanswered.run(Lost(op, None, left, asked, ""), attempt())
        self._ended(first, left)
        return stale_of(ordered, places), found

    def _ended(self, first: Sequence[Settlement], told: Sequence[Settlement]) -> None:
        self._unanswered.forget(first)
        if topics := rung_by(told):
            self._ringer.ring(topics)

    async def _recover(self, lost: Lost[None]) -> Sequence[Reservation] | None:
        """Learn what became of a call, and give back what it leased."""
        row = (await self._link.run("recover", lost.token, list(lost.leased_from)))[0]
        if not row["ran"] or row["answer"] is None:
            return None
        ordered, _ = ends(lost.settlements)
        self._ringer.ring({f"h:{queue}" for queue in lost.leased_from})
        return stale_of(ordered, json.loads(row["answer"]))

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each; returns those that were lost."""
        return await leasing.extend(self._link, reservations, self._lease, {})

    async def facts(self) -> Sequence[Fact]:
        """Return what the server says of itself."""
        return await diagnose(self._link)

    def keeper(self) -> PostgresKeeper:
        """Make a keeper with a connection of its own."""
        link = Link(self._options, self._link.sql)
        return PostgresKeeper(link, self._heads, self._lease, self._unanswered.leasing)

    async def _sweep(self) -> None:
        more = True
        while more:
            more = (await self._link.run("sweep", round(2 * REMEMBERED * MICRO)))[0][0]


def _handed_back(given: Sequence[Settlement]) -> set[str]:
    """Return the queues in which jobs go back to their old places."""
    return {
        item.reservation.queue for item in given if isinstance(item.outcome, Released) and item.outcome.delay is None
    }


def _order(envelopes: Sequence[Envelope]) -> Sequence[int]:
    """Return places in the order of their unique keys; of equal keys the first stays first."""
    places = range(len(envelopes))
    if sum(envelope.unique is not None for envelope in envelopes) < 2:
        return places
    if len({envelope.id for envelope in envelopes}) < len(envelopes):
        return places  # of two with one id the first must be written first
    return sorted(places, key=lambda place: unique.key if (unique := envelopes[place].unique) else "")
