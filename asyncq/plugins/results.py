"""Keeps how jobs ended, for those whose class says `keep_result`, and for all that were cancelled."""

from __future__ import annotations

import logging
from dataclasses import replace

from asyncq.codec import Codec
from asyncq.context import JobContext
from asyncq.errors import AsyncqError
from asyncq.payload import Cancelled, Done, Effects, Failed, Outcome, Released
from asyncq.plugin import Plugin
from asyncq.records import StoredResult
from asyncq.retry import describe
from asyncq.verdict import CANCELLED_LIFE, Verdict

__all__ = ["KeepResults"]

_log = logging.getLogger("asyncq.job")


class KeepResults(Plugin):
    """Adds the result to the settlement."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def settle(self, ctx: JobContext, outcome: Outcome, effects: Effects) -> Effects:
        """Add it where the job has ended and somebody may want to know."""
        life = ctx.job.settings_.keep_result
        if type(outcome) is Cancelled:
            life = max(life, CANCELLED_LIFE)
        if not life or type(outcome) is Released:
            return effects
        return replace(effects, result=StoredResult(ctx.id, self._verdict(ctx, outcome).pack(), life))

    def _verdict(self, ctx: JobContext, outcome: Outcome) -> Verdict:
        match outcome:
            case Done(result):
                return self._done(ctx, result)
            case Failed(error):
                return Verdict("failed", reason=describe(error)[:2_000])
            case Cancelled(reason):
                return Verdict("cancelled", reason=reason)
            case _:
                return Verdict("done")

    def _done(self, ctx: JobContext, result: object) -> Verdict:
        """Encode the result; where that fails the job is done all the same, and its result is lost."""
        try:
            return Verdict("done", self._codec.answer(type(ctx.job)).encode(result))
        except AsyncqError as error:
            _log.error("%s %s is done, but its result is lost: %s", ctx.payload.name, ctx.id, error)
            return Verdict("done", reason=str(error))
