"""Where a project keeps its modules, and which of them can be imported without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asyncq.importing import shadows
from asyncq.source import defines_jobs, mentions, runs_at_import, runs_program

__all__ = ["Layout", "Source"]

_APP_FILES: Final = ("queues.py", "worker.py", "main.py", "app.py", "api.py")
_GUARD: Final = 'put that under `if __name__ == "__main__":`'
_NOT_OURS: Final = {"build", "dist", "docs", "migrations", "node_modules", "site-packages", "venv"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the project, and the name that it has as a module."""

    path: Path
    module: str


class Layout:
    """Where a project keeps its modules. `notes` collects the files that were passed over."""

    def __init__(self, root: Path, bases: list[Path]) -> None:
        self._root = root
        self._bases = bases
        self.notes: list[str] = []

    def app_files(self) -> Iterator[Source]:
        """Yield the files where an app is expected, the likeliest first."""
        folders = [*self._bases, *(base / "app" for base in self._bases), *self._packages()]
        for folder in dict.fromkeys(folders):
            for name in _APP_FILES:
                yield from self._source(folder / name)
        for package in self._packages():
            yield from self._source(package / "__init__.py")

    def job_files(self) -> Iterator[Source]:
        """Yield `jobs.py`, `jobs/*.py` and `tasks.py` of the root, of `src/`, of `app/` and of every package below."""
        folders = [*self._bases, *(base / "app" for base in self._bases), *self._packages(deep=True)]
        for folder in dict.fromkeys(folders):
            names = [folder / "jobs.py", *sorted((folder / "jobs").glob("*.py")), folder / "tasks.py"]
            for path in names:
                if not path.name.startswith("test"):
                    yield from self._source(path)

    def importable(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Pass on what mentions asyncq and can be imported without harm; note the rest."""
        for source in sources:
            if not mentions(source.path):
                continue
            reason = self._harm(source, runs_program)
            if reason is None:
                yield source
            else:
                self._note(source, f"was not imported: {reason}")

    def scripts(self, known: Sequence[str]) -> Iterator[Source]:
        """Yield what defines jobs under another name: files of the root and of `src/`, and those where an app may be.

        `known` are modules that are imported already.
        """
        for source in dict.fromkeys([*self.app_files(), *self._files()]):
            if source.module in {*known, "conftest"} or not mentions(source.path) or not defines_jobs(source.path):
                continue
            expected = source.path.name in _APP_FILES
            reason = self._harm(source, runs_program if expected else runs_at_import)
            if reason is None:
                yield source
            elif expected:
                self._note(source, f"was not imported: {reason}")
            else:
                self._note(source, f"defines jobs and was not imported: {reason}, or name it in jobs of [tool.asyncq]")

    def _files(self) -> Iterator[Source]:
        for base in self._bases:
            for path in sorted(base.glob("*.py")):
                if not path.name.startswith("test"):
                    yield from self._source(path)

    def _note(self, source: Source, text: str) -> None:
        note = f"{source.path.relative_to(self._root)} {text}"
        self.notes += [note] if note not in self.notes else []

    def _harm(self, source: Source, runs: Callable[[Path], str | None]) -> str | None:
        if shadows(source.module):
            return f"the standard library has a module {source.module.partition('.')[0]!r}; rename it"
        run = runs(source.path)
        return None if run is None else f"{run}; {_GUARD}"

    def _source(self, path: Path) -> Iterator[Source]:
        if not path.is_file():
            return
        base = next(base for base in reversed(self._bases) if path.is_relative_to(base))
        parts = path.relative_to(base).with_suffix("").parts
        yield Source(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))

    def _packages(self, *, deep: bool = False) -> list[Path]:
        """Return the packages right below the bases; with `deep`, the packages inside them too."""
        found: list[Path] = []
        for base in self._bases:
            for folder in _folders(base):
                found += _walk(folder) if deep else [folder]
        return found


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    for child in _folders(folder):
        yield from _walk(child)


def _folders(parent: Path) -> list[Path]:
    """Return the packages right below a folder, without tests and what others put there."""
    return sorted(
        child
        for child in parent.iterdir()
        if (child / "__init__.py").is_file()
        and child.name not in _NOT_OURS
        and not child.name.startswith((".", "test"))
        and child.name != "src"
    )
