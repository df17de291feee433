"""The example `shop`: a real server and real workers, on a SQLite file and on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.examples.projects import Project, copy_example, environment
from tests.support.postgres import PostgresServer
from tests.support.postgres.binaries import require
from tests.support.waiting import until

SERVER = ("-m", "uvicorn", "main:api", "--port", "0")
READY = r"Uvicorn running on (http://\S+)"


@dataclass(frozen=True, slots=True)
class Shop:
    """A running web process, and its project."""

    project: Project
    web: httpx2.Client

    def order(self, customer: str, **more: Any) -> httpx2.Response:
        return self.web.post("/orders", json={"customer": customer, "item": "lamp", **more})

    def state(self, id: int) -> str:
        return str(self.web.get(f"/orders/{id}").json()["state"])

    def mail(self, id: int) -> str | None:
        file = self.project.path / "mails" / f"{id}.txt"
        return file.read_text() if file.exists() else None

    def waiting(self) -> int:
        return sum(row["ready"] for row in self.project.asyncq("size", "mail", "parcels"))

    @contextmanager
    def worker(self) -> Generator[subprocess.Popen[bytes]]:
        """Work while the block lasts."""
        with (self.project.path / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "asyncq", "work"]
            process = subprocess.Popen(command, cwd=self.project.path, env=environment(), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(40)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    require()
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        monkeypatch.setenv("SHOP_DATABASE", server.database(f"shop_{uuid4().hex}"))
    project = copy_example("shop", tmp_path / "a shop")
    project.run("-m", "asyncq", "migrate", "up")
    with project.serving(*SERVER, ready=READY) as url, httpx2.Client(base_url=url, timeout=20) as client:
        yield Shop(project, client)


def test_an_order_brings_its_mail_and_its_parcel(shop: Shop) -> None:
    answer = shop.order("Ada")
    assert (answer.status_code, shop.waiting()) == (201, 2)
    id = answer.json()["id"]
    with shop.worker():
        until(lambda: shop.state(id) == "shipped" and shop.mail(id), 30, "the parcel and the mail")
    assert shop.mail(id) == "Dear Ada, you ordered: lamp.\n"
    assert shop.web.get("/items/lamp").json()["left"] == 2


def test_an_order_that_is_not_paid_leaves_nothing(shop: Shop) -> None:
    assert shop.order("Bob", pay=False).status_code == 402
    assert shop.waiting() == 0
    assert shop.web.get("/orders/1").status_code == 404


def test_each_lamp_is_sent_once_though_workers_die(shop: Shop) -> None:
    ids = [shop.order(f"customer {number}").json()["id"] for number in range(6)]
    with shop.worker() as first:
        until(lambda: any(shop.state(id) != "ordered" for id in ids), 30, "the first parcel")
        first.kill()
    with shop.worker():
        until(lambda: all(shop.state(id) != "ordered" for id in ids), 90, "all parcels")
    assert sorted(shop.state(id) for id in ids) == ["shipped"] * 3 + ["sold out"] * 3
    assert shop.web.get("/items/lamp").json()["left"] == 0


def test_a_view_is_counted_after_the_response_without_a_worker(shop: Shop) -> None:
    before = shop.web.get("/items/lamp").json()["views"]
    until(lambda: shop.web.get("/items/lamp").json()["views"] > before, 30, "a counted view")
