"""asyncq on Redis, beside a hand-written loop and beside six other queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from benchmarks.groups.lineup import ALONE, IDLE, OURS, Contender, alone, beside_others, target
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.results import Results
from benchmarks.harness.table import Column, grid
from tests.support.redis import RedisServer
from tests.support.redis.binaries import find

__all__ = ["REDIS"]

_RIVALS, _CLIENT = "benchmarks.rivals", ("redis==8.1.0", "hiredis==3.5.0")
_HAND = (*_CLIENT, "orjson==3.13.0")
HAND, PREFETCHING = "hand loop", "hand loop, prefetch 50"
LOOP, HUEY, HUEY2, TASKIQ, SAQ = "the event loop alone", "huey, 1 thread", "huey, 2 threads", "taskiq, streams", "SAQ"

CONTENDERS = (
    Contender(OURS, "benchmarks.engine.asyncq_contender", share=1),
    Contender(HAND, f"{_RIVALS}.hand_redis", _HAND, share=1),
    Contender(PREFETCHING, f"{_RIVALS}.hand_redis", _HAND, ("prefetch=50",), ("work", "sleep"), share=1),
    Contender(LOOP, f"{_RIVALS}.loop_alone", workloads=("sleep",), share=1),
    Contender(HUEY, f"{_RIVALS}.huey_redis", ("huey==3.5.4", *_CLIENT)),
    Contender(HUEY2, f"{_RIVALS}.huey_redis", ("huey==3.5.4", *_CLIENT), ("threads=2",), ("work",)),
    Contender("dramatiq, 50 threads", f"{_RIVALS}.dramatiq_redis", ("dramatiq==2.2.1", *_CLIENT)),
    Contender(TASKIQ, f"{_RIVALS}.taskiq_redis", ("taskiq==0.13.0", "taskiq-redis==1.2.4", *_CLIENT)),
    # SAQ imports typing_extensions without requiring it.
    Contender(
        SAQ, f"{_RIVALS}.saq_redis", ("saq==0.26.4", "redis==7.4.1", "hiredis==3.5.0", "typing_extensions==4.16.0")
    ),
    Contender("arq, poll 10 ms", f"{_RIVALS}.arq_redis", ("arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0")),
    Contender("streaq", f"{_RIVALS}.streaq_redis", ("streaq==7.2.0", "coredis==6.9.0")),
)


@contextmanager
def _open(jobs: int) -> Iterator[Bench]:
    if find("redis") is None:
        raise SystemExit("There is no Redis server to measure on; try: make servers")
    with RedisServer("redis") as server:
        yield Bench(
            [*beside_others(CONTENDERS, server.url, jobs), *alone(server.url, jobs)],
            _versions(server),
            lambda: server.command("FLUSHALL"),
        )


def _versions(server: RedisServer) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("redis", "hiredis", "anyio", "orjson"))
    return f"Redis {_fact(server, 'redis_version')}, {libraries}"


def _fact(server: RedisServer, name: str) -> str:
    lines = str(server.command("INFO", "server")).splitlines()
    return next((line.split(":", 1)[1] for line in lines if line.startswith(f"{name}:")), "of unknown version")


COLUMNS = (
    Column("no-op jobs/s", "work", ("rate",)),
    Column("worker µs CPU a job", "work", ("cpu_us",)),
    Column("server µs CPU a job", "work", ("server_us",)),
    Column("round trips / commands a job", "work", ("trips", "commands")),
    Column("10 ms jobs/s", "sleep", ("rate",)),
    Column("enqueue one / 50 at once / bulk per s", "enqueue", ("one", "together", "bulk")),
    Column("latency p50 / p99 ms", "latency", ("p50_ms", "p99_ms")),
    Column("idle: round trips / commands per s", "idle", ("trips_per_s", "commands_per_s")),
    Column("idle: ms CPU/s", "idle", ("cpu_ms_per_s",)),
    Column("idle: MB", "idle", ("resident_mb",)),
)


def _table(results: Results) -> Iterator[str]:
    return grid(results, COLUMNS)


TARGETS = (
    target("no-op : taskiq, streams", "work", "rate", other=TASKIQ, at_least=4),
    target("no-op : huey, 1 thread", "work", "rate", other=HUEY, at_least=2),
    target("no-op : huey, 2 threads", "work", "rate", other=HUEY2),
    target("no-op : hand loop", "work", "rate", other=HAND, at_least=0.23),
    target("no-op: worker µs CPU a job", "work", "cpu_us"),
    target("10 ms jobs : the event loop alone", "sleep", "rate", other=LOOP, at_least=0.75),
    target("enqueue one : hand loop", "enqueue", "one", other=HAND, at_least=0.75),
    target("enqueue 50 at once : SAQ", "enqueue", "together", other=SAQ, at_least=3),
    target("enqueue bulk per s", "enqueue", "bulk", at_least=30_000),
    target("latency p50 : taskiq, streams", "latency", "p50_ms", other=TASKIQ, at_most=1.1),
    target("latency p99, ms", "latency", "p99_ms", at_most=5),
    target("idle worker: round trips/s", "idle", "trips_per_s"),
    target("idle worker: commands/s", "idle", "commands_per_s", at_most=1),
    *IDLE,
    *ALONE,
)

REDIS = Group(
    name="redis",
    title="Redis",
    jobs=20_000,
    open=_open,
    table=_table,
    targets=TARGETS,
    caveats=(
        "One worker process, concurrency 50, stock asyncio loop, a private server without persistence over TCP on the "
        "same machine. Jobs are preloaded; each is checked to have run exactly once. The clock runs from the begin of "
        "the first job to the end of the last, CPU is that of the worker's process (all threads) and of the server. "
        "Commands are those inside scripts too; a round trip is one read of the server. Latency is from the push to "
        "the begin of the handler in an idle worker, one job at a time. The long backlog and the resident size have "
        "50 times as many jobs as the others, and one round.",
        "Rivals run at their fair best (hiredis, no stored results, the shortest poll that is a plain setting, which "
        "the idle columns pay for), as the head of each file in `benchmarks/rivals/` says. huey takes a task out of "
        "the broker before it runs it, so it does less: a worker that dies loses it. The hand loop has a lease and a "
        "timeout for each job, and nothing else.",
    ),
)
