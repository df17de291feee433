"""Dispatches that are written in their caller's transaction: as jobs, or as rows of an outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from asyncq.contracts import Driver, Transaction, Transactional
from asyncq.errors import ConfigError, NotSupported, PayloadTooLarge
from asyncq.outbox import push_row
from asyncq.payload import Envelope, Pushed
from asyncq.plugin import Carrier, Pending
from asyncq.transactions.adapting import Adapted, adapt

WHAT = "dispatch(tx=…)"

__all__ = ["Joining", "Owners", "check_limits"]


@dataclass(frozen=True, slots=True, eq=False)
class _Into:
    """Writes jobs into the tables of their own connection."""

    driver: Transactional
    transaction: Transaction

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        return await self.driver.push_in(self.transaction, envelopes)


@dataclass(frozen=True, slots=True, eq=False)
class _Beside:
    """Notes jobs of a connection elsewhere in an outbox; a worker brings them there after the commit."""

    driver: Transactional
    transaction: Transaction
    target: Driver

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        for envelope in envelopes:
            check_limits(self.target, envelope)
        await self.driver.note_in(self.transaction, [push_row(envelope, self.target.name) for envelope in envelopes])
        return [Pushed(envelope.id, True) for envelope in envelopes]


class Owners:
    """Which connections of an app have their tables in the database of a transaction."""

    def __init__(self, drivers: Mapping[str, Driver]) -> None:
        self._drivers = drivers
        self._known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    async def owns(self, name: str, adapted: Adapted) -> Transactional | None:
        """Return the driver of a connection if its tables are there; it is asked once for each place."""
        driver = self._drivers[name]
        if not isinstance(driver, Transactional):
            return None
        known = self._known.setdefault(adapted.place, set())
        if name not in known and await driver.owns(adapted.transaction):
            known.add(name)
        return driver if name in known else None

    async def any(self, adapted: Adapted) -> Transactional | None:
        """Return the first driver whose tables are there."""
        for name in self._drivers:
            if (driver := await self.owns(name, adapted)) is not None:
                return driver
        return None


class Joining:
    """Finds what carries the jobs of one dispatch into transactions: one for each connection in each of them."""

    def __init__(self, drivers: Mapping[str, Driver], owners: Owners) -> None:
        self._drivers = drivers
        self._owners = owners
        self._adapted: dict[int, Adapted] = {}
        self._carriers: dict[tuple[int, str], Carrier | None] = {}

    async def carrier(self, item: Pending) -> Carrier | None:
        """Return what writes the job; None: its connection forgets it in any case.

        Raises:
            WrongType: what was given is no transaction.
            ConfigError: it is not open, or no connection of the app has its tables there.
        """
        key = id(item.tx), item.connection
        if key not in self._carriers:
            adapted = self._adapted.get(id(item.tx))
            if adapted is None:
                adapted = self._adapted[id(item.tx)] = await adapt(item.tx, WHAT)
            self._carriers[key] = await self._find(item, adapted)
        return self._carriers[key]

    async def _find(self, item: Pending, adapted: Adapted) -> Carrier | None:
        own = await self._owners.owns(item.connection, adapted)
        if own is not None:
            return _Into(own, adapted.transaction)
        target = self._drivers[item.connection]
        if target.traits.discards:
            return None
        beside = await self._owners.any(adapted)
        if beside is None:
            raise ConfigError(_nowhere(item, adapted.transaction.dialect))
        return _Beside(beside, adapted.transaction, target)


def _nowhere(item: Pending, dialect: str) -> str:
    url = "sqlite:///that-file.db" if dialect == "sqlite" else f"{dialect}://…"
    return (
        f"{type(item.job).__qualname__}: {WHAT}: no connection of the app has its tables in the database of "
        f"this transaction, so nothing can be written there for connection {item.connection!r}; add the database to "
        f"the app's connections ({url}), or hold the dispatch back with asyncq.after_commit"
    )


def check_limits(driver: Driver, envelope: Envelope) -> None:
    """Refuse now what the driver would refuse later, when nobody hears of it any more.

    Raises:
        PayloadTooLarge, NotSupported: the job is too large, or too far off.
    """
    largest, longest = driver.traits.max_payload, driver.traits.max_delay
    if largest is not None and len(envelope.body) > largest:
        raise PayloadTooLarge(
            f"{envelope.name} has {len(envelope.body)} bytes, and connection {driver.name!r} takes at most {largest}"
        )
    if longest is not None and envelope.delay > longest:
        raise NotSupported(
            f"{envelope.name}: delay={envelope.delay:g} is longer than the {longest:g} s of connection {driver.name!r}"
        )
