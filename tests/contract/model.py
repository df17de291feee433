"""The smallest thing that keeps the promises about jobs: lists and loops, no cleverness, one instant at a time."""

from __future__ import annotations

from dataclasses import dataclass

from asyncq.payload import Envelope, Released, Reservation, Settlement

__all__ = ["Model", "ModelJob"]


@dataclass
class ModelJob:
    """A stored job."""

    envelope: Envelope
    due: float
    key: str | None
    key_until: float | None
    body: bytes
    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    token: str | None = None
    until: float = 0.0

    @property
    def order(self) -> tuple[float, str]:
        """What decides between jobs of one queue."""
        return (self.due, self.envelope.id)


class Model:
    """What a driver must answer, computed the slow way."""

    def __init__(self, lease: float) -> None:
        self.now = 0.0
        self.lease = lease
        self.jobs: dict[str, ModelJob] = {}

    def push(self, envelope: Envelope) -> tuple[str, bool]:
        """Return the id of the job that is stored, and whether it is new."""
        if envelope.id in self.jobs:
            return envelope.id, False
        unique = envelope.unique
        for job in self.jobs.values():
            if unique and job.key == unique.key:
                if job.key_until is None or job.key_until > self.now:
                    return job.envelope.id, False
                job.key = None
        until = self.now + unique.ttl if unique and unique.ttl is not None else None
        job = ModelJob(envelope, self.now + envelope.delay, unique.key if unique else None, until, envelope.body)
        self.jobs[envelope.id] = job
        return envelope.id, True

    def reclaim(self, queues: list[str]) -> None:
        """Put back what has expired."""
        for job in self.jobs.values():
            if job.envelope.queue in queues and job.token is not None and job.until <= self.now:
                job.token = None
                job.crashes += 1

    def waiting(self, queues: list[str]) -> list[ModelJob]:
        """Return the jobs without a holder in the order of the reserve."""
        found = [job for job in self.jobs.values() if job.token is None and job.envelope.queue in queues]
        return sorted(found, key=lambda job: (queues.index(job.envelope.queue), job.order))

    def reserve(self, queues: list[str], limit: int, *, alone: bool) -> tuple[list[ModelJob], bool]:
        """Return the jobs that a reserve leases, and whether suspects were passed over."""
        self.reclaim(queues)
        due = [job for job in self.waiting(queues) if job.due <= self.now]
        suspects = [job for job in due if job.crashes >= 2]
        chosen = suspects[:1] if alone else [job for job in due if job.crashes < 2][:limit]
        return chosen, bool(suspects) and not alone

    def lend(self, job: ModelJob, token: str) -> None:
        """Note the token that the driver gave."""
        job.token = token
        job.until = self.now + self.lease

    def held(self, reservation: Reservation) -> ModelJob | None:
        """Return the job if the reservation is good."""
        job = self.jobs.get(reservation.id)
        return job if job and job.token == reservation.token else None

    def settle(self, settlement: Settlement) -> bool:
        """Return whether the settlement was fresh."""
        job = self.held(settlement.reservation)
        if job is None:
            return False
        outcome = settlement.outcome
        if isinstance(outcome, Released):
            job.token = None
            job.due = job.due if outcome.delay is None else self.now + outcome.delay
            job.body = job.body if outcome.body is None else outcome.body
            if outcome.count != "nothing":
                job.attempts += 1
                job.exceptions += outcome.count == "exception"
                job.crashes = 0
        else:
            del self.jobs[settlement.reservation.id]
        for envelope in settlement.effects.push:
            self.push(envelope)
        return True

    def extend(self, reservation: Reservation) -> bool:
        """Return whether the reservation was still good."""
        job = self.held(reservation)
        if job is not None:
            job.until = self.now + self.lease
        return job is not None

    def state(self, job: ModelJob) -> str:
        """Return the state that inspection shows."""
        if job.token is not None and job.until > self.now:
            return "reserved"
        return "ready" if job.due <= self.now else "delayed"
