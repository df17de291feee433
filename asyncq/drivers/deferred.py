"""The driver whose jobs run in this process when the response has gone out from which they were pushed."""

from __future__ import annotations

from typing import ClassVar

from asyncq.drivers.background import BackgroundDriver

__all__ = ["DeferredDriver"]


class DeferredDriver(BackgroundDriver):
    """Has jobs wait for the response of a web application with `asyncq.asgi.QueueMiddleware`.

    They run one after another, and not at all where the request was not answered. What is pushed elsewhere runs at
    once, as on `background://`.
    """

    after_response: ClassVar[bool] = True
