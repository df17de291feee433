"""A server that tells the plan of each statement it runs, also of those inside functions, and how much they read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio

from tests.support.postgres import PostgresServer

__all__ = ["CONFIG", "Plan", "plans_of"]

CONFIG = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_parameter_max_length": "0",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class Plan:
    """How one statement was run."""

    statement: str
    tree: dict[str, Any]

    @property
    def reads(self) -> set[str]:
        """Which index, or else which table, was read; `seq jobs` for all of a table."""
        return {_told(node) for node in _nodes(self.tree) if "Scan" in node["Node Type"] and _told(node)}

    @property
    def blocks(self) -> int:
        """How many blocks were looked at, those of the statements inside included."""
        return int(self.tree["Shared Hit Blocks"] + self.tree["Shared Read Blocks"])

    @property
    def sorts(self) -> list[int]:
        """How many rows were sorted, for each time that it was done."""
        return [int(node["Actual Rows"]) for node in _nodes(self.tree) if "Sort" in node["Node Type"]]


async def plans_of(server: PostgresServer, call: Callable[[], Awaitable[object]]) -> list[Plan]:
    """Return the plans of the statements that a call has the server run, those inside before those around them."""
    before = len(server.log)
    await call()
    with anyio.fail_after(10):
        while (plans := _plans(server.log[before:])) is None:  # noqa: ASYNC110 - a log has no event
            await anyio.sleep(0.01)
    return plans


def _plans(log: str) -> list[Plan] | None:
    """Read the plans; None while the server is writing one: a notification runs beside the call that caused it."""
    parts = log.replace("\n\t", "\n").split(" plan:\n")[1:]
    try:
        found = [json.JSONDecoder().raw_decode(part.lstrip())[0] for part in parts]
    except json.JSONDecodeError:
        return None
    return [Plan(" ".join(plan["Query Text"].split()), plan["Plan"]) for plan in found]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _told(node: dict[str, Any]) -> str:
    table = node.get("Relation Name", "")
    if node["Node Type"] == "Seq Scan":
        return f"seq {table}"
    return str(node.get("Index Name", ""))
