"""Which job comes next, and how many of a queue run at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, Connection, Job
from asyncq.errors import ConfigError
from tests.behaviour.looking import empty, eventually, size_of


class Numbered(Job):
    number: int

    async def handle(self) -> None:
        order.append(self.number)


order: list[int] = []


@pytest.fixture(autouse=True)
def no_order() -> None:
    order.clear()


async def test_jobs_of_one_queue_run_in_the_order_in_which_they_came(app: AsyncQ) -> None:
    async with app:
        for number in range(20):
            await Numbered(number=number).dispatch()
        async with app.worker(concurrency=1):
            await empty(app)
    assert order == list(range(20))


async def test_a_delayed_job_takes_its_place_by_when_it_is_due(app: AsyncQ) -> None:
    async with app:
        await Numbered(number=2).dispatch(delay=0.1)
        await Numbered(number=1).dispatch(delay=0.05)
        await Numbered(number=0).dispatch()
        async with app.worker(concurrency=1):
            await empty(app)
    assert order == [0, 1, 2]


async def test_the_list_of_queues_is_asked_in_its_order_again_at_every_look(app: AsyncQ) -> None:
    class Feeds(Job):
        async def handle(self) -> None:
            order.append(99)
            await Numbered(number=1).dispatch(queue="high")

    async with app:
        for number in (10, 11):
            await Numbered(number=number).dispatch(queue="low")
        await Feeds().dispatch(queue="mid")
        async with app.worker("high", "mid", "low", concurrency=1, prefetch=0):
            await empty(app, "high", "mid", "low")
    assert order == [99, 1, 10, 11]


async def test_a_queue_that_is_not_asked_for_is_left_alone(app: AsyncQ) -> None:
    async with app:
        await Numbered(number=1).dispatch(queue="other")
        await Numbered(number=2).dispatch()
        async with app.worker("default"):
            await empty(app, "default")
        assert (await size_of(app, "other")).ready == 1
    assert order == [2]


async def test_a_worker_without_queues_reads_the_default_and_those_that_jobs_name(app: AsyncQ) -> None:
    class Elsewhere(Job, queue="elsewhere-of-a-job"):
        async def handle(self) -> None:
            order.append(1)

    async with app:
        await Numbered(number=0).dispatch()
        await Elsewhere().dispatch()
        async with app.worker():
            await empty(app, "default", "elsewhere-of-a-job")
    assert sorted(order) == [0, 1]


class Watched:
    """Jobs that stay until they are let go, and the most that ran at once, by queue."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: list[int] = []
        self.go_on = anyio.Event()

    async def run(self, queue: str, number: int) -> None:
        self.running[queue] += 1
        self.most[queue] = max(self.most[queue], self.running[queue])
        await self.go_on.wait()
        self.running[queue] -= 1
        self.done.append(number)


@pytest.mark.parametrize("queues", ["mail:2,default", "default,mail:2", "mail:2,default:3"])
async def test_a_limit_holds_for_its_queue_alone(app: AsyncQ, queues: str) -> None:
    watched = Watched()

    class Stays(Job):
        queue: str
        number: int

        async def handle(self) -> None:
            await watched.run(self.queue, self.number)

    most = 3 if "default:3" in queues else 8
    async with app:
        await app.dispatch_many([Stays(queue="mail", number=number) for number in range(6)], queue="mail")
        await app.dispatch_many([Stays(queue="default", number=number) for number in range(8)])
        async with app.worker(queues, concurrency=10):
            await eventually(lambda: watched.running == {"mail": 2, "default": most})
            watched.go_on.set()
            await empty(app, "mail", "default")
    assert watched.most["mail"] == 2
    assert watched.most["default"] <= most
    assert len(watched.done) == 14


@pytest.mark.parametrize(
    ("queues", "text"),
    [
        ("mail:0", "1 or more"),
        ("mail:-1", "1 or more"),
        (",default", "has no name"),
        (":3", "has no name"),
        ("mail,mail:2", "listed twice"),
    ],
)
async def test_a_list_of_queues_that_cannot_be_is_refused(app: AsyncQ, queues: str, text: str) -> None:
    async with app:
        with pytest.raises(ConfigError, match=text):
            async with app.worker(queues):
                pass


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"concurrency": 0}, ConfigError, "at least one slot"),
        ({"tries": -1}, ConfigError, "0 means no limit"),
        ({"grace": -1}, ConfigError, "0 means at once"),
        ({"timeout": "long"}, TypeError, "timeout takes seconds"),
        ({"concurency": 2}, TypeError, "no option 'concurency'"),
    ],
    ids=["concurrency", "tries", "grace", "timeout", "a misspelt one"],
)
async def test_an_option_of_a_worker_that_cannot_be_is_refused(
    app: AsyncQ, options: Any, error: type[Exception], text: str
) -> None:
    async with app:
        with pytest.raises(error, match=text):
            async with app.worker(**options):
                pass


async def test_no_more_jobs_run_at_once_than_there_are_slots(app: AsyncQ) -> None:
    watched = Watched()

    class Stays(Job):
        number: int

        async def handle(self) -> None:
            await watched.run("default", self.number)

    async with app:
        await app.dispatch_many([Stays(number=number) for number in range(10)])
        async with app.worker(concurrency=3):
            await eventually(lambda: watched.running["default"] == 3)
            assert (await size_of(app)).total == 10
            watched.go_on.set()
            await empty(app)
    assert watched.most["default"] == 3
    assert sorted(watched.done) == list(range(10))


async def test_a_queue_that_has_room_again_is_waited_for_again(app: AsyncQ) -> None:
    """While it was at its limit, the worker waited for jobs of the other queues alone."""
    watched = Watched()

    class Stays(Job):
        number: int

        async def handle(self) -> None:
            await watched.run("mail", self.number)

    async with app, app.worker("mail:1,default"):
        await Stays(number=1).dispatch(queue="mail")
        await eventually(lambda: watched.running["mail"] == 1)
        await Numbered(number=0).dispatch()
        await empty(app)
        watched.go_on.set()
        await empty(app, "mail")
        await Stays(number=2).dispatch(queue="mail")
        await empty(app, "mail", within=2)
    assert watched.done == [1, 2]


async def test_a_limit_does_not_hold_up_a_worker_that_looks_seldom(url: str) -> None:
    """A place that is free again is filled at once, and not after the next `sleep`."""
    async with AsyncQ(Connection(url, block_for=None)) as app:
        await app.dispatch_many([Numbered(number=number) for number in range(4)], queue="mail")
        async with app.worker("mail:1,default", sleep=30):
            await empty(app, "mail")
    assert order == [0, 1, 2, 3]
