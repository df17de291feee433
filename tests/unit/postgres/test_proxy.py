"""The proxy before PostgreSQL counts what a client waits for, and fails exactly there."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from asyncq.testing.conformance.backend import eventually
from tests.support.postgres import PostgresProxy, PostgresServer
from tests.support.postgres.dialogue import PostgresDialogue
from tests.support.postgres.proxy import running

SECRET = "secret"  # noqa: S105 - of a server that lives as long as the tests
LOST = (asyncpg.PostgresConnectionError, OSError)
"""What a client says whose connection was cut."""
INSERT = "INSERT INTO t VALUES ($1)"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(password=SECRET) as server:
        yield server


@pytest.fixture
async def proxy(server: PostgresServer) -> AsyncIterator[PostgresProxy]:
    server.command("DROP TABLE IF EXISTS t; CREATE TABLE t (a int)")
    async with PostgresProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: PostgresProxy) -> AsyncGenerator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(proxy.url, password=SECRET)
    try:
        yield connection
    finally:
        connection.terminate()


def rows(server: PostgresServer) -> list[int]:
    return [a for (a,) in server.command("SELECT a FROM t ORDER BY a")]


async def test_all_passes_and_is_counted(proxy: PostgresProxy, server: PostgresServer) -> None:
    async with connected(proxy) as client:
        greeted = len(proxy.commands)
        assert proxy.commands[:2] == [(b"ssl",), (b"startup",)]
        await client.execute(INSERT, 1)
        await client.execute(INSERT, 2)
        async with client.transaction():
            await client.executemany(INSERT, [(3,), (4,)])
        with pytest.raises(asyncpg.UndefinedColumnError):
            await client.fetch("SELECT b FROM t")
        await client.copy_records_to_table("t", records=[(number,) for number in range(5, 5000)])
        assert await client.fetchval("SELECT sum(a) FROM t") == sum(range(5000))
        link = proxy.links[0]
        assert (link.commands, link.replies) == (len(proxy.commands), len(proxy.commands))
    text = INSERT.encode()
    assert proxy.commands[greeted : greeted + 6] == [
        (b"PDH", text),
        (b"BES", text),
        (b"BES", text),
        (b"Q", b"BEGIN;"),
        (b"BEBES", text),
        (b"Q", b"COMMIT;"),
    ]


async def test_a_cut_before_a_command_keeps_it_from_the_server(proxy: PostgresProxy, server: PostgresServer) -> None:
    async with connected(proxy) as client:
        await client.execute(INSERT, 1)
        fault = proxy.cut_before(2)
        await client.execute(INSERT, 2)
        with pytest.raises(LOST):
            await client.execute(INSERT, 3)
        assert fault.happened.is_set()
    assert rows(server) == [1, 2]


async def test_a_cut_after_a_command_swallows_only_its_reply(proxy: PostgresProxy, server: PostgresServer) -> None:
    async with connected(proxy) as client:
        await client.execute(INSERT, 1)
        fault = proxy.cut_after(2)
        await client.execute(INSERT, 2)
        with pytest.raises(LOST):
            await client.execute(INSERT, 3)
        assert fault.happened.is_set()
    assert rows(server) == [1, 2, 3]


@pytest.mark.parametrize("executed", [False, True])
async def test_a_commit_is_lost_before_or_after_it_happened(
    proxy: PostgresProxy, server: PostgresServer, executed: bool
) -> None:
    (proxy.cut_after if executed else proxy.cut_before)(1, matching=running("commit"))
    async with connected(proxy) as client:
        with pytest.raises(LOST):
            async with client.transaction():
                await client.execute(INSERT, 1)
    assert rows(server) == ([1] if executed else [])


@pytest.mark.parametrize("executed", [False, True])
async def test_a_statement_is_found_by_its_text_when_it_runs_not_when_it_is_prepared(
    proxy: PostgresProxy, server: PostgresServer, executed: bool
) -> None:
    async with connected(proxy) as client:
        fault = (proxy.cut_after if executed else proxy.cut_before)(2, matching=running("insert into t"))
        statement = await client.prepare(INSERT)
        await statement.fetch(1)
        assert not fault.happened.is_set()
        with pytest.raises(LOST):
            await statement.fetch(2)
    assert rows(server) == ([1, 2] if executed else [1])


async def test_nothing_arrives_of_a_long_reply_that_is_swallowed() -> None:
    with PostgresServer() as server:
        async with PostgresProxy("127.0.0.1", server.port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00")
            await reader.readuntil(b"Z\x00\x00\x00\x05I")
            fault = proxy.cut_after(1)
            query = b"SELECT repeat('x', 100000) FROM generate_series(1, 100)\x00"
            writer.write(b"Q" + struct.pack("!i", len(query) + 4) + query)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            assert fault.happened.is_set()
            writer.close()


async def test_a_session_may_be_cut_at_any_of_its_first_commands(proxy: PostgresProxy) -> None:
    async with connected(proxy):
        count = len(proxy.commands)
    assert count >= 4, "ssl, startup and the messages of a password"
    # A client whose question about encryption has no answer comes again without it.
    for number in range(2, count + 1):
        for arm in (proxy.cut_before, proxy.cut_after):
            fault = arm(number)
            with pytest.raises(LOST):
                async with connected(proxy) as client:
                    await client.execute("SELECT 1")
            assert fault.happened.is_set()


async def test_a_black_hole_holds_back_what_the_server_announces(proxy: PostgresProxy, server: PostgresServer) -> None:
    heard: list[object] = []

    def hear(_connection: object, _pid: int, _channel: str, payload: object, /) -> None:
        heard.append(payload)

    async with connected(proxy) as client:
        await client.add_listener("news", hear)
        proxy.mode = "blackhole"
        server.command("NOTIFY news, 'held'")
        await asyncio.sleep(0.1)
        assert not heard
        proxy.mode = "pass"
        await eventually(lambda: heard == ["held"])
        await client.remove_listener("news", hear)


def test_messages_are_cut_right_in_whatever_pieces_they_come() -> None:
    startup = b"\x00\x00\x00\x08\x00\x03\x00\x00"
    prepare = b"P\x00\x00\x00\x11one\x00SELECT 1\x00D\x00\x00\x00\x09Sone\x00H\x00\x00\x00\x04"
    run = b"B\x00\x00\x00\x0a\x00one\x00\x00E\x00\x00\x00\x04S\x00\x00\x00\x04"
    answers = b"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I" + b"1\x00\x00\x00\x04n\x00\x00\x00\x04"
    sent, answered = startup + prepare + run, answers + b"E\x00\x00\x00\x05\x00Z\x00\x00\x00\x05I"
    for size in (1, 2, 3, 7, 1000):
        dialogue = PostgresDialogue()
        found = [one for piece in _pieces(sent, size) for one in dialogue.requests(piece)]
        assert found == [
            ((b"startup",), startup),
            ((b"PDH", b"SELECT 1"), prepare),
            ((b"BES", b"SELECT 1"), run),
        ]
        assert sum(dialogue.replies(piece) for piece in _pieces(answered, size)) == 3


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
