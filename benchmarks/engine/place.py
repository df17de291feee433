"""Where a case of asyncq keeps its jobs: a URL made ready for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

from asyncq import Connection
from asyncq.contracts import Driver, Installable
from asyncq.drivers import connect

__all__ = ["connection", "install", "opened", "private"]


def connection(url: str) -> Connection:
    """Keep apart what is measured, where a server has one space of names for all."""
    return Connection(f"{url}?prefix=bench" if urlsplit(url).scheme == "redis" else url)


@contextmanager
def private(url: str) -> Iterator[str]:
    """Yield the URL; for `sqlite://` without a path that of a file which is removed at the end."""
    if url != "sqlite://":
        yield url
        return
    import tempfile  # here, since it would be counted in the resident size of every worker

    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/queue.db"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Driver]:
    """Yield a driver whose tables are there."""
    async with connect(connection(url)) as driver:
        if isinstance(driver, Installable):
            await driver.install()
        yield driver


async def install(url: str) -> None:
    """Make the tables, where there are any."""
    async with opened(url):
        pass
