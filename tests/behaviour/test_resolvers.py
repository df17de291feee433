"""Containers that others made: their types are found when the worker starts and cleaned up with the run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import svcs
from dishka import Provider, Scope, from_context, make_async_container, provide  # pyright: ignore[reportUnknownVariableType]  # its overloads

from asyncq import AsyncQ, Job, JobContext
from asyncq.injector import Resolver
from asyncq.resolvers.dishka import DishkaResolver
from asyncq.resolvers.svcs import SvcsResolver
from tests.behaviour.looking import empty


class Pool:
    """Lives as long as the container."""


class Session:
    """Lives as long as a run."""

    def __init__(self, pool: Pool, id: str) -> None:
        self.pool = pool
        self.id = id


CLOSED: list[str] = []


class Ours(Provider):
    context = from_context(provides=JobContext, scope=Scope.REQUEST)

    @provide(scope=Scope.APP)
    def pool(self) -> Pool:
        return Pool()

    @provide(scope=Scope.REQUEST)
    async def session(self, pool: Pool, ctx: JobContext) -> AsyncIterator[Session]:
        yield Session(pool, ctx.id)
        CLOSED.append(ctx.id)


def of_dishka() -> Resolver:
    return DishkaResolver(make_async_container(Ours()))


def of_svcs() -> Resolver:
    registry, pool = svcs.Registry(), Pool()

    async def session(container: svcs.Container) -> AsyncIterator[Session]:
        ctx = container.get(JobContext)
        yield Session(container.get(Pool), ctx.id)
        CLOSED.append(ctx.id)

    registry.register_value(Pool, pool)  # pyright: ignore[reportUnknownMemberType]  # svcs leaves Callable bare
    registry.register_factory(Session, session)  # pyright: ignore[reportUnknownMemberType]  # the same
    return SvcsResolver(registry)


@pytest.mark.parametrize("make", [of_dishka, of_svcs])
async def test_types_of_a_container_are_made_for_a_run_and_closed_after_it(make: type[Resolver]) -> None:
    CLOSED.clear()
    pools: list[Pool] = []
    ids: list[str] = []
    resolver: Resolver = make()
    app = AsyncQ("memory://", resolver=resolver)

    class Uses(Job):
        async def handle(self, session: Session, pool: Pool, ctx: JobContext) -> None:
            assert session.id == ctx.id
            pools.extend([pool, session.pool])
            ids.append(ctx.id)

    async with app, app.worker():
        await app.dispatch_many([Uses(), Uses()])
        await empty(app)
    assert len(set(map(id, pools))) == 1
    assert sorted(CLOSED) == sorted(ids)
    assert len(ids) == 2
    assert not resolver.knows(dict[str, int])
    assert not resolver.knows(AsyncQ)
