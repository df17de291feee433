"""asyncq on Postgres, beside a hand-written loop and beside four other queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from benchmarks.groups import postgres_server
from benchmarks.groups.lineup import ALONE, IDLE, OURS, Contender, alone, beside_others, target
from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.results import Results
from benchmarks.harness.table import Column, grid
from tests.support.postgres import PostgresServer

__all__ = ["POSTGRES"]

_RIVALS = "benchmarks.rivals"
_PSYCOPG = ("psycopg==3.3.9", "psycopg-binary==3.3.9", "psycopg-pool==3.3.3")
_PGQUEUER = ("pgqueuer==1.6.0", "asyncpg==0.32.0")
HAND, LOOP, PGQUEUER = "hand loop", "the event loop alone", "pgqueuer, batch 50"

CONTENDERS = (
    Contender(OURS, "benchmarks.engine.asyncq_contender", share=1),
    Contender(HAND, f"{_RIVALS}.hand_postgres", ("asyncpg==0.32.0", "orjson==3.13.0"), share=1),
    Contender(LOOP, f"{_RIVALS}.loop_alone", workloads=("sleep",), share=1),
    Contender(PGQUEUER, f"{_RIVALS}.pgqueuer_postgres", _PGQUEUER, ("batch=50",)),
    Contender("pgqueuer", f"{_RIVALS}.pgqueuer_postgres", _PGQUEUER, workloads=("work", "sleep")),
    Contender("chancy", f"{_RIVALS}.chancy_postgres", ("chancy==0.26.0", *_PSYCOPG)),
    Contender("Oban", f"{_RIVALS}.oban_postgres", ("oban==0.7.0", *_PSYCOPG, "orjson==3.13.0"), python="3.12"),
    Contender("procrastinate", f"{_RIVALS}.procrastinate_postgres", ("procrastinate==3.10.0", *_PSYCOPG), share=0.05),
)


@contextmanager
def _open(jobs: int) -> Iterator[Bench]:
    with postgres_server.started() as server:
        url = postgres_server.empty(server)
        yield Bench(_cases(url, jobs), _versions(server), lambda: postgres_server.empty(server))


def _cases(url: str, jobs: int) -> list[Case]:
    dead = Case(OURS, "dead rows", "benchmarks.engine.asyncq_dead_rows", (url, str(5 * jobs), "60"), once=True)
    return [*beside_others(CONTENDERS, url, jobs), *alone(url, jobs), dead]


def _versions(server: PostgresServer) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("asyncpg", "anyio", "orjson"))
    return f"PostgreSQL {str(server.command('SHOW server_version')[0][0]).split()[0]}, {libraries}"


COLUMNS = (
    Column("no-op jobs/s", "work", ("rate",)),
    Column("worker µs CPU a job", "work", ("cpu_us",)),
    Column("server µs CPU a job", "work", ("server_us",)),
    Column("WAL syncs / bytes a job", "work", ("wal_syncs", "wal_bytes")),
    Column("statements a job", "work", ("statements",)),
    Column("10 ms jobs/s", "sleep", ("rate",)),
    Column("enqueue one / 50 at once / bulk per s", "enqueue", ("one", "together", "bulk")),
    Column("latency p50 / p99 ms", "latency", ("p50_ms", "p99_ms")),
    Column("idle: statements per s", "idle", ("statements_per_s",)),
    Column("idle: ms CPU/s", "idle", ("cpu_ms_per_s",)),
    Column("idle: MB", "idle", ("resident_mb",)),
)


def _table(results: Results) -> Iterator[str]:
    return grid(results, COLUMNS)


TARGETS = (
    target("no-op : pgqueuer, batch 50", "work", "rate", other=PGQUEUER, at_least=1.3),
    target("no-op : hand loop", "work", "rate", other=HAND),
    target("no-op: WAL syncs a job", "work", "wal_syncs", at_most=0.05),
    target("no-op: WAL bytes a job", "work", "wal_bytes", at_most=900),
    target("no-op: worker µs CPU a job", "work", "cpu_us"),
    target("10 ms jobs : the event loop alone", "sleep", "rate", other=LOOP),
    target("enqueue one : hand loop", "enqueue", "one", other=HAND, at_least=0.85),
    target("enqueue 50 at once : pgqueuer", "enqueue", "together", other=PGQUEUER, at_least=5),
    target("enqueue bulk per s", "enqueue", "bulk", at_least=40_000),
    target("latency p50 : hand loop", "latency", "p50_ms", other=HAND, at_most=1.4),
    target("latency p99, ms", "latency", "p99_ms"),
    target("idle worker: statements/s", "idle", "statements_per_s", at_most=1),
    *IDLE,
    *ALONE,
    target("reserve p99 over dead rows that an open transaction keeps, ms", "dead rows", "held_p99_ms", at_most=50),
)

POSTGRES = Group(
    name="postgres",
    title="Postgres",
    jobs=20_000,
    open=_open,
    table=_table,
    targets=TARGETS,
    caveats=(
        "One worker process, concurrency 50, stock asyncio loop, a private server over TCP on the same machine, as "
        "shipped: `fsync` and `synchronous_commit` are on; no checkpoint falls into a case. Jobs are preloaded; each "
        "is checked to have run exactly once. The clock runs from the begin of the first job to the end of the last, "
        "CPU is that of the worker's process (all threads) and of all processes of the server. Syncs, bytes of the "
        "journal and statements are those of the server while the worker lives. Latency is from the push to the begin "
        "of the handler in an idle worker, one job at a time. The long backlog and the resident size have 50 times as "
        "many jobs as the others, the open transaction 5 times as many in a minute, and one round.",
        "A sync takes a tenth of a millisecond on the disk here and 0.5 to 5 ms on an honest one, so syncs a job are "
        "the figure to compare. Rivals run at their fair best, as the head of each file in `benchmarks/rivals/` says; "
        "Oban needs Python 3.12 and runs on it. The hand loop has a lease and a timeout for each job, and nothing "
        "else.",
    ),
)
