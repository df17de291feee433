"""A database for each test, and no app of other tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.support.apps import no_other_app
from tests.unit.models.shop import Database, database, sync_database

__all__ = ["no_other_app"]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    async with database(f"sqlite+aiosqlite:///{tmp_path}/shop.db") as found:
        yield found


@pytest.fixture
def sync_sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    """Sessions of an empty database, for code that is not async."""
    with sync_database(tmp_path / "shop.db") as made:
        yield made
