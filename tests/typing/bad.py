"""What must not type-check: both checkers report each line marked E, and no other. Never run (test_promise.py)."""

from starlette.applications import Starlette

import asyncq
from asyncq import AsyncQ, Depends, Job, JobContext, JobHandle, blocking, dispatch_many, job
from asyncq.asgi import QueueMiddleware
from asyncq.models import without_relations
from tests.typing.use import Greet, Resize, SendMail, User, Uses, crunch, greet, injected, send_mail


async def bad() -> None:
    await SendMail().dispatch()  # E1 missing field
    await SendMail(to=3).dispatch()  # E2 field of a wrong type
    await SendMail("x").dispatch()  # E3 a payload is keyword-only
    await SendMail(to="x").dispatch(que="a")  # E4 unknown option
    await send_mail.dispatch(too="x")  # E5 unknown argument
    await send_mail.dispatch(3)  # E6 argument of a wrong type
    await crunch.dispatch("x")  # E7 the same for a plain function
    await send_mail.options(tries="x").dispatch("a")  # E8 option of a wrong type
    SendMail(to="x").dispatch()  # E9 forgotten await
    send_mail.dispatch("x")  # E10 forgotten await
    dispatch_many([SendMail(to="x")])  # E11 forgotten await
    send_mail.bind("x").dispatch()  # E12 forgotten await
    send_mail.bind(4)  # E13 argument of a wrong type
    await dispatch_many([1])  # E14 not a job
    await SendMail(to="x").dispatch_if("yes")  # E15 condition of a wrong type
    wrong: JobHandle[int] = await SendMail(to="x").dispatch()  # E16 another result
    number: str = await Resize(path="a").dispatch_sync()  # E17 another result
    await crunch(4)  # E18 a plain function runs at once
    await dispatch_many([SendMail(to="x")], que="a")  # E19 unknown option


class Unknown(Job, triess=3):  # E20 unknown setting
    async def handle(self) -> None: ...


class WrongType(Job, tries="a"):  # E21 setting of a wrong type
    async def handle(self) -> None: ...


class WrongPlace(Job, run_in="cloud"):  # E22 no such place
    async def handle(self) -> None: ...


@job(triess=3)  # E23 unknown setting
async def unknown() -> None: ...


AsyncQ(middleware=[lambda: None])  # E24 not a middleware
AsyncQ(conections={})  # E25 unknown argument


async def gates(queue: AsyncQ) -> None:
    queue.throttle("key", limit=3)  # E26 no length of the window
    queue.funnel("key", limit="3")  # E27 limit of a wrong type
    async with queue.funnel("key", limit=3, ttl=None):  # E28 a slot needs an end
        pass
    queue.lock("key").acquire()  # E29 forgotten await


class Keeps(Job, keep_result="a minute"):  # E30 setting of a wrong type
    async def handle(self) -> None: ...


Depends(3)  # E31 nothing that can be called
Depends(len, scope="request")  # E32 no such scope


async def resize(job: Resize, ctx: JobContext) -> None: ...


async def handles(queue: AsyncQ) -> None:
    handle = await Uses(to="x").dispatch()
    number: int = await handle.result()  # E33 another result
    handle.cancel()  # E34 forgotten await
    flag: str = await queue.handle("id", injected).result()  # E35 another result
    await injected.dispatch("x", mailer_=1)  # E36 unknown argument
    queue.bind(Uses, resize)  # E37 a call for another job
    blocking.dispatch(Uses(to="x"), que="a")  # E38 unknown option
    text: str = blocking.result(handle)  # E39 another result
    async for progress in handle.watch():
        await progress.fraction  # E40 a number


async def tests_of_users() -> None:
    async with asyncq.fake() as queue:
        queue.assert_dispatched(SendMail, lambda mail: mail.too == "x")  # E41 no such field
        queue.assert_dispatched("SendMail")  # E42 not a job
        queue.assert_dispatched_fn(send_mail, 3)  # E43 argument of a wrong type
        queue.assert_dispatched_fn(send_mail, too="x")  # E44 unknown argument
        queue.assert_dispatched(SendMail, times="1")  # E45 times of a wrong type
        queue.run()  # E46 forgotten await
        resized: list[Resize] = queue.of(SendMail)  # E47 another job
    asyncq.testing.run(SendMail(to="x"))  # E48 forgotten await
    await asyncq.testing.run("SendMail")  # E49 not a job
    number: int = (await asyncq.testing.run(SendMail(to="x"))).result  # E50 another result
    asyncq.testing.clock().advance(hour=1)  # E51 no such unit
    asyncq.fake("SendMail")  # E52 not a job


async def models(user: User) -> None:
    await Greet(user=7).dispatch()  # E53 not a user
    await Greet(user=user, users=user).dispatch()  # E54 not a list
    await greet.dispatch("x")  # E55 argument of a wrong type
    text: int = without_relations(user)  # E56 still a user
    AsyncQ("memory://", session=7)  # E57 makes no sessions


class Wrong(Job, delete_when_missing="yes"): ...  # E58 setting of a wrong type


async def after_a_response(queue: asyncq.testing.QueueFake) -> None:
    SendMail(to="x").dispatch_after_response()  # E59 forgotten await
    send_mail.dispatch_after_response("x")  # E60 forgotten await
    await send_mail.dispatch_after_response(3)  # E61 argument of a wrong type
    await SendMail(to="x").dispatch_after_response(delay=3)  # E62 it takes no options
    number: str = await crunch.dispatch_sync(4)  # E63 another result
    await crunch.dispatch_if("yes", 4)  # E64 condition of a wrong type
    blocking.dispatch_after_response(SendMail)  # E65 not a job
    queue.assert_dispatched_after_response(SendMail, lambda mail: mail.too == "x")  # E66 no such field
    Starlette().add_middleware(QueueMiddleware, grace="soon")  # E67 grace of a wrong type


class Waits(Job, after_commit="yes"):  # E68 setting of a wrong type
    async def handle(self, ctx: JobContext) -> None:
        ctx.complete(tx=ctx)  # E69 forgotten await
        await ctx.complete(ctx)  # E70 it goes by its name


async def in_transactions(session: object) -> None:
    await SendMail(to="x").dispatch(after_commit="no")  # E71 option of a wrong type
    with asyncq.after_commit(session):  # E72 its block is async
        pass
    asyncq.Connection("memory://", after_commit="maybe")  # E73 option of a wrong type
