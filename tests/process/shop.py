"""Jobs that write down when they run, for the tests that start real workers; copied into a project of each test."""

import asyncio
import os
import re
import time
from pathlib import Path

from asyncq import AsyncQ, Job, JobContext

app = AsyncQ(f"sqlite:///queue.db?lease={os.environ.get('LEASE', '30')}")


def note(what: str, ctx: JobContext) -> None:
    """Append one line to the history, in one write."""
    line = (
        f"{what} {ctx.id} {os.getpid()} {ctx.attempt} {ctx.crashes} {time.monotonic():.3f} {type(ctx.job).__name__}\n"
    )
    file = os.open("history.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, line.encode())
    os.close(file)


class Sleep(Job):
    """Waits as a good citizen."""

    seconds: float

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(self.seconds)
        note("end", ctx)


class Thread(Job):
    """Waits in a thread."""

    seconds: float

    def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        time.sleep(self.seconds)
        note("end", ctx)


class Block(Job):
    """Holds the loop, after others had time to start."""

    seconds: float

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(0.05)
        time.sleep(self.seconds)  # noqa: ASYNC251  # the line that the log must name
        note("end", ctx)


class Spin(Job, timeout=1):
    """Holds the loop for good, in Python code."""

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(0.2)
        while True:
            pass

    async def failed(self, error: BaseException) -> None:
        """Leave a mark."""
        with Path("failed.txt").open("a") as file:  # noqa: ASYNC230  # the loop is about to end
            file.write(f"{type(error).__name__}\n")


class Gil(Job, timeout=1):
    """Holds the GIL for good, in C code."""

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(0.2)
        re.match(r"(a+)+$", "a" * 64 + "b")


class Leave(Job):
    """Ends its process."""

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(0.2)
        os._exit(7)


class Rebel(Job):
    """Lets a child task raise what stops a loop."""

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)

        async def leave() -> None:
            raise SystemExit(3)

        await asyncio.create_task(leave())
