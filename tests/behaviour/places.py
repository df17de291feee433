"""Jobs that run in a process: their module must be found by its name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from asyncq import Depends, Job, JobContext

__all__ = ["DEEDS", "InProcess", "Nap", "Supplied"]


class Nap(Job, run_in="process"):
    seconds: float
    note: str

    def handle(self) -> str:
        time.sleep(self.seconds)
        return self.note


class InProcess(Job, run_in="process", tries=2):
    what: str
    blob: bytes = b""

    def handle(self, ctx: JobContext) -> Any:
        return DEEDS[self.what](ctx, self.blob)


def _told(ctx: JobContext, blob: bytes) -> Any:
    return os.getpid(), ctx.attempt, ctx.queue, blob


def _raise(ctx: JobContext, blob: bytes) -> Any:
    raise LookupError(f"attempt {ctx.attempt}")


def _unprintable(ctx: JobContext, blob: bytes) -> Any:
    raise Unprintable


def _release(ctx: JobContext, blob: bytes) -> Any:
    if ctx.attempt == 1:
        ctx.release()


def _fail(ctx: JobContext, blob: bytes) -> Any:
    ctx.fail("no")


def _exit(ctx: JobContext, blob: bytes) -> Any:
    raise SystemExit(3)


def _interrupt(ctx: JobContext, blob: bytes) -> Any:
    raise KeyboardInterrupt


def _die(ctx: JobContext, blob: bytes) -> Any:
    os._exit(9)


def _unpicklable(ctx: JobContext, blob: bytes) -> Any:
    return lambda: None


def _print(ctx: JobContext, blob: bytes) -> Any:
    print("to nobody")  # noqa: T201 - what is printed must not mix with the answer


def _group(ctx: JobContext, blob: bytes) -> Any:
    raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


DEEDS: dict[str, Callable[[JobContext, bytes], Any]] = {
    "told": _told,
    "raise": _raise,
    "unprintable": _unprintable,
    "release": _release,
    "fail": _fail,
    "exit": _exit,
    "interrupt": _interrupt,
    "die": _die,
    "unpicklable": _unpicklable,
    "print": _print,
    "group": _group,
}


def _plain() -> Iterator[str]:
    yield "sync in the child"


async def _async() -> str:
    return "async in the child"


class Supplied(Job, run_in="process"):
    def handle(self, one: Annotated[str, Depends(_plain)], two: Annotated[str, Depends(_async)]) -> list[str]:
        return [one, two]
