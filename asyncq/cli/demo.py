"""`asyncq demo`: a queue at work on this machine's own standard library, from the dispatch to what failed."""

from __future__ import annotations

import asyncio
import builtins
import fcntl
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn
from urllib.parse import quote

from asyncq.cli.failures import FAILED
from asyncq.cli.interrupts import Interrupts, noted
from asyncq.cli.output import say
from asyncq.cli.progress import Show, progress
from asyncq.config import Connection, plain_environment, project_root
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.errors import AsyncqError
from asyncq.records import FailedJob

__all__ = ["DemoBroken", "Interrupted", "Workers", "demo"]

QUEUE: Final = "default"
WORK: Final = ("work", "--concurrency", "50", "--processes", "2")
STOP_SECONDS: Final = 45.0
"""How long the workers may take to end; more than they give their jobs."""
STALLED_SECONDS: Final = 120.0
LOOK_EVERY: Final = 0.2
INTERRUPTED: Final = 130
_PARSING: Final = (SyntaxError, ValueError, RecursionError, MemoryError, OSError)
"""What a file raises that cannot be read or parsed; any other error is a failure of the demo itself."""
_UNCUT: Final = 10_000
_DRAFT: Final = '"""Half of a module."""\n\n\ndef unfinished(:\n'


class DemoBroken(AsyncqError):
    """The demo cannot go on."""


class Interrupted(Exception):
    """A signal came while the workers ran. No KeyboardInterrupt: raised in a task, asyncio logs it as an error too."""


def demo(folders: Sequence[Path] = ()) -> int:
    """Index the folders, by default the standard library.

    Returns 0 where every job was done or failed as it should, 1 where one did not, 130 after Ctrl-C.

    Raises:
        DemoBroken: a step did not do what it should.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            return _play(_fresh_project(stack), [str(folder.resolve()) for folder in folders])
    except (KeyboardInterrupt, Interrupted):
        say("\nstopped")
        return INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _play(project: Path, folders: Sequence[str]) -> int:
    print(f"A fresh project, with one kind of job: it reads a Python file and counts what is in it.\n\n  {project}")
    count = _dispatch(project, *folders) + _dispatch(project, "drafts")
    _show("asyncq", *WORK)
    started = time.monotonic()
    with noted() as interrupts, _workers(project, interrupts) as workers:
        failed = asyncio.run(_follow(project, workers, count))
        seconds = time.monotonic() - started
    _heed(interrupts)
    _show("python", "index.py", "--summary")
    _run(project, "index.py", "--summary")
    code = _judge(project, count, failed, seconds)
    _tell_reasons(failed)
    _tell_next_steps(project, failed)
    return code


# --- the project -----------------------------------------------------------------------------------------------------


def _fresh_project(stack: ExitStack) -> Path:
    """Make it in `.asyncq` of the project we are in; in a temporary folder where we may not, or another demo runs."""
    home = project_root() / ".asyncq"
    try:
        home.mkdir(exist_ok=True)
        lock = stack.enter_context((home / "demo.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _furnish(home / "demo")
    except OSError:
        return _furnish(Path(tempfile.mkdtemp(prefix="asyncq-demo-")) / "demo")


def _furnish(project: Path) -> Path:
    if project.exists():
        shutil.rmtree(project)
    (project / "drafts").mkdir(parents=True)
    (project / "drafts" / "unfinished.py").write_text(_DRAFT)
    (project / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "0"\n')
    for name in ("jobs.py", "index.py"):
        shutil.copyfile(_example() / name, project / name)
    return project


def _example() -> Path:
    """Return where the example is: beside this file in a wheel, below `docs` in a checkout."""
    packed = Path(__file__).with_name("example")
    return packed if packed.is_dir() else Path(__file__).parents[2] / "docs" / "examples" / "index_stdlib"


# --- its commands ----------------------------------------------------------------------------------------------------


def _show(*command: str) -> None:
    print(f"\n$ {shlex.join(command)}", flush=True)


def _run(project: Path, *arguments: str, stdout: int | None = None) -> str:
    """Run Python in the project, on our stdout or the one given; answers what it wrote to a pipe."""
    command = [sys.executable, *arguments]
    # Python itself, on the example's own files.
    done = subprocess.run(command, cwd=project, env=plain_environment(), stdout=stdout, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise DemoBroken(f"{shlex.join(command)} ended with code {done.returncode} in {project}")
    return done.stdout or ""


def _dispatch(project: Path, *folders: str) -> int:
    """Dispatch a job for each file of the folders, and return how many there are."""
    _show("python", "index.py", *folders)
    answer = _run(project, "index.py", *folders, stdout=subprocess.PIPE)
    print(answer, end="", flush=True)
    return int(answer.split()[0])


class Workers:
    """The process of the workers, and the signals that reached us while they ran."""

    def __init__(self, process: subprocess.Popen[bytes], interrupts: Interrupts) -> None:
        self._process = process
        self._interrupts = interrupts

    def check(self, left: int) -> None:
        """Raise what keeps the demo from going on."""
        _heed(self._interrupts)
        if left and (code := self._process.poll()) is not None:
            raise DemoBroken(f"the workers ended with code {code}; see worker.log in the project")

    def stop(self) -> None:
        """Let them end by themselves, unless that takes too long or another signal comes."""
        # Once it is killed, the processes below it notice, and end by themselves.
        self._interrupts.end(self._process, STOP_SECONDS, told=self._interrupts.count, again=self._process.kill)


def _heed(interrupts: Interrupts) -> None:
    if interrupts.is_set():
        raise Interrupted


@contextmanager
def _workers(project: Path, interrupts: Interrupts) -> Generator[Workers]:
    """Run workers while the block lasts. In a session of their own: a Ctrl-C reaches only us, and we stop them."""
    with (project / "worker.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  as above
            [sys.executable, "-m", "asyncq", *WORK],
            cwd=project,
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        workers = Workers(process, interrupts)
        try:
            yield workers
        finally:
            workers.stop()


# --- what becomes of the jobs ----------------------------------------------------------------------------------------


async def _follow(project: Path, workers: Workers, count: int) -> Sequence[FailedJob]:
    """Show the progress until no job is left, delayed ones included, and return those that failed for good.

    `--stop-when-empty` would not do: it leaves jobs that wait for their next attempt.
    """
    url = f"sqlite:///{quote(str(project / '.asyncq' / 'queue.db'))}"
    async with connect(Connection(url), name="default") as driver:
        with progress(count) as show:
            await _until_empty(driver, workers, count, show)
        store = driver.stores.failed
        return () if store is None else (await store.page(limit=count)).items


async def _until_empty(driver: Driver, workers: Workers, count: int, show: Show) -> None:
    left, moved_at = -1, time.monotonic()
    while left:
        await asyncio.sleep(LOOK_EVERY)
        size = (await driver.sizes([QUEUE]))[QUEUE]
        if size.total != left:
            left, moved_at = size.total, time.monotonic()
        show(count - left, size.delayed)
        workers.check(left)
        if time.monotonic() - moved_at > STALLED_SECONDS:
            raise DemoBroken(f"no job has ended for {STALLED_SECONDS:g} s; see worker.log in the project")


def _judge(project: Path, count: int, failed: Sequence[FailedJob], seconds: float) -> int:
    with closing(sqlite3.connect(project / "index.db")) as index:
        done, attempts = index.execute("select count(*), total(attempts) from files").fetchone()
    attempts += sum(job.attempts for job in failed)
    print(
        f"\n{count} jobs took {seconds:.1f} s, {count / seconds:.0f} a second, the start of the workers and the waits "
        f"before\nretries included: {done} were done and {len(failed)} failed, in {attempts:.0f} attempts."
    )
    lost = count - done - len(failed)
    odd = [job for job in failed if not _is_parsing(job)]
    if lost:
        say(f"error: {lost} jobs are neither done nor failed")
    for job in odd:
        say(f"error: {job.id} failed for another reason than its file: {job.error}")
    return FAILED if lost or odd else 0


def _tell_reasons(failed: Sequence[FailedJob]) -> None:
    """One line each, cut to the terminal: `asyncq failed` shows more than a narrow terminal can hold."""
    print("\nThese failed, each after its last attempt:\n")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNCUT
    for job in failed:
        line = f"  {job.attempts} attempts  {job.error}"
        print(line if len(line) <= width else line[: width - 1] + "…")


def _is_parsing(job: FailedJob) -> bool:
    kind = getattr(builtins, job.error.partition(":")[0], None)
    return isinstance(kind, type) and issubclass(kind, _PARSING)


def _tell_next_steps(project: Path, failed: Sequence[FailedJob]) -> None:
    draft = next((job.id for job in failed if "unfinished.py" in job.error), None)
    if draft is None:
        return
    python = shlex.quote(sys.executable)
    print(
        "\nA job that failed stays, with its error and its arguments. List them, mend a file, and retry its job:\n\n"
        f"  cd {shlex.quote(str(project))}\n"
        f"  {python} -m asyncq failed\n"
        "  echo 'finished = True' > drafts/unfinished.py\n"
        f"  {python} -m asyncq retry {draft}\n"
        f"  {python} -m asyncq work --stop-when-empty\n\n"
        "The log of the workers is in worker.log, the jobs are in jobs.py."
    )
