"""Every exception of asyncq, in one tree.

AsyncqError
├── ConfigError                 a person has to change something
│   ├── UnknownDriver
│   ├── MissingDependency
│   ├── NotSupported
│   ├── IncompleteApp
│   ├── WrongType               a TypeError too
│   └── WrongValue              a ValueError too
├── NotOpen
├── DriverError                 the broker said no, or nothing
│   ├── BrokerUnavailable
│   ├── LeaseLost
│   ├── QueueFull
│   └── SchemaError
├── PayloadError                what came from the broker cannot be used
│   ├── DecodeError
│   ├── UnknownJob
│   ├── SealBroken
│   └── PayloadTooLarge
├── EncodeError                 what was given cannot travel
├── JobError                    how a job ended
│   ├── JobTimeout
│   ├── TooManyAttempts
│   ├── TooManyExceptions
│   ├── TooManyCrashes
│   ├── RetryUntilPassed
│   ├── ModelNotFound
│   ├── ManuallyFailed
│   ├── JobFailure              told to who waits for its result
│   └── JobCancelled
├── HandlerStuck
├── ResultNotKept
├── LockTimeout
└── BatchNotFound

JobSignal (BaseException)       control flow of a running job
├── Release
├── Fail
└── Skip
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = [
    "AsyncqError",
    "BatchNotFound",
    "BrokerUnavailable",
    "ConfigError",
    "DecodeError",
    "DriverError",
    "EncodeError",
    "Fail",
    "HandlerStuck",
    "IncompleteApp",
    "JobCancelled",
    "JobError",
    "JobFailure",
    "JobSignal",
    "JobTimeout",
    "LeaseLost",
    "LockTimeout",
    "ManuallyFailed",
    "MissingDependency",
    "ModelNotFound",
    "NotOpen",
    "NotSupported",
    "PayloadError",
    "PayloadTooLarge",
    "QueueFull",
    "Release",
    "ResultNotKept",
    "RetryUntilPassed",
    "SchemaError",
    "SealBroken",
    "Skip",
    "TooManyAttempts",
    "TooManyCrashes",
    "TooManyExceptions",
    "UnknownDriver",
    "UnknownJob",
    "WrongType",
    "WrongValue",
]


class AsyncqError(Exception):
    """Something went wrong in asyncq."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class ConfigError(AsyncqError):
    """The configuration cannot be used."""


class UnknownDriver(ConfigError):
    """No driver is registered for this URL scheme."""


class MissingDependency(ConfigError):
    """An optional library that this feature needs is not installed."""


class NotSupported(ConfigError):
    """This driver cannot do what was asked."""


class IncompleteApp(ConfigError):
    """The app was not given what some jobs need; in a process with several apps they may be another one's."""


class WrongType(ConfigError, TypeError):
    """A setting or an option is unknown, or its value is of the wrong type."""


class WrongValue(ConfigError, ValueError):
    """A setting or an option has a value that it cannot have."""


class NotOpen(AsyncqError):
    """The object is used outside its `async with` block."""


class DriverError(AsyncqError):
    """The broker refused or failed a call; the cause is in `__cause__`."""


class BrokerUnavailable(DriverError):
    """The broker cannot be reached, or cannot take a write now; the call may be tried again."""


class LeaseLost(DriverError):
    """The reservation is no longer ours: its lease ran out and the job went back to its queue."""


class QueueFull(DriverError):
    """The queue, or the disk below it, takes no more jobs."""


class SchemaError(DriverError):
    """The tables of the queue are missing, damaged, or newer than this version of asyncq."""


class PayloadError(AsyncqError):
    """A stored job cannot be used."""


class DecodeError(PayloadError):
    """A stored job cannot be read."""


class UnknownJob(PayloadError):
    """No imported class has the name of the stored job, nor has it as an alias."""


class SealBroken(PayloadError):
    """A stored job was changed, or was sealed with another key."""


class PayloadTooLarge(PayloadError):
    """The job is larger than the broker takes."""


class EncodeError(AsyncqError):
    """An argument of a job cannot travel."""


class JobError(AsyncqError):
    """A job ended without doing its work."""


class JobTimeout(JobError):
    """The job ran longer than its timeout."""


class TooManyAttempts(JobError):
    """The job came back more often than its tries allow."""


class TooManyExceptions(JobError):
    """The job raised as often as max_exceptions allows."""


class TooManyCrashes(JobError):
    """The worker died each time it ran this job."""


class RetryUntilPassed(JobError):
    """The job came back after its retry_until."""


class ModelNotFound(JobError):
    """A record that the job refers to is gone."""

    def __init__(
        self, message: str | None = None, *, model: type[object] | None = None, key: tuple[object, ...] = ()
    ) -> None:
        super().__init__(message)
        self.model: Final = model
        """Its mapped class."""
        self.key: Final = key


class ManuallyFailed(JobError):
    """The job failed itself."""


class JobFailure(JobError):
    """The job failed for good."""


class JobCancelled(JobError):
    """The job was cancelled."""

    def __init__(self, message: str | None = None, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason: Final = reason


class HandlerStuck(AsyncqError):
    """A handler of an embedded worker did not end within the budget of the shutdown."""


class ResultNotKept(AsyncqError):
    """The result of this job is not kept; set keep_result on its class."""


class LockTimeout(AsyncqError):
    """The lock, funnel or throttle did not open within the wait."""

    def __init__(
        self, message: str | None = None, *, key: str = "", limit: int = 1, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.key: Final = key
        self.limit: Final = limit
        self.retry_after: Final = retry_after
        """Seconds until it opens, at the latest; None where nobody knows."""


class BatchNotFound(AsyncqError):
    """No batch has this id; it may have been pruned."""


class JobSignal(BaseException):
    """Control flow that leaves a handler; never an error, so that `except Exception` lets it through."""


class Release(JobSignal):
    """End this attempt and put the job back, to be due after `delay`: seconds, a timedelta or an aware datetime."""

    def __init__(self, delay: float | timedelta | datetime = 0) -> None:
        super().__init__(delay)
        self.delay: Final = delay


class Fail(JobSignal):
    """Fail the job for good, whatever tries are left; a text becomes a `ManuallyFailed`."""

    def __init__(self, reason: BaseException | str | None = None) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class Skip(JobSignal):
    """End the job as done without doing its work."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason: Final = reason
