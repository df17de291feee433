"""`asyncq doctor`: looks at everything a queue needs, and says how to mend what is wrong."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from asyncq.app import AsyncQ
from asyncq.cli.explaining import versions
from asyncq.cli.failures import FAILED
from asyncq.cli.heartbeats import beats_of
from asyncq.cli.output import ago, write_rows
from asyncq.config import Settings, mask
from asyncq.contracts import Diagnosable, Driver, Inspectable, Installable
from asyncq.discovery import Found, discover
from asyncq.drivers import connect
from asyncq.errors import AsyncqError, ConfigError
from asyncq.project import unknown_variables
from asyncq.worker.control import PAUSE_ALL, pause_name
from asyncq.worker.supervisor import SHORTEST_LEASE

__all__ = ["Check", "examine"]

CLOCK_TOLERANCE: Final = 1.0
"""Seconds that the broker's clock and ours may differ."""
COLUMNS: Final = ("check", "status", "detail", "fix")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    check: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    fix: str | None = None


def examine(asked: str | None, *, as_json: bool) -> int:
    """Look at everything; returns 1 where something is a problem."""
    checks = asyncio.run(_all(asked))
    write_rows([asdict(check) for check in checks], COLUMNS, as_json=as_json, empty="")
    return FAILED if any(check.status == "problem" for check in checks) else 0


async def _all(asked: str | None) -> Sequence[Check]:
    checks = [*_machine(), *_variables()]
    try:
        # Modules of users may start a loop of their own while they are imported, which this thread cannot have twice.
        found = await asyncio.to_thread(discover, asked)
    except ConfigError as error:
        return [*checks, Check("app", "problem", str(error), "`asyncq about` works when this is mended")]
    checks += _app(found)
    for name in found.app.connections:
        checks += [check async for check in _connection(found.app, name)]
    return checks


def _machine() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} at {sys.executable}")
    if os.name == "posix":
        yield Check("platform", "ok", platform.platform())
    else:
        yield Check("platform", "problem", f"{platform.platform()} is no POSIX system", "run workers on Linux or macOS")
    yield Check("libraries", "ok", ", ".join(f"{name} {number}" for name, number in versions().items()))


def _variables() -> Iterator[Check]:
    for complaint in unknown_variables():
        yield Check("environment", "warning", complaint, "correct or unset it")


def _app(found: Found) -> Iterator[Check]:
    yield Check("project", "ok", str(found.project.root))
    yield Check("app", "ok", found.origin)
    for note in found.notes:
        yield Check("app", "warning", note, "see the note")
    types = set(found.app.registry.load().values())
    if types:
        yield Check("jobs", "ok", f"{len(types)} from {', '.join(sorted({cls.__module__ for cls in types}))}")
    else:
        yield Check("jobs", "warning", "no jobs were found", "name their modules: jobs = [...] in [tool.asyncq]")


async def _connection(app: AsyncQ, name: str) -> AsyncIterator[Check]:
    """Look at one connection by itself, so that what one lacks does not hide the others."""
    label = f"connection {name}"
    connection = app.connections[name]
    settings = connection.settings(name)
    try:
        async with connect(connection, name=name) as driver:
            yield Check(label, "ok", f"{mask(connection.url)} answers")
            for check in _settings(label, settings, driver):
                yield check
            for look in (_schema, _facts, _clock, _pauses, _readers):
                async for check in look(label, driver):
                    yield check
    except AsyncqError as error:
        fix = (
            "`asyncq migrate`" if "schema" in type(error).__name__.lower() else "see the message; then run doctor again"
        )
        yield Check(label, "problem", f"{mask(connection.url)}: {error}", fix)


def _settings(label: str, settings: Settings, driver: Driver) -> Iterator[Check]:
    if driver.traits.runs_inline or driver.traits.discards:
        what = "runs jobs where they are dispatched" if driver.traits.runs_inline else "forgets every job"
        yield Check(label, "warning", f"it {what}, so no worker is needed", "choose another URL if that is not meant")
    elif not driver.traits.persistent:
        yield Check(
            label, "warning", "its jobs end with their process", "use sqlite:///queue.db or a server to keep them"
        )
    if settings.lease < SHORTEST_LEASE:
        yield Check(label, "problem", f"lease={settings.lease:g} is too short for a worker", "set lease to 30")
    if settings.scheme == "sqlite":
        yield _durability(label, settings.options.get("synchronous", "FULL").upper())


def _durability(label: str, synchronous: str) -> Check:
    if synchronous == "NORMAL":
        detail = "synchronous=NORMAL: a power cut may take back the last jobs that were accepted"
        return Check(label, "warning", detail, "remove synchronous=NORMAL from the URL")
    return Check(label, "ok", f"synchronous={synchronous}: an accepted job is on the disk")


async def _schema(label: str, driver: Driver) -> AsyncIterator[Check]:
    if isinstance(driver, Installable):
        found, needed = await driver.schema()
        if found == needed:
            yield Check(label, "ok", f"its tables are of version {found}")
        else:
            yield Check(label, "problem", f"its tables are of version {found}, {needed} is needed", "`asyncq migrate`")


async def _facts(label: str, driver: Driver) -> AsyncIterator[Check]:
    if isinstance(driver, Diagnosable):
        for fact in await driver.facts():
            yield Check(label, fact.status, fact.detail, fact.fix)


async def _clock(label: str, driver: Driver) -> AsyncIterator[Check]:
    signals = driver.stores.signals
    if signals is None or not driver.traits.persistent:
        return
    before = time.time()
    await signals.put("doctor", b"", ttl=10.0)
    there = (await signals.get(["doctor"])).get("doctor")
    after = time.time()
    await signals.forget(["doctor"])
    if there is None:
        yield Check(label, "problem", "a flag that was set is not there", "is another program emptying the store?")
        return
    apart = max(before - there.at, there.at - after, 0.0)
    if apart > CLOCK_TOLERANCE:
        detail = f"its clock and this host's differ by {ago(apart)}"
        yield Check(label, "warning", detail, "let both follow one time server (NTP)")
    else:
        yield Check(label, "ok", "its clock and this host's agree")


async def _pauses(label: str, driver: Driver) -> AsyncIterator[Check]:
    signals = driver.stores.signals
    if signals is None:
        return
    if PAUSE_ALL in await signals.get([PAUSE_ALL]):
        yield Check(label, "warning", "every queue is paused", "`asyncq resume --all`")
    prefix = pause_name(driver.name, "")
    for signal in await signals.page(prefix):
        queue = signal.name.removeprefix(prefix)
        yield Check(label, "warning", f"queue {queue} is paused", f"`asyncq resume {driver.name}:{queue}`")


async def _readers(label: str, driver: Driver) -> AsyncIterator[Check]:
    """Say who is working, and which queues hold jobs that nobody reads."""
    if not driver.traits.shared or driver.stores.signals is None:
        return
    beats = await beats_of(driver)
    for beat in beats:
        yield Check(label, "warning" if beat.illness else "ok", beat.illness or f"worker {beat.name} is alive")
    if not beats:
        yield Check(label, "warning", "no worker is alive", f"`asyncq work {driver.name}`")
    read = {queue for beat in beats for queue in beat.state.get("queues", ())}
    waiting = await driver.queues() if isinstance(driver, Inspectable) else ()
    for queue in [item for item in waiting if item not in read and beats]:
        yield Check(label, "warning", f"queue {queue} holds jobs and nobody reads it", f"`asyncq work --queue {queue}`")
