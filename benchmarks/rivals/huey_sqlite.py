"""huey on SQLite, at its fair best: one thread, no fsync, no results, the shortest poll.

Needs `huey` and nothing of this project; prints one JSON object. It takes a task out of the file before it runs it, so
a task whose worker dies is lost: it does less than asyncq's worker does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Preload the tasks, run the consumer, and count."""
    jobs = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_measure(jobs, Path(folder) / "huey.db")))


def _measure(jobs: int, file: Path) -> dict[str, float]:
    library: Any = import_module("huey")
    queue = library.SqliteHuey(filename=str(file), fsync=False, results=False)
    seen: list[int] = []
    done = threading.Event()

    def noop(number: int) -> None:
        seen.append(number)
        if len(seen) >= jobs:
            done.set()

    task = queue.task()(noop)
    for number in range(jobs):
        task(number)
    consumer = queue.create_consumer(workers=1, periodic=False, initial_delay=0.001, max_delay=0.001)
    cpu, start = time.process_time(), time.perf_counter()
    consumer.start()
    done.wait(300)
    seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    consumer.stop(graceful=True)
    if sorted(seen) != list(range(jobs)):
        raise SystemExit("a task was lost, or ran twice")
    return {"rate": jobs / seconds, "cpu_us": spent / jobs * 1e6}


if __name__ == "__main__":
    main()
