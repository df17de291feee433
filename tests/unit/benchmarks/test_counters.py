"""What a server spent meanwhile, and not what it cost to ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.groups import postgres_server
from benchmarks.rivals.counters import Counters, read
from benchmarks.rivals.postgres_wire import Wire
from tests.support.postgres import PostgresServer
from tests.support.postgres.binaries import require


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    require()
    with postgres_server.started() as server:
        yield server


def test_the_question_itself_is_left_out() -> None:
    before = Counters({"commands": 10, "server_us": 5}, {"commands": 1})
    assert Counters({"commands": 14, "server_us": 8}, {"commands": 1}).since(before) == {"commands": 3, "server_us": 3}


def test_what_one_of_two_answers_lacks_is_left_out() -> None:
    assert Counters({"commands": 14}).since(Counters()) == {}


def test_a_place_that_counts_nothing_answers_with_nothing() -> None:
    assert read("sqlite:///somewhere.db") == Counters()


def test_statements_of_others_are_counted_and_ours_are_not(server: PostgresServer) -> None:
    url = postgres_server.empty(server)
    before = read(url)
    with Wire(url) as connection:
        for _ in range(3):
            connection.rows("SELECT 1")
    assert read(url).since(before)["statements"] == 3


def test_each_commit_of_a_session_that_has_ended_is_a_sync(server: PostgresServer) -> None:
    url = postgres_server.empty(server)
    before = read(url)
    with Wire(url) as connection:
        for name in "abc":
            connection.rows(f"CREATE TABLE {name} ()")
    spent = read(url).since(before)
    assert spent["wal_syncs"] >= 3
    assert spent["wal_bytes"] > 0


def test_the_cpu_of_its_sessions_counts_also_when_they_have_ended(server: PostgresServer) -> None:
    url = postgres_server.empty(server)
    before = read(url)
    with Wire(url) as connection:
        connection.rows("SELECT count(*) FROM generate_series(1, 300000) n WHERE sqrt(n) > 1")
    assert read(url).since(before)["server_us"] > 0


def test_a_statement_that_the_server_refuses_says_why(server: PostgresServer) -> None:
    with Wire(server.url) as connection:
        with pytest.raises(OSError, match="nowhere"):
            connection.rows("SELECT * FROM nowhere")
        assert connection.rows("SELECT 'x', NULL") == [("x", None)]


def test_an_emptied_database_has_nothing_of_the_case_before(server: PostgresServer) -> None:
    url = postgres_server.empty(server)
    with Wire(url) as connection:
        connection.rows("CREATE TABLE left_over ()")
        assert postgres_server.empty(server) == url
    with Wire(url) as connection:
        assert connection.rows("SELECT to_regclass('left_over')") == [(None,)]
