"""asyncq on Redis, beside a hand-written loop and beside six other queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.results import Figure, Results, Target
from benchmarks.harness.table import Column, grid
from tests.support.redis import RedisServer
from tests.support.redis.binaries import find

__all__ = ["REDIS"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A module with its packages; `share` of the jobs that others get, where it is much slower."""

    title: str
    module: str
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ("work", "sleep", "enqueue", "latency", "idle")
    share: float = 0.25


_RIVALS, _CLIENT = "benchmarks.rivals", ("redis==8.1.0", "hiredis==3.5.0")
_HAND = (*_CLIENT, "orjson==3.13.0")
OURS, HAND, PREFETCHING = "asyncq", "hand loop", "hand loop, prefetch 50"
LOOP, HUEY, HUEY2, TASKIQ, SAQ = "the event loop alone", "huey, 1 thread", "huey, 2 threads", "taskiq, streams", "SAQ"

CONTENDERS = (
    Contender(OURS, "benchmarks.engine.asyncq_redis", share=1),
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


def cases(url: str, jobs: int) -> list[Case]:
    """Return the cases in the order of a round: all contenders at one workload, then at the next."""
    beside_others = [
        _case(contender, workload, _amount(workload, jobs, contender.share), url)
        for workload in ("work", "sleep", "enqueue", "latency", "idle")
        for contender in CONTENDERS
        if workload in contender.workloads
    ]
    return [*beside_others, *_alone(url, jobs)]


def _alone(url: str, jobs: int) -> Iterator[Case]:
    """Yield what is asked of asyncq alone; the long ones once."""
    yield Case(OURS, "processes", "benchmarks.engine.asyncq_processes", (url, str(2 * jobs)))
    many = str(50 * jobs)
    yield Case(OURS, "backlog", "benchmarks.engine.asyncq_backlog", (url, many), once=True)
    yield Case(OURS, "due", "benchmarks.engine.asyncq_due", (url, many), once=True)
    yield Case(OURS, "flat", "benchmarks.engine.asyncq_redis", (url, "flat", many), once=True)


def _case(contender: Contender, workload: str, amount: int, url: str) -> Case:
    arguments = (url, workload, str(amount), *contender.options)
    return Case(contender.title, workload, contender.module, arguments, contender.packages)


def _amount(workload: str, jobs: int, share: float) -> int:
    """Return the jobs of a case; for an idle worker the seconds."""
    amounts = {"work": jobs * share, "sleep": jobs / 5, "enqueue": jobs / 10, "latency": jobs / 100, "idle": 10}
    return max(5, int(amounts[workload]))


@contextmanager
def _open(jobs: int) -> Iterator[Bench]:
    if find("redis") is None:
        raise SystemExit("There is no Redis server to measure on; try: make servers")
    with RedisServer("redis") as server:
        yield Bench(cases(server.url, jobs), _versions(server), lambda: server.command("FLUSHALL"))


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


def _least(title: str, workload: str, name: str, other: str, at_least: float | None) -> Target:
    figure, by = Figure(OURS, workload, name), Figure(other, workload, name)
    return Target(title, figure, by, at_least=at_least)


TARGETS = (
    _least("no-op : taskiq, streams", "work", "rate", TASKIQ, 4),
    _least("no-op : huey, 1 thread", "work", "rate", HUEY, 2),
    _least("no-op : huey, 2 threads", "work", "rate", HUEY2, None),
    _least("no-op : hand loop", "work", "rate", HAND, 0.23),
    Target("no-op: worker µs CPU a job", Figure(OURS, "work", "cpu_us")),
    _least("10 ms jobs : the event loop alone", "sleep", "rate", LOOP, 0.75),
    _least("enqueue one : hand loop", "enqueue", "one", HAND, 0.75),
    _least("enqueue 50 at once : SAQ", "enqueue", "together", SAQ, 3),
    Target("enqueue bulk per s", Figure(OURS, "enqueue", "bulk"), at_least=30_000),
    Target(
        "latency p50 : taskiq, streams",
        Figure(OURS, "latency", "p50_ms"),
        Figure(TASKIQ, "latency", "p50_ms"),
        at_most=1.1,
    ),
    Target("latency p99, ms", Figure(OURS, "latency", "p99_ms"), at_most=5),
    Target("idle worker: round trips/s", Figure(OURS, "idle", "trips_per_s")),
    Target("idle worker: commands/s", Figure(OURS, "idle", "commands_per_s"), at_most=1),
    Target("idle worker: ms CPU/s", Figure(OURS, "idle", "cpu_ms_per_s"), at_most=2),
    Target("idle worker: MB resident", Figure(OURS, "idle", "resident_mb"), at_most=45),
    Target(
        "no-op, two processes : one",
        Figure(OURS, "processes", "two"),
        Figure(OURS, "processes", "one"),
        at_least=1.4,
    ),
    Target(
        "reserve p99, long backlog : 1,000 jobs",
        Figure(OURS, "backlog", "long_p99_ms"),
        Figure(OURS, "backlog", "short_p99_ms"),
        at_most=2,
    ),
    Target("many delayed jobs due at once: longest script, ms", Figure(OURS, "due", "script_ms"), at_most=10),
    Target(
        "many delayed jobs due at once: reserve p99 of another queue : before",
        Figure(OURS, "due", "other_p99_ms"),
        Figure(OURS, "due", "before_p99_ms"),
        at_most=2,
    ),
    Target(
        "resident size after all jobs : after the first tenth",
        Figure(OURS, "flat", "all_mb"),
        Figure(OURS, "flat", "tenth_mb"),
        at_most=1.05,
    ),
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
