"""Mapped classes of SQLAlchemy, and databases that hold some of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    URL,
    AsyncAdaptedQueuePool,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Session,
    WriteOnlyMapped,
    mapped_column,
    relationship,
    sessionmaker,
)
from sqlalchemy.schema import CreateSchema

from tests.support.shared import Shared

__all__ = [
    "Badge",
    "Base",
    "Company",
    "Database",
    "Employee",
    "Item",
    "Library",
    "Manager",
    "Order",
    "Person",
    "Tag",
    "Ticket",
    "Visit",
    "Volume",
    "database",
    "database_of",
    "sync_database",
]


class Base(DeclarativeBase):
    pass


person_tags = Table(
    "person_tags",
    Base.metadata,
    Column("person_id", Integer, ForeignKey("person.id"), primary_key=True),
    Column("tag_id", Integer, ForeignKey("tag.id"), primary_key=True),
)


class Company(Base):
    __tablename__ = "company"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    people: Mapped[list[Person]] = relationship(back_populates="company")


class Person(Base):
    __tablename__ = "person"
    __mapper_args__: dict[str, Any] = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012  # as SQLAlchemy declares it
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="person")
    name: Mapped[str] = mapped_column(default="")
    company_id: Mapped[int | None] = mapped_column(ForeignKey("company.id"))
    company: Mapped[Company | None] = relationship(back_populates="people")
    orders: Mapped[list[Order]] = relationship(back_populates="person", order_by="Order.number")
    tags: Mapped[set[Tag]] = relationship(secondary=person_tags, back_populates="people")


class Employee(Person):
    __mapper_args__: dict[str, Any] = {"polymorphic_identity": "employee"}  # noqa: RUF012  # as SQLAlchemy declares it
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), use_existing_column=True)
    manager: Mapped[Person | None] = relationship(foreign_keys=[manager_id], remote_side=[Person.id])


class Manager(Employee):
    __mapper_args__: dict[str, Any] = {"polymorphic_identity": "manager"}  # noqa: RUF012  # as SQLAlchemy declares it


class Order(Base):
    """Has a key of two parts."""

    __tablename__ = "order"
    year: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person: Mapped[Person | None] = relationship(back_populates="orders")
    items: Mapped[list[Item]] = relationship(back_populates="order")


class Item(Base):
    __tablename__ = "item"
    __table_args__ = (ForeignKeyConstraint(["year", "number"], ["order.year", "order.number"]),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    year: Mapped[int | None]
    number: Mapped[str | None]
    order: Mapped[Order | None] = relationship(back_populates="items")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    people: Mapped[set[Person]] = relationship(secondary=person_tags, back_populates="tags")


class Visit(Base):
    __tablename__ = "visit"
    at: Mapped[datetime] = mapped_column(primary_key=True)
    page: Mapped[bytes] = mapped_column(primary_key=True)


class Hidden(TypeDecorator[UUID]):
    """A type that does not say which Python type it has, as those of old projects do not."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Any) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> UUID | None:
        return None if value is None else UUID(value)


class Telling(Hidden):
    """The same type, that says it."""

    cache_ok = True

    @property
    def python_type(self) -> type[UUID]:
        return UUID


class Badge(Base):
    __tablename__ = "badge"
    id: Mapped[UUID] = mapped_column(Hidden, primary_key=True)


class Library(Base):
    """Has relations that are too long to be loaded."""

    __tablename__ = "library"
    id: Mapped[int] = mapped_column(primary_key=True)
    volumes: WriteOnlyMapped[Volume] = relationship()
    asked: DynamicMapped[Volume] = relationship(overlaps="volumes")


class Volume(Base):
    __tablename__ = "volume"
    id: Mapped[int] = mapped_column(primary_key=True)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))


class Ticket(Base):
    __tablename__ = "ticket"
    id: Mapped[UUID] = mapped_column(Telling, primary_key=True)


@dataclass(frozen=True)
class Database:
    """An engine, its sessions, and what was asked of it."""

    engine: AsyncEngine
    make: async_sessionmaker[AsyncSession]
    asked: list[str] = field(default_factory=list[str])

    @property
    def selects(self) -> list[str]:
        """The queries since the last look."""
        found = [text for text in self.asked if text.startswith("SELECT")]
        self.asked.clear()
        return found

    @property
    def in_use(self) -> int:
        """How many connections are held by sessions that are not closed."""
        pool: Any = self.engine.pool
        return int(pool.checkedout())

    async def put(self, *rows: Base) -> None:
        """Store rows; they are detached, with their columns loaded."""
        async with self.make(expire_on_commit=False) as session:
            session.add_all(rows)
            await session.commit()

    async def remove(self, row: Base) -> None:
        """Delete a row."""
        async with self.make() as session:
            await session.delete(await session.merge(row))
            await session.commit()


@asynccontextmanager
async def database_of(kind: str, folder: Path, servers: Shared) -> AsyncGenerator[Database]:
    """Open an empty database of a kind: a file in the folder, or a schema of its own on a server."""
    if kind == "sqlite":
        opening = database(f"sqlite+aiosqlite:///{folder}/shop.db")
    else:
        server = make_url(servers.url("postgres")).set(drivername="postgresql+asyncpg")
        opening = database(server, schema=f"shop_{uuid4().hex}")
    async with opening as found:
        yield found


@asynccontextmanager
async def database(url: str | URL, *, schema: str | None = None) -> AsyncGenerator[Database]:
    """Open a database with empty tables."""
    settings = {"server_settings": {"search_path": schema}} if schema else {}
    engine = create_async_engine(url, connect_args=settings, poolclass=AsyncAdaptedQueuePool)
    async with engine.begin() as connection:
        if schema:
            await connection.execute(CreateSchema(schema))
        await connection.run_sync(Base.metadata.create_all)
    made = Database(engine, async_sessionmaker(engine))

    def note(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        made.asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield made
    finally:
        await engine.dispose()


@contextmanager
def sync_database(path: Path) -> Generator[sessionmaker[Session]]:
    """Open one for code that is not async."""
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    try:
        yield sessionmaker(engine)
    finally:
        engine.dispose()
