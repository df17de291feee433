"""What an error means: pure functions from (error, counters, settings) to an outcome."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from asyncq.clock import iso
from asyncq.errors import (
    Fail,
    JobSignal,
    JobTimeout,
    ManuallyFailed,
    RetryUntilPassed,
    Skip,
    TooManyAttempts,
    TooManyCrashes,
    TooManyExceptions,
)
from asyncq.payload import Failed, Outcome, Released, Reservation, Skipped
from asyncq.settings import JobSettings

__all__ = ["Rules", "admit", "backoff_of", "describe", "judge", "root_of", "rules_of", "trace_of"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of one job: what was frozen at its dispatch, else the worker's."""

    tries: int = 1
    timeout: float = 60.0
    backoff: tuple[float, ...] = (0.0,)
    max_exceptions: int = 0
    max_crashes: int = 3
    retry_until: float | None = None
    fail_on_timeout: bool = False


_FROZEN: Final = frozenset(Rules.__dataclass_fields__)


def rules_of(frozen: Mapping[str, Any], defaults: Rules) -> Rules:
    """Return the rules of a payload; names that a later version froze are passed over."""
    if not frozen:
        return defaults
    known = {name: value for name, value in frozen.items() if name in _FROZEN}
    if "backoff" in known:
        known["backoff"] = tuple(known["backoff"])
    return replace(defaults, **known)


def admit(reservation: Reservation, rules: Rules) -> Failed | None:
    """Say why a reserved job may not run any more, or None; judged by the broker's instant of the reserve."""
    if 0 < rules.max_crashes <= reservation.crashes:
        return Failed(TooManyCrashes(f"the worker died {reservation.crashes} times while this job ran"))
    if rules.retry_until is not None:
        late = reservation.reserved_at > rules.retry_until
        return (
            Failed(RetryUntilPassed(f"it came back after its retry_until {iso(rules.retry_until)}")) if late else None
        )
    if 0 < rules.tries < reservation.attempt:
        return Failed(TooManyAttempts(f"it came back for attempt {reservation.attempt} of {rules.tries}"))
    return None


def judge(error: BaseException, reservation: Reservation, rules: Rules, settings: JobSettings, now: float) -> Outcome:
    """Decide what becomes of a job that an error left; `now` is unix seconds by the broker's clock.

    The delay of a release after an error is the caller's to fill in: `backoff` may be a method of the job.
    """
    root = root_of(error)
    if isinstance(root, JobSignal):
        return _of_signal(root)
    if _is_final(root, settings, rules):
        return Failed(root)
    if 0 < rules.max_exceptions <= reservation.exceptions + 1:
        return Failed(
            _caused(TooManyExceptions(f"it raised {reservation.exceptions + 1} times: {describe(root)}"), root)
        )
    if rules.retry_until is not None:
        return Failed(root) if rules.retry_until <= now else Released(None, "exception", error=root)
    if 0 < rules.tries <= reservation.attempt:
        return Failed(root)
    return Released(None, "exception", error=root)


def _of_signal(signal: JobSignal) -> Outcome:
    if isinstance(signal, Fail):
        reason = signal.reason
        return Failed(reason if isinstance(reason, BaseException) else ManuallyFailed(reason))
    if isinstance(signal, Skip):
        return Skipped(signal.reason)
    return Released(None, "attempt", error=signal)


def _is_final(error: BaseException, settings: JobSettings, rules: Rules) -> bool:
    if isinstance(error, JobTimeout) and rules.fail_on_timeout:
        return True
    if settings.fail_on and isinstance(error, settings.fail_on):
        return True
    return bool(settings.retry_on) and not isinstance(error, (*settings.retry_on, JobTimeout))


def _caused(error: TooManyExceptions, cause: BaseException) -> TooManyExceptions:
    error.__cause__ = cause
    return error


def backoff_of(backoff: tuple[float, ...], attempt: int) -> float:
    """Return the wait after this attempt, in seconds; past the end of the list the last one."""
    return backoff[min(attempt, len(backoff)) - 1] if backoff else 0.0


def root_of(error: BaseException) -> BaseException:
    """Look into exception groups: `Fail` wins over all, then real errors, then `Release` and `Skip`."""
    if not _is_group(error):
        return error
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(leaf, Fail):
            return leaf
    real = [leaf for leaf in leaves if not isinstance(leaf, JobSignal)]
    if len(real) == 1:
        return real[0]
    return error if real else leaves[0]


def _is_group(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not _is_group(error):
        yield error
        return
    for member in cast("Any", error).exceptions:
        yield from _leaves(member)


def describe(error: BaseException) -> str:
    """Return one line about an error, also where its own text cannot be had."""
    try:
        text = str(error)
    except BaseException as broken:  # also where it raises SystemExit: this only looks
        text = f"(its text cannot be shown: {type(broken).__name__})"
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


def trace_of(error: BaseException) -> str:
    """Return the traceback as text, without local variables, shortened to 64 KiB."""
    try:
        return "".join(traceback.format_exception(error))[-65_536:]
    except BaseException as broken:
        return f"{describe(error)} (its traceback cannot be shown: {type(broken).__name__})"
