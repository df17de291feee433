"""The tables of a connection, made as `asyncq migrate up` makes them."""

from __future__ import annotations

from asyncq.config import Connection
from asyncq.contracts import Installable
from asyncq.drivers import connect

__all__ = ["install"]


async def install(url: str) -> None:
    """Make the tables of what a URL names, where they are missing."""
    async with connect(Connection(url)) as driver:
        assert isinstance(driver, Installable)
        await driver.install()
