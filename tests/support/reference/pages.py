"""Which pages the reference has, and what stands on each."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.support.reference.source import Definition, Function, attributes, exists, exported, find, parse
from tests.support.reference.write import prose, written

MADE = "<!-- Made from the code by `make docs`; do not edit. -->"


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    intro: str
    modules: Sequence[str]
    """Their `__all__` is on the page; one that is not there yet is passed over."""


PAGES: Mapping[str, Page] = {
    "asyncq": Page("The package", "What `from asyncq import …` offers.", ["asyncq"]),
    "errors": Page(
        "Errors", "`from asyncq.errors import …`. All but the signals derive from `AsyncqError`.", ["asyncq.errors"]
    ),
    "events": Page(
        "Events",
        "`from asyncq.events import …`. The guide says [when each is told](../guide/events.md).",
        ["asyncq.events"],
    ),
    "locks": Page(
        "Locks",
        "What `app.lock`, `app.funnel` and `app.throttle` return; see [Locks and limits](../guide/limits.md).",
        ["asyncq.locks", "asyncq.limiter"],
    ),
    "injection": Page(
        "Injection",
        "What a container of your own implements; see [Dependency injection](../guide/dependency-injection.md).",
        ["asyncq.injector"],
    ),
    "models": Page(
        "Models",
        "`from asyncq.models import …`, and what an adapter of your own implements; see [Models](../guide/models.md).",
        ["asyncq.models"],
    ),
    "transactions": Page(
        "Transactions",
        "What `asyncq.after_commit` is; see [Transactions](../guide/transactions.md).",
        ["asyncq.transactions"],
    ),
    "blocking": Page("Blocking", "`asyncq.blocking`: dispatches from code without an event loop.", ["asyncq.blocking"]),
    "asgi": Page(
        "ASGI",
        "`asyncq.asgi`: what a web application adds; see [After the response](../guide/after-response.md).",
        ["asyncq.asgi"],
    ),
    "testing": Page("Testing", "`asyncq.testing`: what tests of your own use.", ["asyncq.testing"]),
    "drivers": Page(
        "Drivers",
        "What a driver implements, and the values that it takes and gives.",
        ["asyncq.contracts", "asyncq.stores", "asyncq.payload", "asyncq.records"],
    ),
}


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    made = {f"{name}.md": _page(page) for name, page in PAGES.items() if any(map(exists, page.modules))}
    return {"README.md": _contents(), "settings.md": _settings(), **made}


def _page(page: Page) -> str:
    parts = [f"# {page.title}", MADE, page.intro]
    if page.modules == ["asyncq.errors"]:
        parts.append(f"```text\n{(ast.get_docstring(parse('asyncq.errors')) or '').partition(chr(10) * 2)[2]}\n```")
    parts += [written(definition) for definition in _on(page)]
    return "\n\n".join(parts) + "\n"


def _on(page: Page) -> Iterator[Definition]:
    for module in filter(exists, page.modules):
        for name in exported(module):
            yield find(module, name)


def _contents() -> str:
    parts = [
        "# Reference",
        MADE,
        "Every public name, made from the code. What is not listed here may change at any time. "
        "[Settings](settings.md) of jobs, of dispatches and of workers have a page of their own; "
        "[The command line](../guide/command-line.md) and [Configuration](../guide/configuration.md) are in the guide.",
    ]
    for name, page in PAGES.items():
        if any(map(exists, page.modules)):
            links = (f"[`{item.name}`]({name}.md#{item.name.lower()})" for item in _on(page))
            parts += [f"## {page.title}", ", ".join(links)]
    return "\n\n".join(parts) + "\n"


def _settings() -> str:
    options = ((item.name, item.type) for item in attributes(find("asyncq.settings", "DispatchOptions")))
    parts = [
        "# Settings",
        MADE,
        "## Of a job",
        "Class keywords, `class SendMail(Job, tries=5)`, and arguments of `@job(tries=5)`. The guide says "
        "[what they mean](../guide/jobs.md#settings). Where the default is None, the connection or the worker decides.",
        _table(_settings_of_a_job()),
        "## Of a dispatch",
        "`await job.dispatch(queue='high')`, and the same everywhere: [Dispatching](../guide/dispatching.md).",
        _table(options),
        "## Of a worker inside your application",
        "`app.worker('mail:10', 'default', concurrency=20)` and `app.lifespan(work=True, concurrency=20)`; durations "
        "in seconds or as `timedelta`: [Embedding](../guide/embedding.md).",
        _table(_settings_of_a_worker()),
        "## Of a connection",
        prose(find("asyncq.config", "Connection").doc),
    ]
    return "\n\n".join(parts) + "\n"


def _settings_of_a_job() -> Iterator[tuple[str, str, str]]:
    defaults = {item.name: item.default or "" for item in attributes(find("asyncq.settings", "JobSettings"))}
    job = find("asyncq.job", "Job").nodes[-1]
    assert isinstance(job, ast.ClassDef)
    taking = next(item for item in job.body if isinstance(item, Function) and item.name == "__init_subclass__")
    for item in taking.args.kwonlyargs:
        assert item.annotation is not None
        hint = ast.unparse(item.annotation).removesuffix(" | None")
        yield item.arg, hint, defaults.get(item.arg, "False")


def _settings_of_a_worker() -> Iterator[tuple[str, str, str]]:
    known = {item.name: item for item in attributes(find("asyncq.worker.options", "WorkerOptions"))}
    for item in attributes(find("asyncq.worker.options", "EmbeddedOptions")):
        yield item.name, item.type, known[item.name].default or ""


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Return a table of names and types, and of defaults where there are any."""
    rows = list(rows)
    heads = ("name", "type", "default")[: len(rows[0])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [f"`{text}`".replace("|", "\\|") if text else "" for text in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
