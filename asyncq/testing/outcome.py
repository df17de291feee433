"""How one run of a job ended, for tests to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from asyncq.job import Job
from asyncq.payload import Cancelled, Done, Failed, Outcome, Released, Skipped
from asyncq.retry import describe
from asyncq.run import Run

__all__ = ["RunOutcome", "outcome_of"]

R_co = TypeVar("R_co", covariant=True)
State = Literal["done", "skipped", "released", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class RunOutcome(Generic[R_co]):
    """What became of a job in one attempt."""

    job: Job | None
    """The instance that was run, after the round trip; None where its payload could not be opened."""
    id: str
    attempt: int
    state: State
    value: Any
    """What the handler returned; `result` is the same, but insists that the job is done."""
    delay: float | None
    """Seconds after which a released job is due again; None where it was not released."""
    error: BaseException | None
    """What failed the job, or what made it go back."""
    reason: str | None
    """Why it was skipped."""
    dispatched: Sequence[Job] = ()
    """The jobs that were dispatched meanwhile; filled by `asyncq.testing.run`."""

    @property
    def done(self) -> bool:
        """True where the handler returned."""
        return self.state == "done"

    @property
    def skipped(self) -> bool:
        """True where the job or a middleware ended it without its work."""
        return self.state == "skipped"

    @property
    def released(self) -> bool:
        """True where the job goes back to its queue."""
        return self.state == "released"

    @property
    def failed(self) -> bool:
        """True where the job has failed for good."""
        return self.state == "failed"

    @property
    def cancelled(self) -> bool:
        """True where a user cancelled the job."""
        return self.state == "cancelled"

    @property
    def result(self) -> R_co:
        """What the handler returned.

        Raises:
            AssertionError: the handler did not return; the error that ended it is its cause.
        """
        if self.state != "done":
            raise AssertionError(f"there is no result: {self}") from self.error
        return self.value  # type: ignore[no-any-return]  # what the handler returned, of which the type checkers know R

    def __str__(self) -> str:
        name = type(self.job).__qualname__ if self.job is not None else self.id
        why = describe(self.error) if self.error is not None else self.reason
        after = f" for {self.delay:g} s" if self.delay is not None else ""
        return f"{name} was {self.state}{after} in attempt {self.attempt}" + (f": {why}" if why else "")


def outcome_of(run: Run, outcome: Outcome) -> RunOutcome[Any]:
    """Return what tests see of a run that has ended."""
    state, value, delay, error, reason = _parts(outcome)
    return RunOutcome(
        job=run.ctx.job if run.ctx is not None else None,
        id=run.reservation.id,
        attempt=run.reservation.attempt,
        state=state,
        value=value,
        delay=delay,
        error=error,
        reason=reason,
    )


def _parts(outcome: Outcome) -> tuple[State, Any, float | None, BaseException | None, str | None]:
    match outcome:
        case Done():
            return "done", outcome.result, None, None, None
        case Skipped():
            return "skipped", None, None, None, outcome.reason
        case Released():
            return "released", None, outcome.delay or 0.0, outcome.error, outcome.reason
        case Failed():
            return "failed", None, None, outcome.error, None
        case Cancelled():
            return "cancelled", None, None, None, outcome.reason
