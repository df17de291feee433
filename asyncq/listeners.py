"""Who listens to which event."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from asyncq.errors import WrongType
from asyncq.events import Event

__all__ = ["Listeners"]

E = TypeVar("E", bound=Event)
_log = logging.getLogger("asyncq.events")


class Listeners:
    """Callables by event type. A listener's error is logged and changes nothing."""

    def __init__(self) -> None:
        self._by_type: dict[type[Event], tuple[Callable[[Any], Any], ...]] = {}
        self.active = False
        """True as soon as anybody listens to anything; guards the making of events."""

    def add(self, kind: type[E], listener: Callable[[E], Any]) -> None:
        """Call `listener` with each event of this type, or with all events for `Event` itself.

        Raises:
            WrongType: it is no type of event, or the listener cannot be called.
        """
        _check(kind, listener)
        self._by_type[kind] = (*self._by_type.get(kind, ()), listener)
        self.active = True

    def wants(self, *kinds: type[Event]) -> bool:
        """Say whether anybody listens to one of these types."""
        return self.active and (Event in self._by_type or any(kind in self._by_type for kind in kinds))

    async def emit(self, event: Event) -> bool:
        """Tell the listeners, in the order in which they came; False where one of them answered False."""
        allowed = True
        for listener in (*self._by_type.get(type(event), ()), *self._by_type.get(Event, ())):
            try:
                answer = listener(event)
                if inspect.isawaitable(answer):
                    answer = await answer
                allowed = allowed and answer is not False
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                _log.exception("a listener of %s failed: %r", type(event).__name__, listener)
        return allowed


def _check(kind: Any, listener: Any) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise WrongType(f"app.on takes a type of event, such as asyncq.events.JobFailed, not {kind!r}")
    if not callable(listener):
        raise WrongType(f"a listener of {kind.__name__} is a function that takes the event, not {listener!r}")


def _is_cancelled() -> bool:
    """Tell a task that is cancelled from a listener that raised CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
