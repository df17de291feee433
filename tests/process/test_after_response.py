"""Jobs after the response in a real web server: what the client waits for, and what a signal to stop waits for."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.root import ROOT
from tests.support.waiting import until

ENDED = "Application shutdown complete"
FRAMEWORKS = ["starlette", "fastapi", "litestar"]
WEB = '''
import asyncio
import logging
import os
from pathlib import Path

from asyncq import AsyncQ, Job, blocking
from asyncq.asgi import QueueMiddleware

logging.basicConfig()
queue = AsyncQ("memory://")
GRACE = float(os.environ["GRACE"])


def note(text):
    with Path("history.txt").open("a") as file:
        file.write(f"{text}\\n")


class Waits(Job):
    """Waits until a file is there, so that no test depends on how fast it is."""

    name: str

    async def handle(self) -> None:
        note(f"begin {self.name}")
        while not Path(f"go-{self.name}").exists():
            await asyncio.sleep(0.01)
        note(f"end {self.name}")


class Fails(Job):
    async def handle(self) -> None:
        raise LookupError("of the job")


async def later(name: str) -> str:
    await Waits(name=name).dispatch_after_response()
    return "answered"


def threaded(name: str) -> str:
    blocking.dispatch_after_response(Waits(name=name))
    return "answered"


async def fails() -> str:
    await Fails().dispatch_after_response()
    return "answered"


async def plain() -> str:
    return "plain"

'''
APPS = {
    "starlette": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def later_(request):
    return PlainTextResponse(await later(request.path_params["name"]))


def threaded_(request):
    return PlainTextResponse(threaded(request.path_params["name"]))


async def fails_(request):
    return PlainTextResponse(await fails())


async def plain_(request):
    return PlainTextResponse(await plain())


routes = [
    Route("/later/{name}", later_),
    Route("/threaded/{name}", threaded_),
    Route("/fails", fails_),
    Route("/plain", plain_),
]
api = Starlette(routes=routes, lifespan=queue.lifespan())
api.add_middleware(QueueMiddleware, grace=GRACE)
""",
    "fastapi": """
from fastapi import FastAPI

api = FastAPI(lifespan=queue.lifespan())
api.get("/later/{name}")(later)
api.get("/threaded/{name}")(threaded)
api.get("/fails")(fails)
api.get("/plain")(plain)
api.add_middleware(QueueMiddleware, grace=GRACE)
""",
    "litestar": """
from litestar import Litestar, get
from litestar.middleware import DefineMiddleware

handlers = [
    get("/later/{name:str}")(later),
    get("/threaded/{name:str}", sync_to_thread=True)(threaded),
    get("/fails")(fails),
    get("/plain")(plain),
]
api = Litestar(
    handlers,
    lifespan=[queue.lifespan()],
    middleware=[DefineMiddleware(QueueMiddleware, grace=GRACE)],
    logging_config=None,
)
""",
}


@dataclass(frozen=True)
class Server:
    """A web server on a free port."""

    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        found = re.search(r"running on (http://\S+)", self.said())
        assert found is not None, self.said()
        return found[1]

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")

    def history(self) -> list[str]:
        """What its jobs did."""
        file = self.folder / "history.txt"
        return file.read_text().splitlines() if file.exists() else []

    def go(self, name: str) -> None:
        """Let a job end."""
        (self.folder / f"go-{name}").touch()

    def stop(self) -> None:
        """Ask it to end."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def serving(folder: Path, framework: str, *, grace: float = 20.0) -> Generator[Server]:
    """Serve the application of a framework with uvicorn."""
    (folder / "web.py").write_text(WEB + APPS[framework])
    log = folder / "uvicorn.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "web:api", "--port", "0"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "GRACE": str(grace)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(folder, process, log)
    try:
        until(lambda: "running on" in server.said() or process.poll() is not None, 30, "the start of the server")
        yield server
    finally:
        process.kill()
        process.wait(5)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("path", ["later", "threaded"])
def test_the_client_is_answered_while_the_job_runs_and_its_next_request_too(
    tmp_path: Path, framework: str, path: str
) -> None:
    with serving(tmp_path, framework) as server, socket.create_connection(address(server), timeout=10) as connection:
        for _ in range(2):  # on one connection
            assert b"answered" in asked(connection, f"/{path}/slow")
            assert b"plain" in asked(connection, "/plain")
        until(lambda: server.history() == ["begin slow"] * 2, 10, "the begin of the jobs")
        server.go("slow")
        until(lambda: server.history()[2:] == ["end slow"] * 2, 10, "the end of the jobs")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_server_that_is_asked_to_end_waits_for_its_jobs(tmp_path: Path, framework: str) -> None:
    with serving(tmp_path, framework) as server:
        assert "answered" in httpx2.get(f"{server.url}/later/slow").text
        until(lambda: server.history() == ["begin slow"], 10, "the begin of the job")
        server.stop()
        until(lambda: "Waiting for application shutdown" in server.said(), 10, "the end of the server's own part")
        assert server.process.poll() is None
        server.go("slow")
        server.process.wait(10)
        assert server.history() == ["begin slow", "end slow"]
        assert ENDED in server.said()
        assert "Traceback" not in server.said()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_job_that_outlasts_the_grace_is_named_and_the_server_ends(tmp_path: Path, framework: str) -> None:
    with serving(tmp_path, framework, grace=0.2) as server:
        httpx2.get(f"{server.url}/later/forever")
        until(lambda: server.history() == ["begin forever"], 10, "the begin of the job")
        stopped_at = time.monotonic()
        server.stop()
        server.process.wait(15)
        assert time.monotonic() - stopped_at < 15
        assert re.search(
            r"ERROR:asyncq\.job:web:Waits \S+ is lost: it did not end before its app closed", server.said()
        )
        assert ENDED in server.said()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_error_is_in_the_log_of_the_server(tmp_path: Path, framework: str) -> None:
    with serving(tmp_path, framework) as server:
        assert "answered" in httpx2.get(f"{server.url}/fails").text
        until(lambda: "failed for good in attempt 1: LookupError: of the job" in server.said(), 10, "the log line")
        until(lambda: "Traceback" in server.said(), 10, "the traceback")
        assert "plain" in httpx2.get(f"{server.url}/plain").text


def address(server: Server) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


def asked(connection: socket.socket, path: str) -> bytes:
    """Send a request on an open connection, and return the body of the answer."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: example.org\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4_096)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    assert length is not None, head
    while len(body) < int(length[1]):
        body += connection.recv(4_096)
    return body
