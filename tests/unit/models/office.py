"""Models of Django; importing this configures Django for the process. `tables` gives each test databases of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async

__all__ = ["Draft", "House", "Lease", "Member", "Memo", "Model", "Note", "Seat", "Shelf", "Team", "tables"]

# Django has no types of its own: everything of it is Any here, and its classes have stand-ins for the type checkers.
_settings: Any = import_module("django.conf").settings

if TYPE_CHECKING:

    class AppConfig: ...

    class Manager:
        def get_queryset(self) -> Any: ...

    class Model:
        pk: Any
        objects: Any
        _state: Any

        def __init__(self, **values: Any) -> None: ...

        def delete(self) -> None: ...
else:
    from django.apps import AppConfig


class Office(AppConfig):
    """Lets models know of the relations that lead to them."""

    name = "tests.unit.models"
    label = "office"


class Router:
    """Reads memos from a copy, and writes them to the database that counts; teams live in a branch."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "copy" if model.__name__ == "Memo" else self.db_for_write(model, **hints)

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "branch" if model.__name__ == "Team" else "default" if model.__name__ == "Memo" else None

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True


_ALIASES = ("default", "copy", "branch")
_settings.configure(
    DATABASES={alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for alias in _ALIASES},
    DATABASE_ROUTERS=[Router()],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[f"{__name__}.Office"],
    USE_TZ=True,
)
import_module("django").setup()
_models: Any = import_module("django.db.models")
_connections: Any = import_module("django.db").connections

if not TYPE_CHECKING:
    Manager, Model = _models.Manager, _models.Model


class Team(Model):
    name: str = _models.CharField(max_length=50)

    class Meta:
        app_label = "office"


class Draft(Model):
    """Has no table of its own."""

    title: str = _models.CharField(max_length=50, default="")

    class Meta:
        app_label = "office"
        abstract = True


class Published(Manager):
    """Hides what is archived."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(archived=False)


class Note(Model):
    id: UUID = _models.UUIDField(primary_key=True, default=uuid4)

    class Meta:
        app_label = "office"


class Memo(Draft):
    archived: bool = _models.BooleanField(default=False)
    objects: Any = Published()

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]  # as Django is told
        app_label = "office"


class House(Model):
    name: str = _models.CharField(max_length=50, default="")

    class Meta:
        app_label = "office"


class Shelf(House):
    """Has two tables: its own, and that of its parent."""

    height: int = _models.IntegerField(default=0)

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        app_label = "office"


class Member(Model):
    name: str = _models.CharField(max_length=50)
    house: Any = _models.ForeignKey(House, _models.CASCADE, null=True, related_name="members")
    notes: Any = _models.ManyToManyField(Note)

    class Meta:
        app_label = "office"


class Lease(Model):
    """Its key is that of a house."""

    house: Any = _models.OneToOneField(House, _models.CASCADE, primary_key=True)

    class Meta:
        app_label = "office"


class Seat(Model):
    """Has a key of two parts."""

    pk: Any = _models.CompositePrimaryKey("row", "number")
    row: str = _models.CharField(max_length=5)
    number: int = _models.IntegerField()

    class Meta:
        app_label = "office"


@asynccontextmanager
async def tables(folder: Path) -> AsyncGenerator[None]:
    """Use empty databases in a folder."""
    await sync_to_async(_create)(folder)
    try:
        yield
    finally:
        await sync_to_async(_connections.close_all)()


def _create(folder: Path) -> None:
    for alias in _ALIASES:
        _connections.settings[alias]["NAME"] = str(folder / f"{alias}.db")
        with _connections[alias].schema_editor() as editor:
            for model in (Team, Note, Memo, House, Shelf, Member, Lease, Seat):
                editor.create_model(model)
