"""What tests of an application use: a fake queue, one run of a job, a clock that is turned by hand."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncq.testing.outcome import RunOutcome
    from asyncq.testing.play import drain
    from asyncq.testing.queue_fake import QueueFake, fake
    from asyncq.testing.record import Dispatched
    from asyncq.testing.single import run
    from asyncq.testing.turnable_clock import TurnableClock, clock

__all__ = ["Dispatched", "QueueFake", "RunOutcome", "TurnableClock", "clock", "drain", "fake", "run"]

_HOMES = {
    "Dispatched": "record",
    "QueueFake": "queue_fake",
    "RunOutcome": "outcome",
    "TurnableClock": "turnable_clock",
    "clock": "turnable_clock",
    "drain": "play",
    "fake": "queue_fake",
    "run": "single",
}


def __getattr__(name: str) -> Any:
    """Load a part when it is first asked for: pytest imports this package at each of its starts."""
    if name not in _HOMES:
        raise AttributeError(f"module 'asyncq.testing' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"asyncq.testing.{_HOMES[name]}"), name)
    return found
