"""What a role may do that has the rights which the guide lists, and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asyncq import AsyncQ, Job
from asyncq.config import Connection
from asyncq.contracts import Diagnosable, Installable
from asyncq.drivers import connect
from asyncq.errors import ConfigError, SchemaError
from asyncq.testing.conformance.jobs import job
from tests.support.postgres import PostgresServer
from tests.support.postgres.grants import ROLE, SCHEMA, granted
from tests.support.postgres.wire import ServerError


class Work(Job):
    async def handle(self) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    return granted(server)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {SCHEMA}.meta SET value = '2'",  # noqa: S608
        f"CREATE TABLE {SCHEMA}.more ()",
        f"DROP TABLE {SCHEMA}.jobs",
        f"TRUNCATE {SCHEMA}.jobs",
        f"CREATE FUNCTION {SCHEMA}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
    ],
)
def test_a_role_that_works_may_change_nothing_of_the_tables_themselves(
    server: PostgresServer, url: str, statement: str
) -> None:
    with pytest.raises(ServerError, match="42501"):
        server.command(statement, user=ROLE)


async def test_tables_that_are_current_are_left_alone_by_whoever_owns_none(url: str) -> None:
    async with connect(Connection(f"{url}?schema={SCHEMA}")) as driver:
        assert isinstance(driver, Installable)
        version = (await driver.schema())[1]
        assert await driver.install() == version


async def test_whoever_may_make_no_tables_is_told_so(url: str) -> None:
    async with connect(Connection(f"{url}?schema=elsewhere")) as driver:
        assert isinstance(driver, Installable)
        with pytest.raises(ConfigError, match=r"permission denied for database.+grants that the page about PostgreSQL"):
            await driver.install()


async def test_tables_that_nobody_made_are_told_with_the_command_that_makes_them(url: str) -> None:
    async with AsyncQ(f"{url}?schema=elsewhere"):
        with pytest.raises(SchemaError, match="run: asyncq migrate up"):
            await Work().dispatch()


async def test_doctor_tells_what_it_cannot_see(server: PostgresServer, url: str) -> None:
    async with connect(Connection(f"{url}?schema={SCHEMA}")) as driver:
        assert isinstance(driver, Diagnosable)
        assert "GRANT pg_read_all_stats to this user" in [fact.fix for fact in await driver.facts()]
        server.command(f"GRANT pg_read_all_stats TO {ROLE}")
        assert "GRANT pg_read_all_stats to this user" not in [fact.fix for fact in await driver.facts()]


@pytest.mark.parametrize(
    "taken",
    [
        f"USAGE ON SCHEMA {SCHEMA}",
        f"INSERT ON {SCHEMA}.ops",
        f"EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA}",
        "CONNECT ON DATABASE postgres",
    ],
)
async def test_a_right_that_is_missing_is_named(server: PostgresServer, url: str, taken: str) -> None:
    server.command(f"REVOKE {taken} FROM {ROLE}")
    try:
        with pytest.raises(
            ConfigError, match=r"^[^\n]+permission denied for .+grants that the page about PostgreSQL lists$"
        ):
            async with connect(Connection(f"{url}?schema={SCHEMA}")) as driver:
                await driver.push([job("a")])
    finally:
        server.command(f"GRANT {taken} TO {ROLE}")
