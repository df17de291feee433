"""Which statements may change something."""

from __future__ import annotations

import pytest

from asyncq.transactions.writes import may_write


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  select name from users",
        "-- who\nSELECT name FROM users",
        "/* who */ SELECT name FROM users",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH known AS (SELECT 1) SELECT * FROM known",
        "EXPLAIN SELECT 1",
        "SHOW server_version",
        "SELECT inserted_at, updates FROM users",
    ],
)
def test_a_question_changes_nothing(statement: str) -> None:
    assert not may_write(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users VALUES (1)",
        "update users set name = 'x'",
        "WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone",
        "SELECT * INTO copies FROM users",
        "SELECT * FROM users FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM users",
        "CALL charge(1)",
        "CREATE TABLE users (name TEXT)",
        "",
    ],
)
def test_anything_else_may_change_something(statement: str) -> None:
    assert may_write(statement)
