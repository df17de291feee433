"""The same small web application in each framework, and a server that notes what it sees of a request."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from asyncq.asgi import QueueMiddleware

__all__ = ["FRAMEWORKS", "Application", "Endpoint", "Framework", "Seen", "ask", "served", "wrapped"]

Endpoint = Callable[[], Any]
"""An async function, or a plain one that the framework calls in a thread; what it returns is the body."""
Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Framework:
    """One of the frameworks that the middleware is made for."""

    make: Callable[..., Application]
    """Takes endpoints by path, a lifespan and the options of the middleware."""
    refusal: Callable[[], Exception]
    """Makes what an endpoint raises to have 403 answered."""
    answers_errors: bool
    """True where an error that nobody handles is answered inside the middleware."""


def _starlette(routes: Mapping[str, Endpoint], lifespan: Any = None, **options: Any) -> Application:
    api = Starlette(routes=[Route(path, _responding(call)) for path, call in routes.items()], lifespan=lifespan)
    api.add_middleware(QueueMiddleware, **options)
    return api


def _responding(function: Endpoint) -> Callable[[Request], Any]:
    async def later(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await function())

    def here(request: Request) -> PlainTextResponse:
        return PlainTextResponse(function())

    return later if inspect.iscoroutinefunction(function) else here


def _fastapi(routes: Mapping[str, Endpoint], lifespan: Any = None, **options: Any) -> Application:
    api = FastAPI(lifespan=lifespan)
    for path, function in routes.items():
        api.add_api_route(path, function, response_class=PlainTextResponse)
    api.add_middleware(QueueMiddleware, **options)
    return api


def _litestar(routes: Mapping[str, Endpoint], lifespan: Any = None, **options: Any) -> Application:
    middleware: Any = DefineMiddleware(QueueMiddleware, **options) if options else QueueMiddleware
    handlers: list[Any] = []
    for path, function in routes.items():
        function.__annotations__ = {"return": str}  # texts would be looked up where the test's class is unknown
        threads = None if inspect.iscoroutinefunction(function) else True
        handlers.append(get(path, sync_to_thread=threads)(function))
    lifespans = [lifespan] if lifespan else []
    # Its own configuration would take the handlers of the test's log away.
    return Litestar(handlers, lifespan=lifespans, middleware=[middleware], logging_config=None)


FRAMEWORKS = {
    "starlette": Framework(_starlette, lambda: HTTPException(403), answers_errors=False),
    "fastapi": Framework(_fastapi, lambda: HTTPException(403), answers_errors=False),
    "litestar": Framework(_litestar, PermissionDeniedException, answers_errors=True),
}


@dataclass
class Seen:
    """What a server sees of one request."""

    notes: list[str]
    """In their order: `start`, `body` for each part, `last` for the last one, `over` when the application returned."""
    status: int = 0
    error: BaseException | None = None
    """What left the application."""
    body: bytes = b""
    gone: anyio.Event = field(default_factory=anyio.Event)
    """Set when the client goes away."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Note a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.notes.append("start")
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.notes.append("body" if message.get("more_body") else "last")

    async def receive(self) -> Mapping[str, Any]:
        """Tell that the request is complete, and then nothing until the client goes away."""
        if not self.notes or self.notes[-1] != "asked":
            self.notes.append("asked")
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def ask(app: Application, path: str = "/", notes: list[str] | None = None, **scope: Any) -> Seen:
    """Send a request as a server does, and return when the application has returned."""
    seen = Seen(notes if notes is not None else [])
    whole: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"example.org")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        **scope,
    }
    try:
        await asyncio.create_task(app(whole, seen.receive, seen.send))  # each request has a context of its own
    except Exception as error:
        seen.error = error
    seen.notes.append("over")
    return seen


def wrapped(*routes: BaseRoute, **options: Any) -> Application:
    """Return an application of Starlette inside the middleware."""
    return QueueMiddleware(Starlette(routes=list(routes)), **options)


@asynccontextmanager
async def served(app: Application) -> AsyncGenerator[None]:
    """Start and stop an application as a server does."""
    started, stop, ended = anyio.Event(), anyio.Event(), list[str]()

    async def receive() -> Mapping[str, Any]:
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set()
        else:
            ended.append(message["type"])

    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    await started.wait()
    yield
    stop.set()
    await task
    assert ended == ["lifespan.shutdown.complete"]
