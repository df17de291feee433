"""dramatiq on Redis, at its fair best: hiredis, no results, a worker that looks each 10 ms instead of each second.

It runs messages in threads, 50 of them; 8, as shipped, are slower even where a message does nothing. Its default
middleware stays. It has no asyncio and no call that pushes many messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

LOOK_MS = 10


class Dramatiq(Contender):
    """One broker, with a sender and a worker of this process."""

    pushes_at_once: ClassVar[bool] = False

    def __init__(self, url: str, tally: Tally, *, threads: int = SLOTS) -> None:
        super().__init__(url, tally)
        self.threads = threads
        self.broker = RedisBroker(url=url)
        handlers = {"noop": tally.noop, "nap": tally.nap_in_thread, "ping": tally.ping}
        self.actors: dict[str, Any] = {
            name: dramatiq.actor(handler, actor_name=name, broker=self.broker) for name, handler in handlers.items()
        }

    async def push(self, job: JobName, value: float) -> None:
        self.actors[job].send(value)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        worker = dramatiq.Worker(self.broker, worker_timeout=LOOK_MS, worker_threads=self.threads)
        worker.start()
        yield
        worker.stop()


if __name__ == "__main__":
    main(Dramatiq)
