"""asyncq: typed background jobs for asyncio."""

from typing import TYPE_CHECKING, Any

from asyncq.config import Connection
from asyncq.context import JobContext
from asyncq.current import current
from asyncq.errors import AsyncqError, ConfigError, Fail, LockTimeout, Release, Skip
from asyncq.function import INJECT, JobFunction, job
from asyncq.job import AnyJob, BoundJob, Job, JobHandle, dispatch_many, field
from asyncq.settings import DispatchOptions, Middleware, Next

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = [
    "INJECT",
    "AnyJob",
    "AsyncQ",
    "AsyncqError",
    "BoundJob",
    "ConfigError",
    "Connection",
    "DispatchOptions",
    "Fail",
    "Job",
    "JobContext",
    "JobFunction",
    "JobHandle",
    "LockTimeout",
    "Middleware",
    "Next",
    "Release",
    "Skip",
    "current",
    "dispatch_many",
    "field",
    "job",
]


def __getattr__(name: str) -> Any:
    """Load the engine when it is first asked for: a module that only defines jobs does not need it."""
    if name != "AsyncQ":
        raise AttributeError(f"module 'asyncq' has no attribute {name!r}")
    from asyncq import app

    globals()[name] = app.AsyncQ
    return app.AsyncQ
