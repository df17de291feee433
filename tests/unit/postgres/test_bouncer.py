"""Behind a pooler that lends a connection for one transaction: nothing may need the connection of the call before."""

from __future__ import annotations

import asyncio

from asyncq.config import Connection
from asyncq.contracts import Driver, Installable
from asyncq.drivers import connect
from asyncq.payload import Done, Settlement
from asyncq.testing.conformance.jobs import ids, job
from tests.support.postgres import PgBouncer, PostgresProxy, PostgresServer

OPTIONS = "?prefix=t&pgbouncer=true"


async def test_a_slow_client_and_a_busy_one_share_one_connection_of_the_server() -> None:
    """What a client prepares and what it runs are sent in two pieces; between them others use the connection."""
    with PostgresServer() as server, PgBouncer(server, pool_size=1) as bouncer:
        async with (
            PostgresProxy("127.0.0.1", bouncer.port) as proxy,
            connect(Connection(bouncer.url + OPTIONS)) as busy,
            connect(Connection(proxy.url + OPTIONS)) as slow,
        ):
            assert isinstance(busy, Installable)
            await busy.install()
            await slow.sizes(["slow"])
            proxy.commands.clear()
            proxy.delay = 0.02
            at_work = asyncio.create_task(_work(slow, "slow", rounds=4))
            busied = 0
            while not at_work.done():
                await _work(busy, "busy", rounds=1)
                busied += 1
            await at_work
            assert busied > 4, "the busy one was served meanwhile"
            running = [letters for letters, *_ in proxy.commands if b"E" in letters]
            assert running
            assert all(b"P" in letters for letters in running), "each statement brings its text along with its values"


async def _work(driver: Driver, queue: str, *, rounds: int) -> None:
    for number in range(rounds):
        await driver.push([job(f"{queue}-{number}", queue=queue)])
        held = (await driver.reserve([queue], limit=5)).items
        assert ids(held) == [f"{queue}-{number}"]
        assert await driver.settle([Settlement(one, Done()) for one in held]) == []
        assert (await driver.sizes([queue]))[queue].total == 0
