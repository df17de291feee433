"""A proxy before a server that fails where a test says."""

from __future__ import annotations

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

__all__ = ["Command", "Dialogue", "Fault", "FaultProxy", "Link", "Mode"]

Command = tuple[bytes, ...]
"""A request as a client has sent it: its name, then its arguments."""
Mode = Literal["pass", "refuse", "blackhole"]

CHUNK = 65536
TURNS = 5
"""So many turns of the loop lie at most between what is accepted or closed and the end of what it begins."""


def _any(command: Command) -> bool:
    return True


@dataclass(slots=True)
class Fault:
    """A cut that waits for its command; only those that match are counted."""

    left: int
    executed: bool
    matches: Callable[[Command], bool] = _any
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client's connection is cut."""

    def strikes(self, command: Command) -> bool:
        """Count the command; True if it is the one."""
        if not self.left or not self.matches(command):
            return False
        self.left -= 1
        return not self.left


class Dialogue(Protocol):
    """What one client and the server say to each other, in the protocol that they speak."""

    def requests(self, data: bytes) -> Iterable[tuple[Command, bytes]]:
        """Take what the client has sent; return each command that is complete now, with its bytes."""
        ...

    def replies(self, data: bytes) -> int:
        """Take what the server has sent; return how many commands are answered by it to their end."""
        ...


class FaultProxy(ABC):
    """Listens on a port of its own inside `async with` and hands on commands one by one, in their order.

    Modes are for all connections: `pass`; `refuse` resets new ones; `blackhole` keeps them open but holds back what
    comes from either side, until another mode lets it go on. `delay` is in seconds, for each command and each reply.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.delay = 0.0
        self.commands: list[Command] = []
        """All that has come, also what was not handed on."""
        self.links: list[Link] = []
        """Every connection so far, those that ended too."""
        self._upstream = (host, port)
        self._mode: Mode = "pass"
        self._open = asyncio.Event()
        self._open.set()
        self._faults: list[Fault] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await _turns()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await _turns()

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's own with another port, and no password."""

    @abstractmethod
    def dialogue(self) -> Dialogue:
        """Begin to listen to one connection."""

    @property
    def mode(self) -> Mode:
        """What happens to all connections."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode == "blackhole":
            self._open.clear()
        else:
            self._open.set()

    def cut_before(self, number: int, matching: Callable[[Command], bool] = _any) -> Fault:
        """Cut the connection instead of handing on a command: 1 is the next one that matches."""
        return self._armed(Fault(number, executed=False, matches=matching))

    def cut_after(self, number: int, matching: Callable[[Command], bool] = _any) -> Fault:
        """Cut the connection when the server has answered a command, whose reply is swallowed: 1 is the next one.

        What has come of the reply before its end is swallowed too.
        """
        return self._armed(Fault(number, executed=True, matches=matching))

    def cut(self) -> None:
        """Reset all connections now."""
        for link in self.links:
            link.cut()

    def disarm(self) -> None:
        """Forget the faults that have not happened."""
        self._faults.clear()

    # --- what links ask -----------------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Wait as the mode and the delay say."""
        await self._open.wait()
        if self.delay:
            await asyncio.sleep(self.delay)
            await self._open.wait()

    def fault_of(self, command: Command) -> Fault | None:
        """Count a command, and find the fault whose turn it is."""
        self.commands.append(command)
        struck = [fault for fault in self._faults if fault.strikes(command)]
        return struck[0] if struck else None

    def _armed(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # A cancelled task of a stream server would be reported as an error; it ends because the proxy does.
        with suppress(asyncio.CancelledError):
            await self._serve(reader, writer)
        self._tasks.discard(task)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await self._open.wait()
            upstream = None if self._mode == "refuse" else await asyncio.open_connection(*self._upstream)
        except (OSError, asyncio.CancelledError):
            upstream = None
        if upstream is None:
            _reset(writer)
            return
        link = Link(self, (reader, writer), upstream)
        self.links.append(link)
        await link.run()


class Link:
    """One client's connection, with the one to the server that belongs to it."""

    def __init__(
        self, proxy: FaultProxy, client: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter]
    ) -> None:
        self.commands = 0
        """How many have come."""
        self.replies = 0
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._dialogue = proxy.dialogue()
        self._swallow: tuple[int, Fault] | None = None

    async def run(self) -> None:
        """Hand on until one side ends, or a fault does it."""
        pumps = [asyncio.create_task(self._requests()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            # Not reset: the server is to read all that was handed on before.
            self._to_server.close()
            self._to_client.close()
            results = await asyncio.gather(*pumps, return_exceptions=True)
        broken = [one for one in results if isinstance(one, Exception) and not isinstance(one, OSError)]
        if broken:
            raise broken[0]

    def cut(self) -> None:
        """Reset the client's connection."""
        _reset(self._to_client)

    async def _requests(self) -> None:
        while data := await self._from_client.read(CHUNK):
            for command, written in self._dialogue.requests(data):
                if await self._cut_at(command, written):
                    return

    async def _cut_at(self, command: Command, written: bytes) -> bool:
        """Hand on a command unless a fault comes before it; True if this was the last one of this connection."""
        self.commands += 1
        fault = self._proxy.fault_of(command)
        await self._proxy.pause()
        if fault and not fault.executed:
            self._strike(fault)
            return True
        if fault:
            self._swallow = (self.commands, fault)
        self._to_server.write(written)
        await self._to_server.drain()
        if fault:
            await fault.happened.wait()
        return fault is not None

    async def _answers(self) -> None:
        while data := await self._from_server.read(CHUNK):
            before = self.replies
            self.replies += self._dialogue.replies(data)
            await self._proxy.pause()
            if self._swallow and self.replies >= self._swallow[0]:
                # Earlier replies in these bytes are lost with it, as a reset loses all that was not read yet.
                self._strike(self._swallow[1])
                return
            if not self._swallow or before < self._swallow[0] - 1:
                self._to_client.write(data)
                await self._to_client.drain()

    def _strike(self, fault: Fault) -> None:
        self.cut()
        fault.happened.set()


async def _turns() -> None:
    """Let begin what was accepted already, and let end what was closed: a loop that ends earlier leaves it open."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _reset(writer: StreamWriter) -> None:
    """Close as a crash does, with RST."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):  # closed already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
