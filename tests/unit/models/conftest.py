"""A database for each test, and no app of other tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.support.apps import no_other_app
from tests.support.shared import Shared
from tests.unit.models.shop import Database, database_of, sync_database

__all__ = ["no_other_app"]


@pytest.fixture
async def db(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> AsyncIterator[Database]:
    """An empty database: SQLite, or what a test's parameter says."""
    async with database_of(getattr(request, "param", "sqlite"), tmp_path, servers) as found:
        yield found


@pytest.fixture
def sync_sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    """Sessions of an empty database, for code that is not async."""
    with sync_database(tmp_path / "shop.db") as made:
        yield made
