"""Who hears of a push, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import pytest

from asyncq.config import Connection
from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.heads import Heads
from asyncq.drivers.postgres.options import options_of
from asyncq.drivers.postgres.ringer import Ringer

OPTIONS = options_of(Connection("postgresql://nowhere/db").settings("main"))


class Bell:
    """Keeps what others were told."""

    def __init__(self) -> None:
        self.ears = Ears(OPTIONS, Heads(30.0))
        self.ringer = Ringer(self._tell, self.ears)
        self.told: list[Sequence[str]] = []
        self.rang = asyncio.Event()

    async def _tell(self, topics: Sequence[str]) -> None:
        self.told.append(topics)
        self.rang.set()


@pytest.fixture
def bell() -> Bell:
    return Bell()


async def turns(count: int, until: Callable[[], object] = lambda: False) -> None:
    for _ in range(count):
        if until():
            return
        await asyncio.sleep(0)


async def test_others_are_told_at_once_where_nobody_here_waits(bell: Bell) -> None:
    bell.ringer.ring({"q:mail"}, of_one=True)
    await turns(5, lambda: bell.told)
    assert bell.told == [["q:mail"]]
    await bell.ringer.close()


@pytest.mark.parametrize(("topics", "of_one"), [({"q:mail"}, False), ({"q:other"}, True), ({"s:pause"}, False)])
async def test_others_are_told_at_once_of_what_nobody_here_takes_alone(
    bell: Bell, topics: Collection[str], of_one: bool
) -> None:
    with bell.ears.listening(["q:mail"]):
        bell.ringer.ring(topics, of_one=of_one)
        await turns(5, lambda: bell.told)
    assert bell.told == [sorted(topics)]
    await bell.ringer.close()


async def test_one_job_that_somebody_here_waits_for_is_told_to_others_a_little_later(bell: Bell) -> None:
    with bell.ears.listening(["q:mail"]) as called:
        bell.ringer.ring({"q:mail"}, of_one=True)
        assert called.is_set()
        await turns(5)
        assert bell.told == []
        async with asyncio.timeout(5):
            await bell.rang.wait()
    assert bell.told == [["q:mail"]]
    await bell.ringer.close()


async def test_what_cannot_wait_takes_the_rest_along(bell: Bell) -> None:
    with bell.ears.listening(["q:mail"]):
        bell.ringer.ring({"q:mail"}, of_one=True)
        bell.ringer.ring({"q:other"}, of_one=True)
        await turns(5, lambda: bell.told)
    assert bell.told == [["q:mail", "q:other"]]
    await bell.ringer.close()


async def test_the_end_tells_what_is_left(bell: Bell) -> None:
    with bell.ears.listening(["q:mail"]):
        bell.ringer.ring({"q:mail"}, of_one=True)
        await bell.ringer.close()
    assert bell.told == [["q:mail"]]
