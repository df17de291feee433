"""What an error of redis-py means: whether to try again, and the typed error that says the same."""

from __future__ import annotations

from typing import Final

from redis import exceptions as redis_errors

from asyncq.errors import AsyncqError, BrokerUnavailable, ConfigError, DriverError, QueueFull

__all__ = ["FAILURES", "passing", "translate"]

FAILURES: Final = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError, EOFError)
"""All that redis-py raises where a call failed."""

# redis-py cuts the code off an answer that it has a class for, so those are known by class. The codes are for answers
# that it has no class for, and for what an old server says of a command inside a script: "…: -READONLY You can't …".
_REFUSED = (redis_errors.AuthenticationError, redis_errors.AuthorizationError, redis_errors.NoPermissionError)
_LOST = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterDownError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    OSError,
    EOFError,
)
_PASSING = (
    "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "BUSY ", "UNBLOCKED", "NOREPLICAS", "MISCONF",
    "Script killed",
)  # fmt: skip
"""Answers of a server that is on its way up, down, or busy: the same call may succeed soon."""
_LOOKING = ("Redis Cluster cannot be connected", "slots are not covered", "TTL exhausted")
"""What redis-py says while the nodes of a cluster are dead, or do not agree."""
_RIGHTS = (
    "NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "Authentication required",
    "ACL failure", "The user executing the script can't",
)  # fmt: skip


def passing(error: BaseException) -> bool:
    """Say whether the same call may succeed soon, on another connection."""
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, _LOST):
        return True
    return isinstance(error, FAILURES) and _says(error, (*_PASSING, *_LOOKING))


def translate(error: BaseException, where: str) -> AsyncqError:
    """Return the typed error that says the same, the server and what to do."""
    text = str(error) or type(error).__name__
    if isinstance(error, redis_errors.OutOfMemoryError) or "OOM command not allowed" in text:
        return QueueFull(
            f"{where} has no memory left ({text}); jobs that are there are still worked off; "
            "raise maxmemory, or wait until the queues are shorter"
        )
    if isinstance(error, _REFUSED) or _says(error, _RIGHTS):
        return ConfigError(
            f"{where} refuses this user ({text}); check user and password in the URL, "
            "and the rights that the page about Redis lists"
        )
    if isinstance(error, redis_errors.ReadOnlyError) or "READONLY" in text:
        return BrokerUnavailable(f"{where} is a replica that takes no writes ({text}); connect to the master")
    if "MISCONF" in text:
        return BrokerUnavailable(f"{where} cannot write its data to its disk, and takes no writes ({text})")
    if passing(error):
        told = text.rstrip(".")
        return BrokerUnavailable(
            f"{where} does not answer ({type(error).__name__}: {told}); start it, or correct the URL"
        )
    return DriverError(f"{where}: {type(error).__name__}: {text}")


def _says(error: BaseException, marks: tuple[str, ...]) -> bool:
    text = str(error)
    return any(mark in text for mark in marks)
