"""Signs of life of workers, and whether they are well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from asyncq.cli.failures import FAILED
from asyncq.cli.output import write_json
from asyncq.cli.session import with_engine
from asyncq.contracts import Driver
from asyncq.wiring import Engine
from asyncq.worker.control import BEAT_LIFE, beat_name

__all__ = ["Heartbeat", "beats_of", "check_health", "heartbeats"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker said of itself last."""

    connection: str
    name: str
    at: float
    state: dict[str, Any]

    @property
    def illness(self) -> str | None:
        """Why the worker is not well; None where it is."""
        if not self.state.get("ready", False):
            return f"worker {self.name} takes no jobs: it drains, or its broker does not answer"
        stuck = int(self.state.get("stuck", 0))
        if stuck:
            return (
                f"worker {self.name} has lost {stuck} of {self.state.get('concurrency')} slots to jobs that never end"
            )
        return None


async def heartbeats(engine: Engine) -> Sequence[Heartbeat]:
    """Return the workers of all connections that gave a sign of life lately."""
    return [beat for driver in engine.drivers.values() for beat in await beats_of(driver)]


async def beats_of(driver: Driver) -> Sequence[Heartbeat]:
    """Return the workers of one connection that gave a sign of life lately."""
    prefix = beat_name("")
    signals = await driver.stores.signals.page(prefix) if driver.stores.signals is not None else ()
    return [
        Heartbeat(driver.name, signal.name.removeprefix(prefix), signal.at, orjson.loads(signal.value))
        for signal in signals
    ]


def check_health(asked: str | None, name: str | None, *, as_json: bool) -> int:
    """Say whether the workers are well, or the one of this name (or its processes); returns 0 or 1."""
    beats = with_engine(asked, heartbeats)
    mine = [beat for beat in beats if name is None or _is_called(beat, name)]
    reasons = _reasons(beats, mine, name)
    if as_json:
        workers = [{**beat.state, "well": beat.illness is None} for beat in mine]
        write_json({"healthy": not reasons, "reasons": reasons, "workers": workers})
    else:
        print(f"unhealthy: {'; '.join(reasons)}" if reasons else f"healthy: {', '.join(beat.name for beat in mine)}")
    return FAILED if reasons else 0


def _is_called(beat: Heartbeat, name: str) -> bool:
    """Say whether a worker has the name, or is one of `--processes` that has its own number behind it."""
    return beat.name == name or (beat.name.startswith(f"{name}-") and beat.name.removeprefix(f"{name}-").isdigit())


def _reasons(beats: Sequence[Heartbeat], mine: Sequence[Heartbeat], name: str | None) -> list[str]:
    if mine:
        return [beat.illness for beat in mine if beat.illness is not None]
    if name is None or not beats:
        return [f"no worker has given a sign of life in the last {BEAT_LIFE:g} s"]
    others = ", ".join(beat.name for beat in beats)
    return [f"no worker called {name} has given a sign of life in the last {BEAT_LIFE:g} s; there are {others}"]
