"""The code blocks of a documentation page, found and run.

The info string of a block says what happens to it:

    python                  run, in the order and the namespace of its page; top-level await works
    python no-run           compiled only, also where it names a file
    python file=shop/jobs.py    written to that file of the page's project, so that later blocks can import it
    sh, console             syntax checked
    sh run, console run     run in the page's project
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from tests.support.root import ROOT

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`\n]*)$")
KNOWN_WORDS = {
    "python": re.compile(r"no-run|file=[\w./-]+\.py"),
    "sh": re.compile(r"run"),
    "console": re.compile(r"run"),
}
SHELL = ("bash", "-euo", "pipefail")


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    line: int
    """Where the first line of the code stands."""
    language: str
    words: Sequence[str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(page: Path) -> list[Block]:
    """All blocks of the page that this module knows how to check."""
    found = [block for block in _all_blocks(page) if block.language in KNOWN_WORDS]
    for block in found:
        unknown = [word for word in block.words if not KNOWN_WORDS[block.language].fullmatch(word)]
        if unknown:
            raise ValueError(f"{block.place}: a {block.language} block may not say {' '.join(unknown)!r}")
    return found


def _all_blocks(page: Path) -> Iterator[Block]:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        language, *words = opening["info"].split() or [""]
        code: list[str] = []
        for _, inner in lines:
            if inner.strip() == opening["fence"]:
                break
            code.append(inner)
        else:
            raise ValueError(f"{page}:{number}: the block has no end")
        yield Block(str(page), number + 1, language, tuple(words), textwrap.dedent("\n".join(code)) + "\n")


def run_page(page: Path, project: Path, *, time_limit: float) -> subprocess.CompletedProcess[str]:
    """Check and run the page's blocks in a process of its own, with `project` as its project folder."""
    (project / "pyproject.toml").write_text('[project]\nname = "page"\nversion = "0"\n')
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", __name__],
        input=json.dumps({"project": str(project), "blocks": [asdict(block) for block in blocks(page)]}),
        text=True,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=time_limit,
        check=False,
    )


def _environment() -> dict[str, str]:
    """Ours, with the project's Python first, without settings that would change what a page shows."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCQ_")}
    path = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
    return {**kept, "PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT)}


class _RawBlock(TypedDict):
    page: str
    line: int
    language: str
    words: list[str]
    text: str


class _Order(TypedDict):
    project: str
    blocks: list[_RawBlock]


class _Player:
    """Runs blocks one after another, as one program."""

    def __init__(self, project: Path) -> None:
        self.project = project
        # `__main__`, as for a file that a reader pastes the blocks into.
        self.module = types.ModuleType("__main__")
        self.module.__file__ = str(project / "page.py")
        self.runner = asyncio.Runner()

    def play(self, block: Block) -> None:
        match block.language:
            case "python":
                self._python(block)
            case "console":
                self._shell(block, _typed(block.text))
            case _:
                self._shell(block, block.text)

    def _python(self, block: Block) -> None:
        # Empty lines above: an error names the line of the page.
        source = "\n" * (block.line - 1) + block.text
        code = compile(source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if "no-run" in block.words:
            return
        if block.file is not None:
            target = self.project / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif code.co_flags & inspect.CO_COROUTINE:
            # One runner for the page: what a block leaves open, the next one may use.
            self.runner.run(eval(code, self.module.__dict__))  # noqa: S307 -- the page's own code is what we are here to run
        else:
            exec(code, self.module.__dict__)  # noqa: S102 -- as above; outside the loop, so that it may call asyncio.run

    def _shell(self, block: Block, text: str) -> None:
        check = [*SHELL] if "run" in block.words else [*SHELL, "-n"]
        done = subprocess.run([*check, "-c", text], cwd=self.project, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(f"{block.place}: bash exited with {done.returncode}")


def _typed(text: str) -> str:
    """What the reader types: the lines after `$ `, without the answers."""
    return "".join(line.removeprefix("$ ") + "\n" for line in text.splitlines() if line.startswith("$ "))


@contextmanager
def _nothing_forgotten() -> Generator[None, None, None]:
    """A coroutine that was never awaited is an error, but Python only prints it: it is noticed in a destructor."""
    forgotten: list[object] = []

    def notice(unraisable: sys.UnraisableHookArgs, /) -> None:
        # Only a note: to keep the object would bring it back to life.
        forgotten.append(str(unraisable.exc_value))
        sys.__unraisablehook__(unraisable)

    sys.unraisablehook = notice
    yield
    gc.collect()
    if forgotten:
        raise SystemExit(f"the page leaves something behind: {forgotten}")


def _main() -> None:
    order: _Order = json.loads(sys.stdin.read())
    project = Path(order["project"])
    player = _Player(project)
    sys.modules["__main__"] = player.module
    sys.path.insert(0, str(project))
    os.chdir(project)
    with player.runner, _nothing_forgotten():
        for raw in order["blocks"]:
            player.play(Block(**raw))


if __name__ == "__main__":
    _main()
