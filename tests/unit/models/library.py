"""Models of Tortoise."""

from __future__ import annotations

from typing import Any

from tortoise import fields
from tortoise.manager import Manager
from tortoise.models import Model
from tortoise.queryset import QuerySet

__all__ = ["Author", "Book", "Chapter", "Label", "Unsaved"]


class Published(Manager):
    """Hides what is no longer published."""

    def get_queryset(self) -> QuerySet[Any]:
        return QuerySet(Author).filter(hidden=False)


class Unsaved(Model):
    """Has no table of its own."""

    id = fields.IntField(primary_key=True)

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]  # how Tortoise is told
        abstract = True


class Author(Unsaved):
    name = fields.CharField(max_length=50, default="")
    hidden = fields.BooleanField(default=False)
    books: fields.ReverseRelation[Book]

    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        manager = Published()


class Book(Model):
    id = fields.UUIDField(primary_key=True)
    author: fields.ForeignKeyNullableRelation[Author] = fields.ForeignKeyField(
        "library.Author", related_name="books", null=True
    )
    labels: fields.ManyToManyRelation[Label] = fields.ManyToManyField("library.Label")
    chapters: fields.ReverseRelation[Chapter]


class Chapter(Model):
    title = fields.CharField(max_length=50, primary_key=True)
    book: fields.ForeignKeyRelation[Book] = fields.ForeignKeyField("library.Book", related_name="chapters")


class Label(Model):
    id = fields.IntField(primary_key=True)
