"""asyncq: typed background jobs for asyncio."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncq.config import Connection
from asyncq.context import JobContext, Progress, complete
from asyncq.current import current
from asyncq.depends import INJECT, Depends
from asyncq.errors import AsyncqError, ConfigError, Fail, LockTimeout, Release, Skip
from asyncq.function import JobFunction, job
from asyncq.handle import JobHandle, JobProgress
from asyncq.job import AnyJob, BoundJob, Job, dispatch_many, field
from asyncq.settings import DispatchOptions, Middleware, Next

if TYPE_CHECKING:
    from asyncq import asgi, blocking, models, testing
    from asyncq.app import AsyncQ
    from asyncq.testing import fake
    from asyncq.transactions import after_commit

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
    "after_commit",
    "asgi",
    "blocking",
    "complete",
    "current",
    "dispatch_many",
    "fake",
    "field",
    "job",
    "models",
    "testing",
]


_LATE = {"AsyncQ": "asyncq.app", "after_commit": "asyncq.transactions", "fake": "asyncq.testing"}
_MODULES = {"asgi", "blocking", "models", "testing"}


def __getattr__(name: str) -> Any:
    """Load the engine when it is first asked for: a module that only defines jobs does not need it."""
    if name in _MODULES:
        return import_module(f"asyncq.{name}")
    if name not in _LATE:
        raise AttributeError(f"module 'asyncq' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LATE[name]), name)
    return found
