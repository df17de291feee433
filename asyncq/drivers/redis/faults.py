"""What an error of redis-py means: whether to try again, and the typed error that says the same."""

from __future__ import annotations

from redis import exceptions as redis_errors

from asyncq.errors import AsyncqError, BrokerUnavailable, ConfigError, DriverError, QueueFull

__all__ = ["passing", "translate"]

_PASSING = ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "BUSY ", "UNBLOCKED", "NOREPLICAS")
"""Answers of a server that is on its way up, down, or busy: the same call may succeed soon."""
_LOOKING = ("Redis Cluster cannot be connected", "slots are not covered", "TTL exhausted")
"""What redis-py says while the nodes of a cluster are dead, or do not agree."""
_RIGHTS = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "Authentication required")


def passing(error: BaseException) -> bool:
    """Say whether the same call may succeed soon, on another connection."""
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.AuthorizationError)):
        return False
    if isinstance(error, (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError, EOFError)):
        return True
    return isinstance(error, redis_errors.RedisError) and any(mark in str(error) for mark in (*_PASSING, *_LOOKING))


def translate(error: BaseException, where: str) -> AsyncqError:
    """Return the typed error that says the same, the server and what to do."""
    text = str(error) or type(error).__name__
    if isinstance(error, redis_errors.OutOfMemoryError) or text.startswith(("OOM", "command not allowed when used")):
        return QueueFull(
            f"{where} has no memory left ({text}); jobs that are there are still worked off; "
            "raise maxmemory, or wait until the queues are shorter"
        )
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.NoPermissionError)) or any(
        mark in text for mark in _RIGHTS
    ):
        return ConfigError(
            f"{where} refuses this user ({text}); check user and password in the URL, "
            "and the rights that the page about Redis lists"
        )
    if "READONLY" in text:
        return BrokerUnavailable(f"{where} is a replica that takes no writes ({text}); connect to the master")
    if passing(error):
        return BrokerUnavailable(f"{where} does not answer ({type(error).__name__}: {text})")
    return DriverError(f"{where}: {type(error).__name__}: {text}")
