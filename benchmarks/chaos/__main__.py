"""`python -m benchmarks.chaos`: kill workers, stall them, kill the server, cut its connections, then count."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from benchmarks.chaos.campaign import cuts, kills, outages, stalls
from benchmarks.chaos.checker import Verdict
from benchmarks.chaos.options import Options, from_arguments
from benchmarks.chaos.report import render


def main(arguments: list[str] | None = None) -> int:
    """Do the runs that the options ask for; 0 if no rule was broken."""
    options, keep = from_arguments(arguments)
    # Leaves the blocks that end the workers, which are in sessions of their own.
    signal.signal(signal.SIGTERM, _leave)
    folder = keep or Path(tempfile.mkdtemp(prefix="asyncq-chaos-"))
    sound = [_do(title, run, options, folder) for title, run in _asked(options).items()]
    if all(sound) and keep is None:
        shutil.rmtree(folder)
    else:
        print(f"histories: {folder}")
    return 0 if all(sound) else 1


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(1)


def _asked(options: Options) -> dict[str, Callable[[Options, Path], Verdict]]:
    runs = {
        "kills": (options.kills, kills),
        "stalls": (options.stalls, stalls),
        "outages": (options.server_kills, outages),
        "cuts": (options.cuts, cuts),
    }
    return {title: run for title, (count, run) in runs.items() if count}


def _do(title: str, run: Callable[[Options, Path], Verdict], options: Options, folder: Path) -> bool:
    place = folder / title
    place.mkdir(parents=True)
    verdict = run(options, place)
    print(render(f"{title} on {options.broker}, seed {options.seed}", verdict), flush=True)
    return not verdict.violations


if __name__ == "__main__":
    sys.exit(main())
