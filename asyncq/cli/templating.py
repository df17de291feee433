"""The templates of `asyncq make`: those of the project win over our own."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from asyncq.errors import ConfigError

__all__ = ["FOLDER", "KINDS", "own_template", "publish", "render"]

FOLDER: Final = "asyncq_templates"
"""Below the project's root, and not in `.asyncq`, which no repository keeps."""
KINDS: Final = ("job", "middleware", "test")


def render(root: Path, kind: str, words: Mapping[str, str]) -> str:
    """Return the text of a new file.

    Raises:
        ConfigError: the project's template cannot be used.
    """
    file = root / FOLDER / _file(kind)
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else own_template(kind)
        made = string.Template(text).substitute(words)
        compile(made, str(file), "exec")
    except KeyError as error:
        known = ", ".join(f"${word}" for word in sorted(words))
        raise ConfigError(f"{file}: nothing is known of ${error.args[0]}; there are {known}; $$ is a plain $") from None
    except (ValueError, SyntaxError, OSError) as error:
        hint = f"correct it, or restore it with `asyncq make {kind} --publish --force`"
        raise ConfigError(f"{file} makes no Python file: {error}; {hint}") from error
    return made


def publish(root: Path, kind: str | None, *, force: bool) -> Iterator[tuple[Path, bool]]:
    """Copy our templates into the project, and yield each file with False where it was there and was left alone."""
    (root / FOLDER).mkdir(exist_ok=True)
    for item in KINDS if kind is None else (kind,):
        file = root / FOLDER / _file(item)
        writes = force or not file.exists()
        if writes:
            file.write_text(own_template(item), encoding="utf-8")
        yield file, writes


def own_template(kind: str) -> str:
    """Return the template that comes with asyncq."""
    return (Path(__file__).parent / "templates" / _file(kind)).read_text(encoding="utf-8")


def _file(kind: str) -> str:
    return f"{kind}.py.txt"
