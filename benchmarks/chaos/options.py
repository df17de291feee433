"""What a run is told."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Options", "from_arguments"]


@dataclass(frozen=True, slots=True)
class Options:
    """One run; every process of it gets these as JSON."""

    seed: int = 1
    jobs: int = 10_000
    kills: int = 200
    stalls: int = 6
    stall_jobs: int = 8_000
    """Jobs of the run with stalls."""
    long: int = 16
    """How many of a run's jobs, the last ones, take 1.5 leases: without renewal they would start twice."""
    workers: int = 4
    concurrency: int = 8
    lease: float = 2.0
    shortest: float = 0.005
    longest: float = 0.2
    url: str = ""
    """Empty: a SQLite file in the run's own folder."""
    keeper: bool = True
    slack: float = 1.0
    """Seconds beyond the lease within which 99 % of the killed jobs start again."""
    limit: float = 240.0
    """Seconds after which a run is judged as it stands."""

    def to_json(self) -> str:
        """Write for another process."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Options:
        """Read what `to_json` wrote."""
        return Options(**json.loads(text))

    def at(self, folder: Path) -> Options:
        """Return the options with the broker's URL filled in."""
        values = asdict(self)
        values["url"] = self.url or f"sqlite:///{folder.absolute()}/queue.db"
        return Options(**values)


def from_arguments(arguments: list[str] | None = None) -> tuple[Options, Path | None]:
    """Read the command line: the options, and where to keep the histories."""
    plain = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description="Kill and stall workers, then count."
    )
    for name, meaning in _MEANINGS.items():
        default: float | str = getattr(plain, name)
        told = f"{meaning} (default: {default!r})"
        parser.add_argument(f"--{name.replace('_', '-')}", type=default.__class__, default=default, help=told)
    parser.add_argument("--no-keeper", dest="keeper", action="store_false", help="switch lease renewal off: must fail")
    parser.add_argument(
        "--keep", type=Path, help="folder for the histories; by default kept only where a rule is broken"
    )
    values = vars(parser.parse_args(arguments))
    return Options(**{name: value for name, value in values.items() if name != "keep"}), values["keep"]


_MEANINGS = {
    "seed": "seed of durations, victims and moments",
    "jobs": "jobs of the run with kills",
    "kills": "kill -9 in the run with kills; 0 leaves it out",
    "stalls": "SIGSTOP of 1.5 leases in the run with stalls; 0 leaves it out",
    "stall_jobs": "jobs of the run with stalls",
    "long": "jobs of each run that take 1.5 leases",
    "workers": "worker processes",
    "concurrency": "slots of each worker",
    "lease": "lease in seconds",
    "shortest": "shortest job in seconds",
    "longest": "longest job in seconds",
    "url": "broker; '' is a SQLite file of the run's own",
    "slack": "seconds beyond the lease within which 99 % of the killed jobs start again",
    "limit": "seconds after which a run is judged as it stands",
}
