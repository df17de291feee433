"""What a web application adds to itself for `dispatch_after_response` and `deferred://`.

It works with Starlette, FastAPI, Litestar and whatever else speaks ASGI, and imports none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from asyncq.clock import Seconds, seconds
from asyncq.current import current_response
from asyncq.errors import WrongValue
from asyncq.response import Response

if TYPE_CHECKING:
    from asyncq.aside import Aside

__all__ = ["QueueMiddleware"]

# Any: each framework has types of its own for the scope and the messages, which fit no others.
Application = Callable[[Any, Any, Any], Awaitable[None]]

MARK: Final = "asyncq.response"
"""Key of the scope of a request that has a middleware around it already, such as that of a mounted application."""
_LAST_WORDS: Final = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})


class QueueMiddleware:
    """ASGI middleware: jobs of `dispatch_after_response` and of `deferred://` run when the response has gone out.

    They begin when the application has returned, so after its own background tasks and the clean-up of its
    dependencies, and run in tasks of the queue's: no client waits for them, and none that goes away cancels them. Where
    the application raised before it began to answer they are dropped, with a warning that names them. At the end of the
    server they have `grace` seconds to end; what has not ended then is cancelled and named in the log.

    `api.add_middleware(QueueMiddleware)` in Starlette and FastAPI, `Litestar(middleware=[QueueMiddleware])`, or
    `QueueMiddleware(app)` around any other application.

    Raises:
        WrongType, WrongValue: the grace is no number of seconds, 0 or more.
    """

    def __init__(self, app: Application, *, grace: Seconds = 20.0) -> None:
        self.app = app
        self._grace = seconds(grace, "QueueMiddleware: grace")
        if self._grace < 0:
            raise WrongValue(f"QueueMiddleware: grace={grace!r} must be 0 or more")
        self._asides: WeakSet[Aside] = WeakSet()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and MARK not in scope:
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        response = scope[MARK] = Response(self._grace)
        begun = False

        async def watched(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        token = current_response.set(response)
        try:
            await self.app(scope, receive, watched)
        finally:
            current_response.reset(token)
            del scope[MARK]
            self._asides.update(response.end(answered=begun))

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the graces begin with the end of the server, and wait for jobs that no lifespan of an app waits for."""

        async def heard() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                for aside in self._asides:
                    aside.stop()
            return message

        async def said(message: Any) -> None:
            if message["type"] in _LAST_WORDS:
                for aside in list(self._asides):
                    await aside.drain()
            await send(message)

        await self.app(scope, heard, said)
