"""Models of Tortoise by reference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import pytest
from tortoise import Tortoise

import asyncq
from asyncq import AsyncQ, Job, field
from asyncq.codec import Codec
from asyncq.errors import ConfigError, EncodeError, ModelNotFound
from asyncq.models import Reference, WithoutRelations, without_relations
from asyncq.models.tortoise import ADAPTER
from tests.unit.models.library import Author, Book, Chapter, Label, Unsaved

codec = Codec()


@pytest.fixture(autouse=True)
async def tables(tmp_path: Path) -> AsyncIterator[None]:
    """Open the database; models know of each other only then."""
    await Tortoise.init(db_url=f"sqlite://{tmp_path}/library.db", modules={"library": ["tests.unit.models.library"]})
    await Tortoise.generate_schemas()
    try:
        yield
    finally:
        await Tortoise.close_connections()


class Print(Job):
    author: Author | None = None
    book: Annotated[Book | None, WithoutRelations] = None
    books: list[Book] = field(default_factory=list[Book])
    chapter: Chapter | None = None

    async def handle(self) -> Any:
        return self


async def done(job: Print) -> Any:
    """The job as its handler saw it."""
    async with AsyncQ("memory://"):
        return await job.dispatch_sync()


def written(job: Job) -> Any:
    return orjson.loads(codec.arguments(job))


async def filled() -> Author:
    """Ada, who wrote a book with a chapter and a label."""
    ada = await Author.create(id=1, name="ada")
    book = await Book.create(author=ada)
    _ = await Chapter.create(title="one", book=book)
    await book.labels.add(await Label.create(id=1))
    return await Author.get(id=1)


async def test_classes_and_keys_are_written_and_loaded_again() -> None:
    ada = await filled()
    book, other, chapter = await Book.all().first(), await Book.create(), await Chapter.get(title="one")
    job = Print(author=ada, book=book, books=[other, await Book.get(author=ada), other], chapter=chapter)
    assert written(job)["author"] == {"model": "Author", "key": [1]}
    assert written(job)["chapter"] == {"model": "Chapter", "key": ["one"]}
    await Author.filter(id=1).update(name="Ada Lovelace")
    seen = await done(job)
    assert seen.author is not ada and seen.author.name == "Ada Lovelace"
    assert [item.id for item in seen.books] == [item.id for item in job.books]
    assert repr(seen.chapter) == repr(chapter)


async def test_fetched_relations_come_back_whole_and_no_others() -> None:
    _ = await filled()
    ada = await Author.get(id=1).prefetch_related("books__chapters", "books__author")
    assert written(Print(author=ada))["author"]["relations"] == ["books", "books.author", "books.chapters"]
    _ = await Book.create(author=ada)
    seen = await done(Print(author=ada))
    assert len(seen.author.books) == 2
    assert [chapter.title for book in seen.author.books for chapter in book.chapters] == ["one"]
    assert not hasattr(seen.author.books[0], "_labels")


async def test_relations_that_were_only_asked_for_or_are_marked_are_not_written() -> None:
    ada = await filled()
    assert ada.books is not None  # a query that nobody awaited
    assert "relations" not in written(Print(author=ada))["author"]
    book = await Book.all().prefetch_related("author", "labels").first()
    assert written(Print(book=book, books=[book] if book else []))["book"].keys() == {"model", "key"}
    await ada.fetch_related("books")
    bare: Any = without_relations(ada)
    assert (type(bare), bare.id, bare.name) == (Author, 1, "ada")
    assert "relations" not in written(Print(author=bare))["author"]
    assert written(Print(author=ada))["author"]["relations"] == ["books"]


async def test_a_relation_that_leads_nowhere_and_one_that_is_gone_do_no_harm() -> None:
    made = await Book.create()
    book = await Book.get(id=made.id).prefetch_related("author")
    assert ADAPTER.refer(book, relations=True).relations == ("author",)
    renamed = Reference(Book, (book.id,), ("author.cats", "writer"))
    assert list(await ADAPTER.load([renamed], None)) == [renamed]


async def test_filters_of_the_models_own_manager_do_not_hide_what_was_dispatched() -> None:
    ada = await filled()
    await Author.filter(id=1).update(hidden=True)
    assert await Author.filter(id=1).count() == 0
    assert (await done(Print(author=ada))).author.hidden


async def test_what_is_not_saved_is_refused_and_what_is_gone_is_told() -> None:
    with pytest.raises(EncodeError, match=r"Print\.author: this Author is not saved; save it before the dispatch"):
        codec.arguments(Print(author=Author(id=1)))
    ada = await filled()
    book = await Book.create()
    job = Print(author=ada, books=[book, await Book.get(author=ada)])
    await book.delete()
    assert len((await done(job)).books) == 1
    await ada.delete()
    with pytest.raises(ModelNotFound, match="Author 1 is gone") as caught:
        await done(job)
    assert caught.value.key == (1,)


def test_a_class_without_a_table_is_no_model() -> None:
    assert not ADAPTER.knows(Unsaved)

    class Wrong(Job):
        it: Unsaved

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match="a field's type cannot travel"):
        codec.shape(Wrong)


async def test_a_fake_keeps_the_instance() -> None:
    ada = await filled()
    async with asyncq.fake() as queue:
        await Print(author=ada).dispatch()
        queue.assert_dispatched(Print, lambda job: job.author is ada)
