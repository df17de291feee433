"""How a job ended, as the store of results keeps it: a header and the result, two JSON documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import orjson

from asyncq.errors import DecodeError

__all__ = ["CANCELLED_LIFE", "NOTHING", "Ended", "Verdict", "read_verdict"]

Ended = Literal["done", "failed", "cancelled"]
CANCELLED_LIFE: Final = 3_600.0
"""Seconds for which it stays known that a job was cancelled, also where its class keeps no results."""
NOTHING: Final = b"null"
_ENDS: Final = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a job."""

    status: Ended
    value: bytes = NOTHING
    """The result as JSON, in an object, as `Answer` writes it; `NOTHING` where the handler did not run."""
    reason: str | None = None
    """The error of a failed job, why one was cancelled, or why the result of a done one is lost."""

    def pack(self) -> bytes:
        """Return the bytes to store."""
        header: dict[str, Any] = {"status": self.status}
        if self.reason is not None:
            header["reason"] = self.reason
        return orjson.dumps(header) + b"\n" + self.value


def read_verdict(body: bytes) -> Verdict:
    """Read what `Verdict.pack` wrote.

    Raises:
        DecodeError: another program wrote it.
    """
    head, _, value = body.partition(b"\n")
    try:
        header = cast("dict[str, Any]", orjson.loads(head))
        status = header["status"]
        if status not in _ENDS:
            raise ValueError(f"a status of {status!r}")
        return Verdict(status, value, header.get("reason"))
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError(f"a stored result of {body!r:.80} cannot be read: {error}") from error
