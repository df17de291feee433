"""The job: count the words of a text, and tell how far it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel

from asyncq import Job, JobContext

WORDS_AT_ONCE = 200
PAUSE = 0.2
"""Seconds a portion: they stand for work that takes its time."""


class Report(BaseModel):
    """What the job returns; it comes back as this type."""

    words: int
    longest: str
    commonest: list[tuple[str, int]]


class Analyse(Job, tries=3, backoff=[1, 10], timeout=120, keep_result=600):
    """`keep_result`: the page has ten minutes to fetch the report."""

    text: str

    async def handle(self, ctx: JobContext) -> Report:
        parts = list(parts_of(self.text.split()))
        counts: Counter[str] = Counter()
        for number, part in enumerate(parts, 1):
            counts.update(word.strip(".,;:!?").lower() for word in part)
            await asyncio.sleep(PAUSE)
            await ctx.progress(number, len(parts))
        return Report(
            words=counts.total(),
            longest=max(counts, key=len, default=""),
            commonest=counts.most_common(3),
        )


def parts_of(words: list[str]) -> Iterator[list[str]]:
    """Yield the words in portions."""
    for start in range(0, len(words), WORDS_AT_ONCE):
        yield words[start : start + WORDS_AT_ONCE]
