"""Keeps the leases from a thread of its own, and watches whether a job holds the event loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from asyncq.contracts import Keeper
from asyncq.errors import DriverError
from asyncq.run import Run
from asyncq.worker.desk import Desk

__all__ = ["KeeperThread", "Watcher"]

TICK: Final = 0.05
"""Seconds between two looks at the loop while a job runs."""
IDLE_TICK: Final = 5.0
"""Seconds of rest while none runs; a job that starts then ends the rest. Each wake of an idle thread costs 0.3 ms."""
_log = logging.getLogger("asyncq.keeper")


class Watcher(Protocol):
    """What the thread looks at between two renewals."""

    def look(self, keeper: Keeper) -> None:
        """Look at the loop, and act where it is held too long; called in the keeper's thread."""
        ...


class KeeperThread:
    """Owns the thread; leaving its block ends it."""

    def __init__(
        self,
        keeper: Keeper,
        desk: Desk,
        lease: float,
        lost: Callable[[list[Run]], None],
        taking: Callable[[], bool] = lambda: False,
    ) -> None:
        self._keeper = keeper
        self._desk = desk
        self._taking = taking
        """Says whether reservations may be on their way to the desk."""
        self._asked = False
        self._renewed = threading.Event()
        self._period = lease / 3
        self._lost = lost
        self._ended = threading.Event()
        self._awake = threading.Event()
        self._rests = False
        self._thread = threading.Thread(target=self._serve, name="asyncq-keeper", daemon=True)
        self._watcher: Watcher | None = None
        self._failures = 0

    def watch(self, watcher: Watcher) -> None:
        """Let the thread look at the loop too."""
        self._watcher = watcher

    def __enter__(self) -> Self:
        self._thread.start()
        self._desk.clock.join(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._desk.clock.part(self)
        self._ended.set()
        self._awake.set()
        self._thread.join(5.0)

    def stride(self) -> float | None:
        """Return how far a test's clock may go at once; None while nothing is held."""
        return self._period if self._desk.held or self._taking() else None

    def renew(self) -> None:
        """Have the thread renew the leases now, for a clock that is turned, and wait for it."""
        self._renewed.clear()
        self._asked = True
        self._awake.set()
        self._renewed.wait(5.0)

    def wake(self) -> None:
        """Let the thread look at the loop from now on: a job starts."""
        if self._rests:
            self._rests = False
            self._awake.set()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                with self._keeper as keeper:
                    self._keep(keeper)
            except DriverError as error:
                _log.error("the lease keeper cannot reach the broker; it tries again: %s", error)
                self._ended.wait(0.5)
            except Exception:
                # It is all that stands between a busy worker and jobs that run twice: it must come back.
                _log.exception("the lease keeper failed; it starts again")
                self._ended.wait(0.5)

    def _keep(self, keeper: Keeper) -> None:
        renew_at = time.monotonic() + self._period
        while not self._rest(renew_at - time.monotonic()):
            if time.monotonic() >= renew_at or self._asked:
                renew_at = time.monotonic() + (self._period if self._renew(keeper) else min(1.0, self._period / 4))
                self._answer()
            if self._watcher is not None:
                self._watcher.look(keeper)
            if self._desk.ledger is not None:
                self._desk.ledger.beat()

    def _rest(self, longest: float) -> bool:
        """Wait for the next look; True at the end. A job that starts meanwhile sees that we rest, or we see it run."""
        self._rests = True
        if not self._desk.running:
            self._awake.wait(min(IDLE_TICK, max(0.0, longest)))
            self._awake.clear()
        self._rests = False
        if self._desk.running and not self._asked:
            self._awake.wait(min(TICK, max(0.0, longest)))
            self._awake.clear()
        return self._ended.is_set()

    def _answer(self) -> None:
        if self._asked:
            self._asked = False
            self._renewed.set()

    def _renew(self, keeper: Keeper) -> bool:
        held = [run for run in list(self._desk.held) if run.early is None]
        runs = {(run.reservation.id, run.reservation.token): run for run in held}
        try:
            gone = keeper.extend([run.reservation for run in runs.values()])
        except DriverError as error:
            self._failures += 1
            _log.error("the leases of %d jobs could not be renewed (try %d): %s", len(runs), self._failures, error)
            return False
        self._failures = 0
        lost = [runs[key] for item in gone if (key := (item.id, item.token)) in runs]
        if lost:
            self._lost(lost)
        return True
