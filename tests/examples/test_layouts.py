"""Who follows the README, and nothing else, gets a job of their own running, however their project is laid out.

Files, imports and commands are taken from the README's own blocks and table; a test adds only what a project has
without asyncq: packages, Django's settings, and something that calls the view.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.pages import Block, blocks
from tests.support.root import ROOT

README = ROOT / "README.md"
ROW = re.compile(r"^\| (?P<layout>[^|]+) \| `(?P<file>[^`]+)`[^|]* \| `(?P<line>[^`]+)` \|$", re.MULTILINE)
ASGI = """
import asyncio

async def post(api, path, query=b"", body=b"", kind=b"text/plain"):
    headers = [(b"host", b"localhost"), (b"content-type", kind), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode(),
             "query_string": query, "headers": headers, "scheme": "http", "server": ("localhost", 80)}
    sent, asked = [], []

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    await api(scope, receive, send)
    assert sent[0]["status"] == 200, sent
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the README's table."""

    file: str
    line: str

    @property
    def module(self) -> str:
        return self.line.split()[1]


PAGE = blocks(README)
ROWS = {found["layout"].strip("`"): Row(found["file"], found["line"]) for found in ROW.finditer(README.read_text())}


def block(file: str | None = None, *, starting: str = "") -> Block:
    """Return the README's block of a file, or the one that starts so."""
    (found,) = [item for item in PAGE if item.file == file and item.text.startswith(starting)]
    return found


class Project:
    """A folder in which a person types what the README says."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, file: str, text: str) -> None:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        folder = target.parent
        while folder not in (self.path, self.path / "src"):
            (folder / "__init__.py").touch()
            folder = folder.parent

    def jobs(self, row: Row) -> None:
        """Put the README's job where its table says."""
        self.write(row.file, block("jobs.py").text)

    def script(self, row: Row) -> None:
        """Wrap the README's dispatches in a coroutine, with the import of the table."""
        line, _, rest = block(starting="from jobs import").text.partition("\n")
        assert line == ROWS["scripts in a folder"].line
        body = textwrap.indent(rest.strip(), "    ")
        self.write("send.py", f"import asyncio\n{row.line}\n\nasync def main():\n{body}\n\nasyncio.run(main())\n")

    def python(self, *arguments: str, code: str = "") -> None:
        done = subprocess.run(
            [sys.executable, *arguments], input=code, cwd=self.path, env=environment(self.path), text=True,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command of the README."""
        done = subprocess.run(
            ["bash", "-euc", command], cwd=self.path, env=environment(), text=True, capture_output=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    def work(self) -> dict[str, str]:
        """Type the README's worker, and return what it says of itself, line by line."""
        command = next(item.text for item in PAGE if item.text.startswith("asyncq work --concurrency"))
        said = self.type(command).stderr
        lines = (line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  "))
        return {key: value.strip() for key, value in lines}

    def left(self) -> dict[str, int]:
        """Return how many jobs each queue holds."""
        return {row["queue"]: row["total"] for row in json.loads(self.type("asyncq size --json").stdout)}

    def failed(self) -> object:
        return json.loads(self.type("asyncq failed --json").stdout)


def environment(source: Path | None = None) -> dict[str, str]:
    """Return a shell's, in which asyncq is installed; the dispatching side also has its own `src/` installed."""
    left_out = ("ASYNCQ_", "PYTHONPATH", "DJANGO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    path = {"PYTHONPATH": f"{source / 'src'}{os.pathsep}{source}"} if source else {}
    return {**kept, **path, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    return Project(tmp_path)


def test_the_table_has_a_row_for_every_layout_that_is_tested() -> None:
    assert list(ROWS) == ["scripts in a folder", "a package", "a `src/` layout", "FastAPI", "Django"]


@pytest.mark.parametrize("layout", ["scripts in a folder", "a package", "a `src/` layout"])
def test_a_script_dispatches_and_the_worker_finds_the_job(project: Project, layout: str) -> None:
    row = ROWS[layout]
    project.jobs(row)
    project.script(row)
    project.python("send.py")
    assert project.left() == {"default": 1, "news": 1}
    said = project.work()
    assert said["project"] == str(project.path)
    assert said["jobs"] == f"1 from {row.module} ({row.file})"
    assert said["queues"] == "default"
    assert said["note"] == "queue news holds 1 job that this worker does not read; --queue default,news does"
    assert project.left() == {"news": 1}
    assert project.failed() == []


def test_a_script_may_define_its_jobs_itself(project: Project) -> None:
    script = block("greet.py")
    commands = PAGE[PAGE.index(script) + 1].text
    project.write("greet.py", script.text)
    done = project.type(commands)
    assert "Hello, Ada!" in done.stdout
    assert "jobs         1 from greet (greet.py)" in done.stderr
    assert project.left() == {}


def test_an_endpoint_of_fastapi_dispatches_and_the_worker_takes_its_app(project: Project) -> None:
    row = ROWS["FastAPI"]
    project.jobs(row)
    project.write("app/main.py", block("app/main.py").text)
    call = """
from app.main import api

async def main():
    async with api.router.lifespan_context(api):
        await post(api, "/signup", query=b"email=ada@example.org")

asyncio.run(main())
"""
    project.python("-c", ASGI + call)
    assert project.left() == {"default": 1}
    said = project.work()
    assert said["app"] == "queue in app.main (app/main.py)"
    assert said["jobs"] == f"1 from {row.module} ({row.file})"
    assert project.left() == {}
    assert project.failed() == []


ORM_JOB = """

from django.contrib.auth.models import User


class CountUsers(Job):
    async def handle(self) -> None:
        print("users:", await User.objects.acount())
"""
URLS = """
from django.urls import path
from shop.views import signup

urlpatterns = [path("signup", signup)]
"""
CALL_VIEW = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
from django.core.asgi import get_asgi_application
from django.conf import settings
get_asgi_application()
settings.MIDDLEWARE = [item for item in settings.MIDDLEWARE if "csrf" not in item]
from shop.jobs import CountUsers

async def main():
    form = b"application/x-www-form-urlencoded"
    await post(get_asgi_application(), "/signup", body=b"email=ada@example.org", kind=form)
    await CountUsers().dispatch()

asyncio.run(main())
"""


def test_a_view_of_django_dispatches_and_jobs_may_use_models(project: Project) -> None:
    (project.path / "pyproject.toml").unlink()  # `manage.py` alone marks the root
    project.python("-m", "django", "startproject", "mysite", ".")
    row = ROWS["Django"]
    project.write(row.file, block("jobs.py").text + ORM_JOB)
    project.write("shop/views.py", block("shop/views.py").text)
    project.write("queues.py", block("queues.py").text)
    project.write("mysite/urls.py", URLS)
    project.python("manage.py", "migrate")
    project.python("-c", ASGI + CALL_VIEW)
    assert project.left() == {"default": 2}
    said = project.work()
    assert said["project"] == str(project.path)
    assert said["app"] == "queue in queues (queues.py)"
    assert said["jobs"] == f"2 from {row.module} ({row.file})"
    assert project.left() == {}
    assert project.failed() == []
