"""Keeps jobs that failed for good, with all that a retry needs."""

from __future__ import annotations

from dataclasses import replace

from asyncq.context import JobContext
from asyncq.payload import Effects, Failed, Outcome
from asyncq.plugin import Plugin
from asyncq.records import FailedJob
from asyncq.retry import describe, trace_of

__all__ = ["KeepFailed"]


class KeepFailed(Plugin):
    """Adds the failed record to the settlement."""

    def settle(self, ctx: JobContext, outcome: Outcome, effects: Effects) -> Effects:
        """Add the record where the job failed."""
        if type(outcome) is not Failed:
            return effects
        item = ctx.reservation
        record = FailedJob(
            id=item.id,
            connection=ctx.connection,
            queue=item.queue,
            name=item.name,
            body=item.body,
            error=describe(outcome.error)[:2_000],
            traceback=trace_of(outcome.error),
            failed_at=0.0,
            attempts=item.attempt,
            exceptions=item.exceptions,
            crashes=item.crashes,
            group=item.group,
            tags=item.tags,
        )
        return replace(effects, failed=record)
