"""The driver that keeps its jobs on Redis."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.ends import first_ends
from asyncq.drivers.redis.calls import Call, call, extending, new_token, pushing, reserving
from asyncq.drivers.redis.connecting import blocking_client, wire_of
from asyncq.drivers.redis.diagnosis import diagnose
from asyncq.drivers.redis.ears import Ears
from asyncq.drivers.redis.greeting import greet
from asyncq.drivers.redis.inspection import Inspection
from asyncq.drivers.redis.keeper import RedisKeeper
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.own_client import options_for
from asyncq.drivers.redis.settling import ends_by_home, settlements, settling, stale_of
from asyncq.drivers.redis.stores import stores_of
from asyncq.drivers.redis.waiting import wait
from asyncq.drivers.redis.wire import reservations
from asyncq.drivers.unanswered import Lost, Unanswered
from asyncq.errors import DriverError
from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits
from asyncq.records import Fact

__all__ = ["RedisDriver"]

_log = logging.getLogger("asyncq.redis")


class RedisDriver(Inspection):
    """Jobs on one server, behind Sentinel, or in a cluster. Each call is one script for each slot that it concerns."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.name = settings.name
        self.lease = settings.lease
        self._options = options_for(settings)
        clustered = self._options.shape == "cluster"
        self.traits = Traits(atomic_effects=not clustered, unique_scope="queue" if clustered else "connection")
        self._keys = Keys(settings.prefix, clustered)
        self._lease = micros(settings.lease)
        options = self._options
        self._link = Link(wire_of(options), timeout=options.timeout, retry_for=options.retry_for, where=options.where)
        self._unanswered = Unanswered[Call](self._recover)
        self._announced: set[str] = set()
        self._ears = Ears(self._link)
        self.stores = stores_of(self._link, self._keys)

    async def __aenter__(self) -> Self:
        try:
            await greet(self._link, self._options, self._keys.root)
        except BaseException:
            await self._link.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self._ears.close()
        await self._link.close()

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of those that share a script, or none."""
        answers = [Pushed(envelope.id, True) for envelope in envelopes]
        if self._keys.clustered:
            await self._announce(envelopes)
        for one, places in pushing(self._keys, envelopes):
            refused = await self._link.run(one)
            for at in range(0, len(refused), 2):
                answers[places[refused[at]]] = Pushed(refused[at + 1].decode(), False)
        return answers

    async def _announce(self, envelopes: Sequence[Envelope]) -> None:
        """Note a queue's name beside the stores, before its first job: in a cluster that is another slot."""
        new = {envelope.queue for envelope in envelopes} - self._announced
        if new:
            await self._link.command("SADD", f"{self._keys.root}queues", *sorted(new))
            self._announced |= new

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Lease up to `limit` due jobs, and never wait for one."""
        found, failure = Reserved(), None
        for home, mine in self._keys.groups(queues).items():
            left = max(0, limit - len(found.items))
            try:
                found = _joined(found, await self._reserve(home, mine, left, alone=alone and not found.items))
            except DriverError as error:  # the jobs of other slots must not wait for this one
                failure = error
        if failure is not None and not found.items:
            raise failure
        return found

    async def _reserve(self, home: str, queues: Sequence[str], limit: int, *, alone: bool) -> Reserved:
        await self._unanswered.clear(home)
        token = new_token()
        one = reserving(self._keys, home, queues, token, [self._lease, limit, int(alone)])
        return _reserved(await self._run(one, queues=queues), queues, token)

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds."""
        await wait(self._link, self._ears, self._keys, queues, timeout)

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        first, stale = first_ends(settlements)
        ended: list[Settlement] = []
        failure: DriverError | None = None
        for home, mine in ends_by_home(self._keys, first).items():
            try:
                stale += await self._settle(home, mine)
            except DriverError as error:
                failure = error
            else:
                ended += mine
        if failure is not None:
            # Who settles these again, all of them, must not hear that the others are stale.
            self._unanswered.note(ended, stale)
            raise failure
        self._unanswered.forget(first)
        return stale

    async def _settle(self, home: str, ends: Sequence[Settlement]) -> list[Reservation]:
        await self._unanswered.clear(home)
        left = self._unanswered.unsettled(ends)
        if not left:
            return []
        return stale_of(left, await self._run(settling(self._keys, home, left), left))

    async def turn(
        self, settlements: Sequence[Settlement], queues: Sequence[str], /, *, limit: int
    ) -> tuple[Sequence[Reservation], Reserved]:
        """Settle, then reserve, in one round trip; in a cluster one for each queue."""
        if self._keys.clustered:
            stale = await self.settle(settlements)
            try:
                return stale, await self.reserve(queues, limit=limit)
            except DriverError as error:  # the ends are there: they must not be told as failed
                _log.warning("%s", error)
                return stale, Reserved()
        await self._unanswered.clear(self._keys.root)
        first, late = first_ends(settlements)
        left = self._unanswered.unsettled(first)
        asked, token = list(dict.fromkeys(queues)), new_token()
        refused, answer = await self._run(self._turning(left, asked, token, limit), left, asked)
        self._unanswered.forget(first)
        return [*stale_of(left, refused), *late], _reserved(answer, asked, token)

    async def _run(self, one: Call, ends: Sequence[Settlement] = (), queues: Sequence[str] = ()) -> Any:
        """Run a call that ends these attempts, and leases jobs of these queues; raises as the link does."""
        return await self._unanswered.run(
            Lost(str(one.arguments[0]), one, ends, queues, one.keys[0]), self._link.run(one)
        )

    async def _recover(self, lost: Lost[Call]) -> Sequence[Reservation] | None:
        """Learn what became of a call; what it leased goes back."""
        keys = [lost.home, *map(self._keys.base, lost.leased_from)]
        ran, stale = await self._link.run(call("recover", keys, [lost.token, lost.call.script.name]))
        return stale_of(lost.settlements, stale) if ran else None

    def _turning(self, ends: Sequence[Settlement], asked: Sequence[str], token: str, limit: int) -> Call:
        """The bases that only ends need stand before those that are asked for jobs."""
        others = list(dict.fromkeys(end.reservation.queue for end in ends if end.reservation.queue not in asked))
        places = {queue: place for place, queue in enumerate([*others, *asked])}
        return call(
            "turn",
            [self._keys.root, *map(self._keys.base, places)],
            [token, self._lease, max(0, limit), 2 + len(others), *settlements(self._keys, ends, places)],
        )

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each; returns those that were lost."""
        lost: list[Reservation] = []
        for one, mine in extending(self._keys, reservations, {}, self._lease):
            lost += [mine[place] for place in await self._link.run(one)]
        return lost

    async def facts(self) -> Sequence[Fact]:
        """Return what the server says of itself."""
        return await diagnose(self._link, self._options)

    def keeper(self) -> RedisKeeper:
        """Make a keeper with a connection of its own."""
        options = self._options
        return RedisKeeper(
            lambda: blocking_client(options),
            self._keys,
            self._lease,
            self._unanswered.leasing,
            where=options.where,
            retry_for=options.retry_for,
        )


def _reserved(answer: Any, queues: Sequence[str], token: str) -> Reserved:
    now, suspects, wait, found = answer
    at, items = int(now) / MICRO, list[Reservation]()
    for queue, columns in zip(queues, found, strict=True):
        items += reservations(columns, queue, token, at)
    due = int(wait)
    return Reserved(tuple(items), bool(suspects), None if due < 0 else due / MICRO)


def _joined(one: Reserved, other: Reserved) -> Reserved:
    """Put the answers of two homes together; what became ready in one is for the next look."""
    soonest = [due for due in (one.next_due, other.next_due) if due is not None]
    return replace(
        other,
        items=one.items + other.items,
        suspects=one.suspects or other.suspects,
        next_due=min(soonest, default=None),
    )
