"""The smallest project: one file with a job, and a few lines that dispatch it.

python jobs.py Ada Bob      dispatch two jobs
asyncq work                 run them, and all that come later; Ctrl-C ends it
"""

from __future__ import annotations

import asyncio
import sys

from asyncq import Job


class Greet(Job):
    """The field is the argument; `handle` does the work."""

    name: str

    async def handle(self) -> None:
        print(f"Hello, {self.name}!", flush=True)


async def main(names: list[str]) -> None:
    for name in names:
        handle = await Greet(name=name).dispatch()
        print(f"dispatched {handle.id}")


# A worker imports this file to find the job; what stands here it leaves alone.
if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["World"]))
