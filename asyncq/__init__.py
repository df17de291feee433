"""asyncq: typed background jobs for asyncio."""

from typing import TYPE_CHECKING, Any

from asyncq.config import Connection
from asyncq.context import JobContext, Progress
from asyncq.current import current
from asyncq.depends import INJECT, Depends
from asyncq.errors import AsyncqError, ConfigError, Fail, LockTimeout, Release, Skip
from asyncq.function import JobFunction, job
from asyncq.handle import JobHandle, JobProgress
from asyncq.job import AnyJob, BoundJob, Job, dispatch_many, field
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
    "Depends",
    "DispatchOptions",
    "Fail",
    "Job",
    "JobContext",
    "JobFunction",
    "JobHandle",
    "JobProgress",
    "LockTimeout",
    "Middleware",
    "Next",
    "Progress",
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
