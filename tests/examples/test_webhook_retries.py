"""The example `webhook_retries`, against real receivers: one that fails first, one that refuses, one that is silent."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.examples.projects import Project, copy_example

QUEUE = "webhooks"
READY = r"listening on (http://\S+)"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy_example("webhook_retries", tmp_path / "a project")


@contextmanager
def receiver(project: Project, *, failures: int) -> Generator[str]:
    with project.serving("receiver.py", "0", "--failures", str(failures), ready=READY) as url:
        yield url


def deliver(project: Project, url: str, *, tries: int = 5) -> None:
    """Dispatch with a backoff that a test can wait for."""
    call = f"Deliver(url={url!r}, body='{{}}').dispatch(backoff=0.05, tries={tries})"
    project.run("-c", f"import asyncio; from jobs import Deliver; asyncio.run({call})")


def work(project: Project) -> None:
    with project.workers():
        project.wait_until_empty(QUEUE)


def given_up(project: Project) -> list[str]:
    path = project.path / "given-up.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_a_delivery_that_was_refused_for_a_moment_arrives_and_once(project: Project) -> None:
    with receiver(project, failures=1) as url:
        id = project.run("send.py", url).strip()
        work(project)
        said = project.said().splitlines()
    assert [line for line in said if "POST" in line] == ['"POST / HTTP/1.1" 503 -', '"POST / HTTP/1.1" 204 -']
    assert f'delivered: {id} {{"type": "order.paid", "order": 7}}' in said
    assert (given_up(project), project.asyncq("failed")) == ([], [])


def test_it_gives_up_after_its_tries_and_says_so_once(project: Project) -> None:
    with receiver(project, failures=100) as url:
        deliver(project, url, tries=3)
        work(project)
        assert project.said().count("503") == 3
    [line] = given_up(project)
    assert line.startswith(f"{url}: HTTPStatusError(\"Server error '503 Service Unavailable'")
    [failed] = project.asyncq("failed")
    assert failed["attempts"] == 3


def test_a_delivery_that_was_given_up_is_delivered_when_it_is_retried(project: Project) -> None:
    with receiver(project, failures=1) as url:
        deliver(project, url, tries=1)
        work(project)
        [failed] = project.asyncq("failed")
        project.run("-m", "asyncq", "retry", failed["id"])
        work(project)
        assert f"delivered: {failed['id']} {{}}" in project.said()
    assert project.asyncq("failed") == []


def test_a_refusal_is_final_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(project, failures=0) as url:
        monkeypatch.setenv("WEBHOOK_SECRET", "another one")
        deliver(project, url)
        work(project)
        assert project.said().count("401") == 1
    assert given_up(project) == [f"{url}: Refused('{url} answered 401')"]


def test_a_receiver_that_never_answers_costs_the_client_s_timeout(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        deliver(project, url, tries=2)
        work(project)
    assert given_up(project) == [f"{url}: ReadTimeout('')"]


def test_a_receiver_that_names_a_time_is_left_alone_until_then(project: Project) -> None:
    answers = [{"status": 429, "wait": "1"}, {"status": 204}]
    (project.path / "busy.py").write_text(BUSY.replace("ANSWERS", json.dumps(answers)))
    with project.serving("busy.py", ready=READY) as url:
        deliver(project, url)
        work(project)
        first, second = (float(line.split()[1]) for line in project.said().splitlines() if line.startswith("asked"))
    assert second - first >= 0.9
    assert "wants to be left alone for 1 s" in (project.path / "worker.log").read_text()


BUSY = """
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

answers = ANSWERS


class Busy(BaseHTTPRequestHandler):
    def do_POST(self):
        print("asked", time.monotonic(), flush=True)
        answer = answers.pop(0)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(answer["status"])
        if "wait" in answer:
            self.send_header("Retry-After", answer["wait"])
        self.end_headers()


with HTTPServer(("127.0.0.1", 0), Busy) as server:
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
"""
