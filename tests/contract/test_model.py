"""Random histories of a driver, compared step by step with a model of it that is too simple to be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from asyncq.contracts import Driver, Findable
from asyncq.payload import (
    Cancelled,
    Done,
    Effects,
    Envelope,
    Failed,
    Outcome,
    Released,
    Reservation,
    Settlement,
    Unique,
)
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids
from tests.contract.backends import backend_in
from tests.contract.model import Model

T = TypeVar("T")

QUEUES = ["high", "low"]
IDS = [f"job-{number}" for number in range(8)]
KEYS = ["red", "blue"]
# Multiples of the same small step: instants fall together often, which is where order and limits are decided.
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])

Count = Literal["attempt", "exception", "nothing"]

envelopes = st.builds(
    Envelope,
    id=st.sampled_from(IDS),
    queue=st.sampled_from(QUEUES),
    name=st.just("app:Work"),
    body=st.sampled_from([b"one", b"two"]),
    delay=SECONDS,
    unique=st.none() | st.builds(Unique, st.sampled_from(KEYS), st.none() | st.sampled_from([0.5, 1.0])),
)
counts: st.SearchStrategy[Count] = st.sampled_from(["attempt", "exception", "nothing"])
releases = st.builds(Released, st.none() | SECONDS, counts, st.none() | st.just(b"edited"))
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Done()), st.just(Failed(ValueError("no"))), st.just(Cancelled()), releases, releases
)
effects = st.builds(Effects, push=st.just(()) | st.tuples(envelopes))
asked = st.sampled_from([["high"], ["low"], ["high", "low"], ["low", "high"]])


class Histories(RuleBasedStateMachine):
    """One driver and its model; the name of the backend is set by the test."""

    backend_name = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.directory = TemporaryDirectory()
        self.backend = backend_in(Path(self.directory.name), self.backend_name)
        self.driver: Driver = self.do(self.stack.enter_async_context(self.backend.open(lease="2")))
        self.model = Model(lease=2.0)
        self.given: list[Reservation] = []

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()
        self.directory.cleanup()

    @rule(given=st.lists(envelopes, min_size=1, max_size=4))
    def push(self, given: list[Envelope]) -> None:
        answers = self.do(_list(self.driver.push(given)))
        assert [(answer.id, answer.created) for answer in answers] == [self.model.push(one) for one in given]

    @rule(queues=asked, limit=st.integers(0, 4), alone=st.booleans())
    def reserve(self, queues: list[str], limit: int, alone: bool) -> None:
        expected, suspects = self.model.reserve(queues, limit, alone=alone)
        answer = self.do(self.driver.reserve(queues, limit=limit, alone=alone))
        assert ids(answer.items) == [job.envelope.id for job in expected]
        assert answer.suspects == suspects
        for job, held in zip(expected, answer.items, strict=True):
            assert (held.attempt, held.exceptions, held.crashes) == (job.attempts + 1, job.exceptions, job.crashes)
            assert (held.body, held.queue) == (job.body, job.envelope.queue)
            assert held.token not in {one.token for one in self.given}, "a token was used twice"
            self.model.lend(job, held.token)
            self.given.append(held)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), outcome=outcomes, effect=effects)
    def settle(self, data: st.DataObject, outcome: Outcome, effect: Effects) -> None:
        held = data.draw(st.sampled_from(self.given[-6:]))
        settlement = Settlement(held, outcome, effect)
        fresh = self.model.settle(settlement)
        assert self.do(_list(self.driver.settle([settlement]))) == ([] if fresh else [held])

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.given[-6:]), unique=True, max_size=3))
        lost = [held for held in chosen if not self.model.extend(held)]
        assert self.do(_list(self.driver.extend(chosen))) == lost

    @rule(seconds=st.sampled_from([0.5, 1.0, 1.5, 2.5]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.backend.turn(seconds))
        self.model.now += seconds

    @rule(chosen=st.sets(st.sampled_from(IDS), min_size=1, max_size=2))
    def forget(self, chosen: set[str]) -> None:
        waiting = [id for id in chosen if id in self.model.jobs and self.model.jobs[id].token is None]
        for id in waiting:
            del self.model.jobs[id]
        # A lease that has run out but was not put back yet may be seen either way.
        sure = [id for id in chosen if id in waiting or id not in self.model.jobs]
        assert isinstance(self.driver, Findable)
        assert sorted(self.do(_list(self.driver.cancel(sure)))) == sorted(waiting)

    @invariant()
    def counts_agree(self) -> None:
        sizes = self.do(_dict(self.driver.sizes(QUEUES)))
        for queue in QUEUES:
            states = [self.model.state(job) for job in self.model.jobs.values() if job.envelope.queue == queue]
            size = sizes[queue]
            expected = (states.count("ready"), states.count("delayed"), states.count("reserved"))
            assert (size.ready, size.delayed, size.reserved) == expected


async def _list(call: Any) -> list[Any]:
    return list(await call)


async def _dict(call: Any) -> dict[str, Any]:
    return dict(await call)


# Finding the shortest history that fails takes minutes with a driver that is not in memory; passing takes seconds.
@pytest.mark.timeout(600)
def test_every_history_agrees_with_the_model(backend: Backend) -> None:
    if not backend.histories:
        pytest.skip("a model of a server would need the server's own instants")
    machine = type("Histories", (Histories,), {"backend_name": backend.name})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=backend.histories,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
