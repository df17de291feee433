"""`python -m benchmarks.chaos.worker FOLDER OPTIONS NAME`: one worker process that writes down what it does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from asyncq import AsyncQ
from asyncq.contracts import Driver
from asyncq.drivers import SCHEMES
from asyncq.events import WorkerStarting, WorkerStopping
from asyncq.payload import Released, Reservation, Reserved, Settlement
from asyncq.worker.options import WorkerOptions
from asyncq.worker.process import run_process
from benchmarks.chaos.app import build
from benchmarks.chaos.history import Log
from benchmarks.chaos.jobs import witness
from benchmarks.chaos.options import Options


class IdleKeeper:
    """Renews nothing: what a worker without a keeper would do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Say that nothing was lost."""
        return ()

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """Settle nothing."""
        return ()


def without_keeper(url: str) -> None:
    """Switch renewal off for all drivers of this URL's scheme in this process."""
    module, _, name = SCHEMES[url.partition(":")[0]].partition(":")
    # Over the class, since a worker may ask for its keeper before anybody can listen to it.
    setattr(getattr(import_module(module), name), "keeper", property(_idle))  # noqa: B010


def _idle(_: object) -> type[IdleKeeper]:
    return IdleKeeper


def listen(app: AsyncQ, log: Log) -> None:
    """Write down what the worker tells."""

    @app.on(WorkerStarting)
    async def starting(event: WorkerStarting) -> None:
        attend((await app.engine()).driver(event.connection), log)
        log.write("up")

    @app.on(WorkerStopping)
    def stopping(event: WorkerStopping) -> None:
        log.write("down", detail=event.reason)


def attend(driver: Driver, log: Log) -> None:
    """Write down what the driver answers, as soon as it does: it knows which jobs it gave away, and which ended."""
    reserve, settle, turn = driver.reserve, driver.settle, getattr(driver, "turn", None)

    @wraps(reserve)
    async def attended_reserve(*given: Any, **named: Any) -> Reserved:
        return _received(log, await reserve(*given, **named))

    @wraps(settle)
    async def attended_settle(*given: Any) -> Sequence[Reservation]:
        _asked(log, given[0])
        return _settled(log, given[0], await settle(*given))

    async def attended_turn(*given: Any, **named: Any) -> tuple[Sequence[Reservation], Reserved]:
        assert turn is not None
        _asked(log, given[0])
        stale, reserved = await turn(*given, **named)
        return _settled(log, given[0], stale), _received(log, reserved)

    # Set over the instance: the worker keeps the driver that it knows, of whatever class.
    for name, attended in {"reserve": attended_reserve, "settle": attended_settle}.items():
        setattr(driver, name, attended)
    if turn is not None:
        setattr(driver, "turn", attended_turn)  # noqa: B010


def _received(log: Log, reserved: Reserved) -> Reserved:
    for item in reserved.items:
        log.write(
            "reserved",
            id=item.id,
            token=item.token,
            broker_at=item.reserved_at,
            attempt=item.attempt,
            crashes=item.crashes,
        )
    return reserved


def _asked(log: Log, given: Sequence[Settlement]) -> None:
    for settlement in given:
        log.write("asked", id=settlement.reservation.id, token=settlement.reservation.token)


def _settled(log: Log, given: Sequence[Settlement], stale: Sequence[Reservation]) -> Sequence[Reservation]:
    late = {(item.id, item.token) for item in stale}
    for item in stale:
        log.write("stale", id=item.id, token=item.token)
    for settlement in given:
        held, outcome = settlement.reservation, settlement.outcome
        if (held.id, held.token) not in late and not isinstance(outcome, Released):
            log.write("confirmed", id=held.id, token=held.token, detail=type(outcome).__name__.lower())
    return stale


def main() -> None:
    """Work until SIGTERM or SIGKILL."""
    folder, text, name = sys.argv[1:]
    options = Options.from_json(text)
    witness.log = log = Log(Path(folder), name)
    if not options.keeper:
        without_keeper(options.url)
    app = build(options)
    listen(app, log)
    sys.exit(run_process(app, WorkerOptions(concurrency=options.concurrency, name=name)))


if __name__ == "__main__":
    main()
