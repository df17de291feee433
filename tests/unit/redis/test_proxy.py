"""The proxy fails exactly where it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import hiredis
import pytest

from asyncq.testing.conformance.backend import eventually
from tests.support.proxy import Command
from tests.support.redis import RedisServer
from tests.support.redis.proxy import RedisProxy
from tests.support.redis.wire import Argument, pack


class Client:
    """One connection that repeats nothing and says no greetings, so that each command is counted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = hiredis.Reader(notEnoughData=...)

    def send(self, *commands: tuple[Argument, ...]) -> None:
        """Send commands in one piece."""
        self._writer.write(b"".join(map(pack, commands)))

    async def answer(self) -> Any:
        """Wait for the next reply; a connection that is closed in order raises too."""
        while (reply := self._parser.gets()) is ...:
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            self._parser.feed(data)
        return reply

    async def ask(self, *arguments: Argument) -> Any:
        self.send(arguments)
        return await self.answer()


@asynccontextmanager
async def connected(proxy: RedisProxy) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[RedisProxy]:
    server.command("FLUSHALL")
    async with RedisProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: RedisProxy) -> AsyncIterator[Client]:
    async with connected(proxy) as client:
        yield client


def sets(command: Command) -> bool:
    return command[0] == b"SET"


async def test_all_passes_and_is_counted(proxy: RedisProxy, client: Client) -> None:
    body = bytes(range(256)) * 1000
    assert await client.ask("SET", "key", body) == b"OK"
    assert await client.ask("GET", "key") == body
    async with connected(proxy) as other:
        assert await other.ask("STRLEN", "key") == len(body)
    assert proxy.commands == [(b"SET", b"key", body), (b"GET", b"key"), (b"STRLEN", b"key")]
    assert [(link.commands, link.replies) for link in proxy.links] == [(2, 2), (1, 1)]


async def test_a_cut_before_a_command_keeps_it_from_the_server(
    proxy: RedisProxy, client: Client, server: RedisServer
) -> None:
    fault = proxy.cut_before(2)
    await client.ask("SET", "a", 1)
    with pytest.raises(ConnectionResetError):
        await client.ask("SET", "b", 1)
    assert fault.happened.is_set()
    async with connected(proxy) as other:
        await other.ask("SET", "c", 1)
    assert sorted(server.command("KEYS", "*")) == ["a", "c"]


async def test_a_cut_after_a_command_swallows_only_its_reply(
    proxy: RedisProxy, client: Client, server: RedisServer
) -> None:
    fault = proxy.cut_after(2)
    assert await client.ask("INCR", "a") == 1
    with pytest.raises(ConnectionResetError):
        await client.ask("INCR", "a")
    assert fault.happened.is_set()
    assert server.command("GET", "a") == "2"
    async with connected(proxy) as other:
        assert await other.ask("INCR", "a") == 3


async def test_a_fault_may_wait_for_a_command_of_a_kind(proxy: RedisProxy, client: Client, server: RedisServer) -> None:
    proxy.cut_after(2, matching=sets)
    await client.ask("SET", "a", 1)
    await client.ask("GET", "a")
    with pytest.raises(ConnectionResetError):
        await client.ask("SET", "b", 1)
    assert server.command("GET", "b") == "1"


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("executed", [False, True])
async def test_commands_sent_in_one_piece_are_cut_at_any_of_them(
    proxy: RedisProxy, client: Client, server: RedisServer, number: int, executed: bool
) -> None:
    fault = proxy.cut_after(number) if executed else proxy.cut_before(number)
    client.send(*[("INCR", "a")] * 5)
    with pytest.raises(ConnectionResetError):
        for _ in range(5):
            await client.answer()
    assert fault.happened.is_set()
    # What was handed on before a cut may still be on its way.
    done = number if executed else number - 1
    await eventually(lambda: int(server.command("GET", "a") or 0) == done)
    async with connected(proxy) as other:
        assert await other.ask("INCR", "a") == done + 1


async def test_a_cut_waits_for_a_command_that_blocks(proxy: RedisProxy, client: Client, server: RedisServer) -> None:
    fault = proxy.cut_after(1)
    client.send(("BLPOP", "list", 0))
    await eventually(lambda: "cmd=blpop" in server.command("CLIENT", "LIST"))
    assert not fault.happened.is_set()
    server.command("RPUSH", "list", "lost")
    with pytest.raises(ConnectionResetError), anyio.fail_after(10):
        await client.answer()
    assert not server.command("EXISTS", "list")


async def test_a_refused_client_comes_back_later(proxy: RedisProxy, client: Client) -> None:
    assert await client.ask("PING") == b"PONG"
    proxy.mode = "refuse"
    assert await client.ask("PING") == b"PONG", "connections that are open stay so"
    async with connected(proxy) as other:
        with pytest.raises(ConnectionResetError):
            await other.ask("PING")
    proxy.mode = "pass"
    async with connected(proxy) as other:
        assert await other.ask("PING") == b"PONG"


async def test_all_connections_are_cut_at_once(proxy: RedisProxy, client: Client) -> None:
    async with connected(proxy) as other:
        for one in (client, other):
            await one.ask("PING")
        proxy.cut()
        for one in (client, other):
            with pytest.raises(ConnectionResetError):
                await one.answer()


async def test_a_black_hole_holds_back_commands_until_it_is_opened(
    proxy: RedisProxy, client: Client, server: RedisServer
) -> None:
    proxy.mode = "blackhole"
    client.send(("SET", "a", 1))
    with anyio.move_on_after(0.1):
        await client.answer()
    assert server.command("GET", "a") is None
    proxy.mode = "pass"
    with anyio.fail_after(10):
        assert await client.answer() == b"OK"


async def test_a_black_hole_holds_back_replies_too(proxy: RedisProxy, client: Client, server: RedisServer) -> None:
    client.send(("BLPOP", "list", 0))
    await eventually(lambda: "cmd=blpop" in server.command("CLIENT", "LIST"))
    proxy.mode = "blackhole"
    server.command("RPUSH", "list", "x")
    await eventually(lambda: not server.command("EXISTS", "list"))
    with anyio.move_on_after(0.1) as waited:
        await client.answer()
    assert waited.cancelled_caught
    proxy.mode = "pass"
    with anyio.fail_after(10):
        assert await client.answer() == [b"list", b"x"]


async def test_a_delay_is_kept_in_both_directions(proxy: RedisProxy, client: Client) -> None:
    proxy.delay = 0.1
    start = time.monotonic()
    await client.ask("PING")
    assert time.monotonic() - start >= 0.2


async def test_a_fault_that_is_disarmed_does_not_happen(proxy: RedisProxy, client: Client) -> None:
    proxy.cut_before(1)
    proxy.disarm()
    assert await client.ask("PING") == b"PONG"


async def test_a_dead_server_looks_dead() -> None:
    async with RedisProxy("127.0.0.1", 1) as proxy, connected(proxy) as client:
        with pytest.raises(ConnectionResetError):
            await client.ask("PING")


async def test_a_proxy_ends_with_connections_that_wait(server: RedisServer) -> None:
    async with RedisProxy("127.0.0.1", server.port) as proxy, connected(proxy) as client:
        await client.ask("PING")
        proxy.mode = "blackhole"
        client.send(("PING",))
        await eventually(lambda: len(proxy.commands) == 2)
