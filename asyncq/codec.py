"""Job ⇄ payload ⇄ bytes. A body is a header and the arguments: two JSON documents with a newline between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from asyncq.answer import Answer, make_answer
from asyncq.errors import DecodeError, EncodeError, UnknownJob
from asyncq.job import Job
from asyncq.payload import Payload, Reservation
from asyncq.shape import Shape
from asyncq.shapes import make_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERSION", "Codec"]

VERSION: Final = 1
"""Version of the wire format; a later one is a newer deploy's, and waits for a newer worker."""


class Codec:
    """Encodes the arguments of jobs and decodes them again; keeps one shape for each class."""

    def __init__(self) -> None:
        self._shapes: dict[type[Job], Shape] = {}
        self._answers: dict[type[Job], Answer] = {}

    def shape(self, cls: type[Job]) -> Shape:
        """Return how this class's arguments are encoded; resolves its annotations the first time."""
        found = self._shapes.get(cls)
        if found is None:
            found = self._shapes[cls] = make_shape(cls)
        return found

    def answer(self, cls: type[Job]) -> Answer:
        """Return how this class's results are encoded."""
        found = self._answers.get(cls)
        if found is None:
            found = self._answers[cls] = make_answer(cls)
        return found

    def arguments(self, job: Job) -> bytes:
        """Return the arguments as JSON.

        Raises:
            EncodeError: an argument is not of its type, or would not come back as it is.
        """
        return self.shape(type(job)).encode(job)

    def identity(self, job: Job) -> bytes:
        """Return what two jobs of a class have in common where they mean the same; raises EncodeError."""
        return self.shape(type(job)).identity(job)

    def body(self, payload: Payload) -> bytes:
        """Return what a driver stores: the header, a newline, the arguments."""
        header: dict[str, Any] = {"v": VERSION, "name": payload.name, "at": payload.dispatched_at}
        for key in _OPTIONAL:
            if value := getattr(payload, key):
                header[key] = value
        try:
            return orjson.dumps(header) + b"\n" + payload.arguments
        except TypeError as error:
            raise EncodeError(f"{payload.name}: the header cannot be encoded: {error}") from error

    def open(self, reservation: Reservation) -> Payload:
        """Return the payload of a reservation, its arguments still bytes.

        Raises:
            DecodeError: the body is no body of asyncq.
            UnknownJob: the body was written by a later version.
        """
        head, newline, arguments = reservation.body.partition(b"\n")
        try:
            header = cast("Mapping[str, Any]", orjson.loads(head))
            version = header["v"]
            if version != VERSION:
                raise _newer(reservation, version)
            if len(header) == _SHORTEST:  # no options, as in most: five look-ups less
                return Payload(
                    reservation.id, reservation.queue, header["name"], header["at"], _EMPTY, arguments
                )  # fmt: skip
            return Payload(
                reservation.id,
                reservation.queue,
                header["name"],
                header["at"],
                header.get("settings", _EMPTY),
                arguments,
                header.get("chain"),
                header.get("batch"),
                header.get("context"),
                header.get("ext"),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = "has no arguments" if not newline else f"has no readable header ({type(error).__name__}: {error})"
            raise DecodeError(f"job {reservation.id} ({reservation.name}) {what}") from error

    def decode(self, cls: type[Job], payload: Payload) -> Job:
        """Return a new instance of the job.

        Raises:
            DecodeError: the arguments do not fit the class.
        """
        return self.shape(cls).decode(payload)

    def round_trip(self, job: Job, payload: Payload) -> Job:
        """Return a job that was just encoded as a worker will see it.

        Raises:
            DecodeError: it does not come back.
        """
        return self.shape(type(job)).round_trip(job, payload)


_EMPTY: Final[Mapping[str, Any]] = {}
_OPTIONAL: Final = ("settings", "chain", "batch", "context", "ext")
_SHORTEST: Final = 3
"""Entries of a header without options: the version, the name and the instant."""


def _newer(reservation: Reservation, version: object) -> UnknownJob:
    return UnknownJob(
        f"job {reservation.id} ({reservation.name}) was written in version {version!r} of the wire format, "
        f"this worker reads {VERSION}; update the worker"
    )
