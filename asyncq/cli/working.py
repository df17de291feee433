"""Starts a worker: what the options of `asyncq work` mean, and what it says at its start."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncq.cli import logs
from asyncq.cli.failures import UsageError
from asyncq.cli.output import say
from asyncq.cli.places import queues_to_read
from asyncq.cli.waiting import left_waiting
from asyncq.config import mask
from asyncq.discovery import Found, discover
from asyncq.drivers import connect
from asyncq.errors import ConfigError
from asyncq.job import Job
from asyncq.worker.options import QueueSpec, WorkerOptions, parse_queues

__all__ = ["WorkCall", "run_work"]


@dataclass(frozen=True, slots=True)
class WorkCall:
    """What the command line said."""

    app: str | None
    options: WorkerOptions
    processes: int = 1
    as_json: bool = False
    reload: bool = False
    verbosity: int = 0
    is_child: bool = False
    """True in a process that another `asyncq work` has started; the parent has said already what there is to say."""


def worker_options(
    *, queue: Sequence[str], backoff: str, delay: float, name: str | None, is_child: bool, **plain: Any
) -> WorkerOptions:
    """Make the options of a worker from those of the command line.

    Raises:
        UsageError: a value cannot be used.
    """
    try:
        return WorkerOptions(
            queues=parse_queues(queue),
            backoff=_backoff(backoff, delay),
            name=_worker_name(name, is_child=is_child),
            **plain,
        )
    except ConfigError as error:
        raise UsageError(str(error)) from error


def _worker_name(name: str | None, *, is_child: bool) -> str:
    """Return a name that no sibling has, since heartbeats are kept by name."""
    if name is None:
        return f"{socket.gethostname()}-{os.getpid()}"
    return f"{name}-{os.getpid()}" if is_child else name


def _backoff(text: str, delay: float) -> tuple[float, ...]:
    """Read `1,5,30`. `--delay` is the old name of the same; the larger of the two wins."""
    try:
        steps = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--backoff={text}: write seconds, or several with commas: 1,5,30") from None
    if not all(0 <= step < float("inf") for step in steps):
        raise UsageError(f"--backoff={text}: seconds are 0 or more, and finite")
    return (delay,) if delay > max(steps) else steps


def run_work(call: WorkCall, arguments: Sequence[str]) -> int:
    """Work until something ends it, and return the exit code. `arguments` are those of the command itself."""
    logs.configure(as_json=call.as_json, verbosity=call.verbosity)
    if call.reload:
        from asyncq.cli.reloading import run_reloading

        return run_reloading(without_option(arguments, "--reload"), call.options.grace)
    found = discover(call.app)
    _check(found, call.options)
    if not call.is_child:
        _announce(found, call)
    if call.processes > 1:
        from asyncq.worker.processes import run_processes

        # In front: behind a `--` it would be an argument.
        child = ["--child", *without_option(arguments, "--processes", takes_value=True)]
        return run_processes(child, call.processes, call.options.grace)
    if call.verbosity:
        _tell_each_job(found, call)
    from asyncq.worker.process import run_process

    return run_process(found.app, call.options)


def _tell_each_job(found: Found, call: WorkCall) -> None:
    """Show a short line on a terminal, where a log is hard to read; log two anywhere else."""
    if call.verbosity == 1 and not call.as_json and sys.stderr.isatty():
        from asyncq.cli.ticker import show_jobs

        show_jobs(found.app)
    else:
        logs.log_jobs(found.app)


def without_option(arguments: Sequence[str], name: str, *, takes_value: bool = False) -> list[str]:
    """Return the arguments without an option, and without its value where that is an argument of its own."""
    kept: list[str] = []
    skip = False
    for item in arguments:
        if skip or item == name or item.startswith(f"{name}="):
            skip = not skip and item == name and takes_value
        else:
            kept.append(item)
    return kept


def _check(found: Found, options: WorkerOptions) -> None:
    """Refuse a connection whose jobs no other process could have put there."""
    name = options.connection or found.app.default
    connection = found.app.connections.get(name)
    if connection is None:
        known = ", ".join(map(repr, found.app.connections))
        raise ConfigError(f"no connection is called {name!r}; there are {known}")
    traits = connect(connection, name=name).traits
    if traits.runs_inline or traits.discards:
        raise ConfigError(f"connection {name!r} ({mask(connection.url)}) keeps no jobs, so there is nothing to work on")
    if not traits.shared:
        raise ConfigError(
            f"connection {name!r} ({mask(connection.url)}) is known only inside the process that dispatches; work "
            "there with `async with app.worker():`, or use a queue that processes share, for example sqlite:///queue.db"
        )


def _announce(found: Found, call: WorkCall) -> None:
    facts = _facts(found, call)
    if call.as_json:
        logs.to_stream(facts, "asyncq works")
        return
    say("asyncq works")
    for key, value in facts.items():
        for line in value if key == "notes" else [value]:
            say(f"  {'note' if key == 'notes' else key:<12} {line}")


def _facts(found: Found, call: WorkCall) -> dict[str, Any]:
    app, options = found.app, call.options
    name = options.connection or app.default
    specs = options.queues or tuple(map(QueueSpec, queues_to_read(app, name)))
    types = set(app.registry.load().values())
    notes = [*found.notes, *left_waiting(app, name, [item.name for item in specs])]
    if not types:
        notes.append("no jobs were found; name their modules: jobs = [...] in [tool.asyncq], or AsyncQ(jobs=[...])")
    if options.force:
        notes.append("--force: pauses are ignored")
    return {
        "project": str(found.project.root),
        "app": found.origin,
        "jobs": f"{len(types)} from {', '.join(sorted(_places(types, found.project.root))) or 'nowhere'}",
        "connection": f"{name} {mask(app.connections[name].url)}",
        "queues": ", ".join(item.name if item.limit is None else f"{item.name}:{item.limit}" for item in specs),
        "concurrency": f"{options.concurrency} jobs at once in {call.processes} process"
        + ("es" if call.processes > 1 else ""),
        "notes": notes,
    }


def _places(types: Iterable[type[Job]], root: Path) -> Iterator[str]:
    """Yield the modules of jobs, each with its file as seen from the project."""
    for name in {cls.__module__ for cls in types}:
        file = getattr(sys.modules.get(name), "__file__", None)
        path = Path(file) if file else None
        yield name if path is None else f"{name} ({path.relative_to(root) if path.is_relative_to(root) else path})"
