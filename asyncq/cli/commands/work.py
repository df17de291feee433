# over budget: work: one line for each option
"""`asyncq work` and `asyncq listen`."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, Connection, finite

__all__ = ["add_to"]

LISTEN: Final = (
    "Run jobs as `work` does, and start anew when code changes.\n\n"
    "For development: the worker is a process of its own, which gets --grace to end its jobs before the new one starts."
)


def add_to(line: Line) -> None:
    """Add the commands. They are one function, so that no option can be forgotten in one of them."""
    line.add(work, "work")
    line.add(work, "listen", help=LISTEN)


def work(
    *,
    context: typer.Context,
    connection: Connection = None,
    queue: Annotated[
        list[str], typer.Option(metavar="NAME[:N],…", help="By priority; N: at most so many at once.")
    ] = [],  # noqa: B006
    concurrency: Annotated[int, typer.Option(min=1, help="Jobs at once in a process.")] = 50,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after one job.")] = False,
    stop_when_empty: Annotated[bool, typer.Option("--stop-when-empty", help="End when nothing is due.")] = False,
    stop_when_empty_for: Annotated[
        float, typer.Option(min=0, callback=finite, help="End when nothing was due for so long.")
    ] = 0.0,
    max_jobs: Annotated[int, typer.Option(min=0, help="End after so many jobs.")] = 0,
    max_time: Annotated[float, typer.Option(min=0, callback=finite, help="End after so many seconds.")] = 0.0,
    memory: Annotated[float, typer.Option(min=0, callback=finite, help="End with code 12 at so many MB.")] = 0.0,
    sleep: Annotated[float, typer.Option(min=0, callback=finite, help="Longest wait between looks.")] = 3.0,
    rest: Annotated[float, typer.Option(min=0, callback=finite, help="Pause of a slot after each job.")] = 0.0,
    timeout: Annotated[
        float, typer.Option(min=0, callback=finite, help="Seconds for a job that says nothing itself.")
    ] = 60.0,
    tries: Annotated[int, typer.Option(min=0, help="Attempts for a job that says nothing; 0: no limit.")] = 1,
    backoff: Annotated[str, typer.Option(metavar="S[,S…]", help="Seconds before the next attempts.")] = "0",
    delay: Annotated[float, typer.Option(min=0, callback=finite, help="Old name of --backoff; the larger wins.")] = 0.0,
    grace: Annotated[
        float, typer.Option(min=0, callback=finite, help="Seconds that running jobs get at the end.")
    ] = 20.0,
    prefetch: Annotated[int | None, typer.Option(min=0, help="Jobs leased beyond the free slots.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Work although the queues are paused.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the worker; by default host and process.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log JSON lines, to stdout.")] = False,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when code changes.")] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Log each job; -vv: log everything.")] = 0,
    app: App = None,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Run the jobs of a connection until something ends it."""
    from asyncq.cli.working import WorkCall, run_work, worker_options

    options = worker_options(
        connection=connection, queue=queue, concurrency=concurrency, once=once, stop_when_empty=stop_when_empty,
        stop_when_empty_for=stop_when_empty_for, max_jobs=max_jobs, max_time=max_time, memory=memory, sleep=sleep,
        rest=rest, timeout=timeout, tries=tries, backoff=backoff, delay=delay, grace=grace, prefetch=prefetch,
        force=force, name=name, is_child=child,
    )  # fmt: skip
    call = WorkCall(app, options, processes, as_json, reload or context.info_name == "listen", verbose, child)
    raise typer.Exit(run_work(call, sys.argv[2:]))
