"""huey on Redis, at its fair best: hiredis, no results, a worker that blocks in the broker.

It runs tasks in threads: 50 where they wait, one where they do nothing; `threads=2` lets one thread work while the
other asks, more are slower again. It takes a task out of the broker before it runs it, so a task whose worker dies is
lost: it does less than the others do. It has no asyncio and no call that pushes many tasks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from huey import RedisHuey

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

THREADS = {"noop": 1, "nap": SLOTS, "ping": 1}


class Huey(Contender):
    """One queue for pushing and for the consumer."""

    pushes_at_once: ClassVar[bool] = False

    def __init__(self, url: str, tally: Tally, *, threads: int | None = None) -> None:
        super().__init__(url, tally)
        self.threads = threads
        self.queue: Any = RedisHuey("benchmark", url=url, results=False)
        handlers = {"noop": tally.noop, "nap": tally.nap_in_thread, "ping": tally.ping}
        self.tasks = {name: self.queue.task(name=name)(handler) for name, handler in handlers.items()}

    async def push(self, job: JobName, value: float) -> None:
        self.tasks[job](value)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        consumer = self.queue.create_consumer(workers=self.threads or THREADS[job], periodic=False)
        consumer.start()
        yield
        consumer.stop(graceful=True)


if __name__ == "__main__":
    main(Huey)
