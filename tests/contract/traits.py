"""The table of honest differences: what each backend is, and which optional promises it makes."""

from __future__ import annotations

from dataclasses import dataclass

from asyncq.payload import Traits
from asyncq.testing.conformance.backend import WIDE, WORDS

__all__ = ["ROWS", "Row"]

FEATURES = frozenset({"turning", "findable", "clearable", "inspectable"})
STORES = frozenset({"locks", "limits", "funnels", "batches", "failed", "signals", "results", "outbox"})


@dataclass(frozen=True, slots=True)
class Row:
    """One backend in the table."""

    url: str
    """`{name}` is a name of the test's own, `{path}` a file of the test's own, `{server}` the URL of the server."""
    traits: Traits
    promises: frozenset[str]
    """Optional protocols and stores; a test that needs one that is missing here is skipped."""
    lease: float = 30.0
    """Lease in seconds that the suite asks for; at least 0.5 where the time is real."""
    histories: int = 0
    """How many random histories are compared with the model; 0 where the time cannot be turned."""
    server: str = ""
    """Which of the shared servers it needs (`tests/support/shared.py`); none by default."""
    scheme: str = ""
    """The scheme of its URL, if that is not its name in the table."""


def _redis(scheme: str, *, server: str, prefix: str = "t-", clustered: bool = False) -> Row:
    """Redis promises the same in each of its forms but a cluster, where one step reaches no further than one queue."""
    return Row(
        url=f"{{server}}?prefix={prefix}{{name}}",
        traits=Traits(atomic_effects=False, unique_scope="queue") if clustered else Traits(),
        promises=FEATURES | STORES | (frozenset[str]() if clustered else WIDE),
        lease=1.0,
        server=server,
        scheme=scheme,
    )


def _postgres(server: str, *, schema: str = "t_{name}", options: str = "", wake_latency: float = 0.05) -> Row:
    """PostgreSQL promises the same on each of its versions; without notifications it is looked at instead."""
    return Row(
        url=f"{{server}}?prefix={schema}{options}",
        traits=Traits(wake_latency=wake_latency),
        promises=FEATURES | STORES | WORDS | {"installable", "running", "transactional"},
        lease=1.5,
        server=server,
        scheme="postgresql",
    )


ROWS = {
    "memory": Row(
        url="memory://{name}",
        traits=Traits(persistent=False, shared=False, virtual_time=True),
        promises=FEATURES | STORES | WORDS,
        histories=150,
    ),
    "sqlite": Row(
        url="sqlite:///{path}",
        traits=Traits(wake_latency=0.6, virtual_time=True),
        promises=FEATURES | STORES | WORDS | {"installable", "transactional"},
        histories=40,
    ),
    "redis": _redis("redis", server="redis"),
    "postgres": _postgres("postgres"),
    "postgres-15": _postgres("postgres-15"),
    "postgres-16": _postgres("postgres-16"),
    "postgres-17": _postgres("postgres-17"),
    "postgres-18": _postgres("postgres-18"),
    # Its tables are there already: this role may make none.
    "postgres-role": _postgres("postgres-role", schema="t_role"),
    "postgres-bouncer": _postgres("postgres-bouncer", options="&pgbouncer=true", wake_latency=0.6),
    "redis-cluster": _redis("redis+cluster", server="redis-cluster", clustered=True),
    "redis-sentinel": _redis("redis+sentinel", server="redis-sentinel"),
    # Its user may touch only keys that begin so; see the rules in tests/support/redis/starts.py.
    "redis-acl": _redis("redis", server="redis-acl", prefix="acl-"),
}
