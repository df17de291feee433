"""What a run is told."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

__all__ = ["Options", "from_arguments"]

JOBS = {"sqlite": 10_000, "redis": 20_000, "postgres": 10_000}
"""Jobs of the run with kills, by broker."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run; every process of it gets these as JSON."""

    broker: str = "sqlite"
    seed: int = 1
    jobs: int = 0
    """Jobs of the run with kills; 0 stands for `JOBS`."""
    kills: int = 200
    stalls: int = 6
    stall_jobs: int = 8_000
    """Jobs of the run with stalls."""
    server_kills: int = 20
    outage_jobs: int = 8_000
    """Jobs of the run in which the server is killed."""
    cuts: int = 200
    cut_jobs: int = 4_000
    """Jobs of the run in which sessions of the server are ended."""
    long: int = 16
    """How many of a run's jobs, the last ones, take 1.5 leases: without renewal they would start twice."""
    workers: int = 4
    concurrency: int = 8
    lease: float = 2.0
    shortest: float = 0.005
    longest: float = 0.2
    url: str = ""
    """Empty: a SQLite file or a server of the run's own."""
    keeper: bool = True
    disk: bool = True
    """The private server of the run with outages writes each change to the disk before it answers."""
    slack: float = 1.0
    """Seconds beyond the lease within which 99 % of the killed jobs start again."""
    limit: float = 600.0
    """Seconds after which a run is judged as it stands."""

    def to_json(self) -> str:
        """Write for another process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Options:
        """Read what `to_json` wrote."""
        return Options(**json.loads(text))

    def at(self, url: str) -> Options:
        """Return the options with the broker's URL filled in."""
        return replace(self, url=url)


def from_arguments(arguments: list[str] | None = None) -> tuple[Options, Path | None]:
    """Read the command line: the options, and where to keep the histories."""
    plain = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description="Kill and stall workers, then count."
    )
    for name, meaning in _MEANINGS.items():
        default: float | str = getattr(plain, name)
        told = f"{meaning} (default: {default!r})"
        chosen = JOBS if name == "broker" else None
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=default.__class__, default=default, choices=chosen, help=told
        )
    parser.add_argument("--no-keeper", dest="keeper", action="store_false", help="switch lease renewal off: must fail")
    parser.add_argument("--no-disk", dest="disk", action="store_false", help="keep no log of the server: must fail")
    parser.add_argument(
        "--keep", type=Path, help="folder for the histories; by default kept only where a rule is broken"
    )
    values = vars(parser.parse_args(arguments))
    keep = values.pop("keep")
    return _complete(Options(**values)), keep


def _complete(options: Options) -> Options:
    """Fill in what follows from the rest; the server behind a URL is not ours to kill."""
    if options.url:
        scheme = options.url.partition(":")[0]
        broker = next((broker for broker in ("redis", "postgres") if scheme.startswith(broker)), "sqlite")
        options = replace(options, broker=broker, server_kills=0, cuts=0)
    if options.broker == "sqlite":
        options = replace(options, server_kills=0)
    if options.broker != "postgres":
        options = replace(options, cuts=0)
    return replace(options, jobs=options.jobs or JOBS[options.broker])


_MEANINGS = {
    "broker": "sqlite, or a private server for each run, which writes all to the disk where it is killed",
    "seed": "seed of durations, victims and moments",
    "jobs": f"jobs of the run with kills; 0: {JOBS['sqlite']:,}, or {JOBS['redis']:,} on Redis",
    "kills": "kill -9 in the run with kills; 0 leaves it out",
    "stalls": "SIGSTOP of 1.5 leases in the run with stalls; 0 leaves it out",
    "stall_jobs": "jobs of the run with stalls",
    "server_kills": "deaths of the private server in the run with outages, by kill -9 or a fast stop; 0 leaves it out",
    "outage_jobs": "jobs of the run with outages",
    "cuts": "sessions or statements that PostgreSQL ends in the run with cuts, beside one at each kill; 0 for none",
    "cut_jobs": "jobs of the run with cuts",
    "long": "jobs of each run that take 1.5 leases",
    "workers": "worker processes",
    "concurrency": "slots of each worker",
    "lease": "lease in seconds",
    "shortest": "shortest job in seconds",
    "longest": "longest job in seconds",
    "url": "broker that is there already; nobody kills its server",
    "slack": "seconds that a loaded machine may need beyond the lease (99 %% of the restarts), or beyond 4 s (outages)",
    "limit": "seconds after which a run is judged as it stands",
}
