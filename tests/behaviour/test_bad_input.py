"""What a person gets wrong is refused at the earliest moment, by a typed error whose text says what is wrong, where,
and how it is right; and nothing that was accepted before is lost.

Every text is compared as a whole: it is all that the last line of a traceback has to say.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import asyncq
from asyncq import AsyncQ, Connection, Job, JobContext, dispatch_many, field, job
from asyncq.errors import (
    AsyncqError,
    ConfigError,
    EncodeError,
    NotOpen,
    UnknownDriver,
    WrongType,
    WrongValue,
)
from asyncq.registry import job_types
from tests.behaviour.looking import empty, size_of

if TYPE_CHECKING:
    from fractions import Fraction

ran: list[int] = []


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran.clear()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)


class Fine(Job, name="bad-input:fine"):
    number: int
    text: str = ""
    anything: Any = None
    secret: str = field(default="", redact=True)

    async def handle(self) -> None:
        ran.append(self.number)


@job
async def send(to: str, *, body: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Mistake:
    """What somebody does, and what they are told."""

    make: Callable[[AsyncQ], Any]
    error: type[Exception]
    text: str


def wrong(thing: Any) -> Any:
    """Return an object as if nobody knew its type, as Python itself sees all of them."""
    return thing


# --- a job's class ---


def misspelt(app: AsyncQ) -> object:
    class Mail(Job, triess=3):  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]  # the mistake
        __qualname__ = "Mail"

    return Mail


def setting_of_a_wrong_type(app: AsyncQ) -> object:
    class Mail(Job, tries="3"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]  # the mistake
        __qualname__ = "Mail"

    return Mail


def negative_setting(app: AsyncQ) -> object:
    class Mail(Job, timeout=-1):
        __qualname__ = "Mail"

    return Mail


def setting_that_is_no_choice(app: AsyncQ) -> object:
    class Mail(Job, run_in="cloud"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]  # the mistake
        __qualname__ = "Mail"

    return Mail


def reserved_field(app: AsyncQ) -> object:
    class Mail(Job):
        __qualname__ = "Mail"
        dispatch: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # the mistake

    return Mail


def inner_field(app: AsyncQ) -> object:
    class Mail(Job):
        __qualname__ = "Mail"
        settings_: int  # type: ignore[assignment,misc]  # pyright: ignore[reportIncompatibleVariableOverride]  # the mistake

    return Mail


def shared_default(app: AsyncQ) -> object:
    class Mail(Job):
        __qualname__ = "Mail"
        to: list[str] = []  # noqa: RUF012 - the mistake

    return Mail


def own_init(app: AsyncQ) -> object:
    class Mail(Job):
        __qualname__ = "Mail"

        def __init__(self, to: str) -> None:
            self.to = to

    return Mail


async def without_handle(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"

    await Mail().dispatch()


async def abstract(app: AsyncQ) -> None:
    class Mail(Job, abstract=True):
        __qualname__ = "Mail"

        async def handle(self) -> None: ...

    await Mail().dispatch()


async def async_in_a_process(app: AsyncQ) -> None:
    class Mail(Job, run_in="process"):
        __qualname__ = "Mail"

        async def handle(self) -> None: ...

    await Mail().dispatch()


async def blocking_in_the_loop(app: AsyncQ) -> None:
    class Mail(Job, run_in="loop"):
        __qualname__ = "Mail"

        def handle(self) -> None: ...

    await Mail().dispatch()


async def nothing_to_inject(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"

        async def handle(self, mailer: int) -> None: ...

    async with app.worker():
        pytest.fail(f"it started with {Mail}")


async def field_for_type_checkers(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"
        share: Fraction

        async def handle(self) -> None: ...

    await Mail(share=wrong(1)).dispatch()


async def parameter_for_type_checkers(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"

        async def handle(self, share: Fraction) -> None: ...

    async with app.worker():
        pytest.fail(f"it started with {Mail}")


def variable_arguments(app: AsyncQ) -> None:
    def mail(*to: str) -> None: ...

    job(mail)


async def unique_by_no_field(app: AsyncQ) -> None:
    class Mail(Job, unique_by=["too"]):
        __qualname__ = "Mail"
        to: str

        async def handle(self) -> None: ...

    await Mail(to="x").dispatch()


async def options_that_are_none(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"

        def dispatch_options(self) -> Any:
            return "high"

        async def handle(self) -> None: ...

    await Mail().dispatch()


async def tags_that_are_one_text(app: AsyncQ) -> None:
    class Mail(Job):
        __qualname__ = "Mail"

        def tags(self) -> str:
            return "red"

        async def handle(self) -> None: ...

    await Mail().dispatch()


CLASSES: dict[str, Mistake] = {
    "a misspelt setting": Mistake(misspelt, WrongType, "Mail: unknown setting 'triess'; did you mean 'tries'?"),
    "a setting of a wrong type": Mistake(
        setting_of_a_wrong_type, WrongType, "Mail: tries takes a whole number, not '3'"
    ),
    "a timeout below 0": Mistake(negative_setting, WrongValue, "Mail: timeout takes 0 seconds or more, not -1"),
    "a setting that is no choice": Mistake(
        setting_that_is_no_choice, WrongValue, "Mail: run_in takes one of 'loop', 'thread', 'process', not 'cloud'"
    ),
    "a field with a method's name": Mistake(
        reserved_field, WrongType, "Mail: a field cannot be called 'dispatch', a method of Job; call it dispatch_"
    ),
    "a field with an inner name": Mistake(
        inner_field, WrongType, "Mail: a field cannot be called 'settings_', which jobs have; call it 'settings'"
    ),
    "a default that all would share": Mistake(
        shared_default,
        WrongType,
        "Mail: mutable default <class 'list'> for field to is not allowed: use default_factory, "
        "as in field(default_factory=list)",
    ),
    "an __init__ of its own": Mistake(
        own_init,
        WrongType,
        "Mail: a job has no __init__ of its own, since only its annotated fields travel; annotate what it needs, "
        "and write __post_init__ for the rest",
    ),
    "no handle": Mistake(
        without_handle, ConfigError, "Mail has no handle(); write `async def handle(self)` or `def handle(self)`"
    ),
    "an abstract job": Mistake(abstract, ConfigError, "Mail is abstract; dispatch a job that derives from it"),
    "an async handler in a process": Mistake(
        async_in_a_process, ConfigError, "Mail: run_in='process' takes `def handle`, not `async def handle`"
    ),
    "a blocking handler in the loop": Mistake(
        blocking_in_the_loop,
        ConfigError,
        "Mail: run_in='loop' takes `async def handle`; a `def` would block the loop",
    ),
    "a parameter that nothing can be injected into": Mistake(
        nothing_to_inject,
        ConfigError,
        "Mail.handle: nothing can be injected into 'mailer' (<class 'int'>); annotate it with JobContext or with "
        "Annotated[…, Depends(…)], give it a default, or make it a field of the job",
    ),
    "a field's type under TYPE_CHECKING": Mistake(
        field_for_type_checkers,
        ConfigError,
        "Mail: an annotation names 'Fraction', which cannot be found at run time; import it in "
        "tests.behaviour.test_bad_input, and not only under TYPE_CHECKING",
    ),
    "a parameter's type under TYPE_CHECKING": Mistake(
        parameter_for_type_checkers,
        ConfigError,
        "Mail.handle: the annotation of 'share' names 'Fraction', which cannot be found at run time; import it in "
        "tests.behaviour.test_bad_input, and not only under TYPE_CHECKING",
    ),
    "a lambda": Mistake(
        lambda app: job(lambda: None),
        WrongType,
        "@job takes a function that a worker can find by its name, not a lambda; write it with def",
    ),
    "something that is no function": Mistake(
        lambda app: job(wrong(3)),
        WrongType,
        "@job takes a function, not 3; for a method or a callable object write a Job class",
    ),
    "a function with *args": Mistake(
        variable_arguments,
        WrongType,
        "variable_arguments.<locals>.mail: a job names its parameters; *to: 'str' cannot be checked or encoded",
    ),
    "unique_by of no field": Mistake(
        unique_by_no_field, ConfigError, "Mail: unique_by names 'too', which is no field of it"
    ),
    "dispatch_options that are none": Mistake(
        options_that_are_none,
        WrongType,
        "Mail.dispatch_options() returns options by name, for example {'queue': 'high'}, not 'high'",
    ),
    "tags() that is one text": Mistake(
        tags_that_are_one_text, WrongType, "Mail.tags(): tags takes a list of texts, not 'red'"
    ),
}

# --- arguments, options ---


def dispatched(**options: Any) -> Callable[[AsyncQ], Any]:
    return lambda app: Fine(number=2).dispatch(**options)


def given(**arguments: Any) -> Callable[[AsyncQ], Any]:
    return lambda app: wrong(Fine)(**{"number": 2, **arguments}).dispatch()


ARGUMENTS: dict[str, Mistake] = {
    "an argument of a wrong type": Mistake(
        given(number="two"),
        EncodeError,
        "Fine.number: Input should be a valid integer, unable to parse string as an integer, got 'two'",
    ),
    "two wrong arguments": Mistake(
        given(number=1.5, text=3),
        EncodeError,
        "Fine.number: Input should be a valid integer, got a number with a fractional part, got 1.5; "
        "Fine.text: Input should be a valid string, got 3",
    ),
    "a secret of a wrong type": Mistake(
        given(secret=31415), EncodeError, "Fine.secret: Input should be a valid string, got (redacted)"
    ),
    "an argument that cannot be encoded": Mistake(
        given(anything=send.bind),
        EncodeError,
        "Fine.anything: Unable to serialize unknown type: <class 'method'>; annotate the field with a type that JSON "
        "can hold, or pass an id",
    ),
    "an argument that would come back as another": Mistake(
        given(anything={1}),
        EncodeError,
        "Fine.anything: {1} would come back as [1]; annotate the field with its exact type, or pass JSON-native values",
    ),
    "an argument that the function does not have": Mistake(
        lambda app: wrong(send).bind("x", boby=1), WrongType, "send() got an unexpected keyword argument 'boby'"
    ),
    "an argument that is missing": Mistake(
        lambda app: wrong(send).dispatch(), WrongType, "send() missing a required argument: 'to'"
    ),
    "an unknown option": Mistake(dispatched(quue="x"), WrongType, "Fine: unknown option 'quue'; did you mean 'queue'?"),
    "an unknown connection": Mistake(
        dispatched(connection="reports"), ConfigError, "Fine: no connection is called 'reports'; there are 'default'"
    ),
    "an instant without a zone": Mistake(
        dispatched(delay=datetime(2030, 1, 1)),  # noqa: DTZ001 - the mistake
        ConfigError,
        "Fine: delay=datetime.datetime(2030, 1, 1, 0, 0) has no time zone; write datetime(..., tzinfo=UTC) or pass a "
        "timedelta",
    ),
    "a delay that is a text": Mistake(
        dispatched(delay="soon"), WrongType, "Fine: delay takes seconds or a timedelta, not 'soon'"
    ),
    "a delay that is NaN": Mistake(
        dispatched(delay=float("nan")), WrongValue, "Fine: delay takes a finite number of seconds, not nan"
    ),
    "a timeout without end": Mistake(
        dispatched(timeout=float("inf")), WrongValue, "Fine: timeout takes a finite number of seconds, not inf"
    ),
    "tries below 0": Mistake(dispatched(tries=-1), WrongValue, "Fine: tries takes 0 (no limit) or more, not -1"),
    "a timeout of a call below 0": Mistake(
        dispatched(timeout=-1), WrongValue, "Fine: timeout takes 0 seconds or more, not -1"
    ),
    "no backoff at all": Mistake(
        dispatched(backoff=[]), WrongValue, "Fine: backoff takes seconds or a list of seconds, not an empty list"
    ),
    "an id with a blank": Mistake(
        dispatched(id="a b"), WrongValue, "id='a b': an id is a text of 1 to 200 letters, digits, or . : - _"
    ),
    "an id that is a number": Mistake(
        dispatched(id=3), WrongValue, "id=3: an id is a text of 1 to 200 letters, digits, or . : - _"
    ),
    "a queue with a comma": Mistake(
        dispatched(queue="mail,news"),
        WrongValue,
        "Fine: queue takes at most 200 characters, without commas and line breaks, not 'mail,news'",
    ),
    "a queue that is None": Mistake(dispatched(queue=None), WrongType, "Fine: queue takes a text, not None"),
    "a number among many jobs": Mistake(
        lambda app: dispatch_many([Fine(number=2), wrong(3)]),
        WrongType,
        "dispatch_many takes jobs, not 3; make it a Job, or bind a @job function",
    ),
    "a class among many jobs": Mistake(
        lambda app: dispatch_many([wrong(Fine)]),
        WrongType,
        f"dispatch_many takes jobs, not {Fine!r}; make an instance of it",
    ),
    "one job for many": Mistake(
        lambda app: dispatch_many(wrong(Fine(number=2))),
        WrongType,
        "dispatch_many takes a list of jobs, not Fine(number=2, text='', anything=None)",
    ),
}

# --- the app, its connections, its worker ---


def outside_a_job(app: AsyncQ) -> JobContext:
    return asyncq.current()


async def two_open_apps(app: AsyncQ) -> None:
    async with AsyncQ("memory://"):
        await asyncio.get_running_loop().create_task(Fine(number=2).dispatch(), context=Context())


async def outside_a_loop(app: AsyncQ) -> None:
    await asyncio.to_thread(lambda: Fine(number=2).dispatch().send(None))


def worker(*queues: Any, **options: Any) -> Callable[[AsyncQ], Any]:
    async def start(app: AsyncQ) -> None:
        async with app.worker(*queues, **options):
            pytest.fail("it started")

    return start


def worker_on(url: str) -> Callable[[AsyncQ], Any]:
    async def start(app: AsyncQ) -> None:
        async with AsyncQ(url) as other, other.worker():
            pytest.fail("it started")

    return start


def made(*arguments: Any, **options: Any) -> Callable[[AsyncQ], Any]:
    return lambda app: AsyncQ(*arguments, **options)


def lock_of(**options: Any) -> Callable[[AsyncQ], Any]:
    async def enter(app: AsyncQ) -> None:
        async with app.lock("key", **options):
            pytest.fail("it was entered")

    return enter


APPS: dict[str, Mistake] = {
    "current() outside a job": Mistake(
        outside_a_job,
        NotOpen,
        "asyncq.current() was called outside a running job; it works in handle(), middleware and below",
    ),
    "two open apps": Mistake(
        two_open_apps,
        ConfigError,
        "several AsyncQ apps are open, and none is current here; dispatch inside `async with app:`, or keep one app "
        "and give it several connections",
    ),
    "no loop": Mistake(
        outside_a_loop, NotOpen, "no asyncio loop is running here; from plain code call asyncq.blocking.dispatch(job)"
    ),
    "no response": Mistake(
        lambda app: Fine(number=2).dispatch_after_response(),
        NotOpen,
        "dispatch_after_response() was called where no response is under way; in a web application add "
        "asyncq.asgi.QueueMiddleware to it, elsewhere (a websocket, a job, a script) use dispatch()",
    ),
    "an unknown scheme": Mistake(
        made("mysql://host"),
        UnknownDriver,
        "connection 'default': no driver for mysql://; there are background://, deferred://, memory://, null://, "
        "postgres://, postgresql://, redis://, redis+cluster://, redis+sentinel://, redis+unix://, rediss://, "
        "rediss+cluster://, rediss+sentinel://, sqlite://, sync://",
    ),
    "no URL": Mistake(
        made("queue.db"),
        ConfigError,
        "connection 'default': 'queue.db' is no URL; write for example sqlite:///queue.db",
    ),
    "a URL that cannot be read": Mistake(
        made("redis://[::1"), ConfigError, "connection 'default': 'redis://[::1' is no URL (Invalid IPv6 URL)"
    ),
    "a URL that is a path": Mistake(
        made(Path("queue.db")),
        WrongType,
        f"AsyncQ: connection 'default' takes a URL or a Connection, not {Path('queue.db')!r}; "
        "write for example sqlite:///queue.db",
    ),
    "a file with two slashes": Mistake(
        made("sqlite://queue.db"),
        ConfigError,
        "connection 'default': 'sqlite://queue.db' has two slashes; write sqlite:///queue.db for a file below the "
        "working directory, or sqlite:////queue.db for an absolute path",
    ),
    "an unknown option of a URL": Mistake(
        made("sqlite:///queue.db?busy_timeot=3"),
        ConfigError,
        "connection 'default': unknown option 'busy_timeot'; did you mean 'busy_timeout'? (set by the URL)",
    ),
    "an option of another driver": Mistake(
        made("memory://?busy_timeout=3"),
        ConfigError,
        "connection 'default': unknown option 'busy_timeout'; there are after_commit, block_for, lease, prefix, queue, "
        "retry_after (set by the URL)",
    ),
    "a lease that is no number": Mistake(
        made("memory://?lease=soon"),
        ConfigError,
        "connection 'default': lease='soon' is no number of seconds (set by the URL)",
    ),
    "a lease below 0": Mistake(
        made(Connection("memory://", lease=-1)),
        ConfigError,
        "connection 'default': lease='-1.0' must be a finite number of seconds, 0 or more (set by Connection(...))",
    ),
    "two names of one setting": Mistake(
        lambda app: Connection("memory://", lease=1, retry_after=2),
        ConfigError,
        "Connection: lease and retry_after are two names of one setting; give one of them",
    ),
    "a setting twice in a URL": Mistake(
        made("memory://?lease=3&retry_after=4"),
        ConfigError,
        "connection 'default': 'memory://?lease=3&retry_after=4' sets lease twice; remove one of them",
    ),
    "a default that is no connection": Mistake(
        made(connections={"one": "memory://"}, default="on"),
        ConfigError,
        "AsyncQ: default='on' is none of the connections; did you mean 'one'?",
    ),
    "connections that are a list": Mistake(
        made(connections=["memory://"]),
        WrongType,
        "AsyncQ: connections takes URLs by name, {'default': 'sqlite:///queue.db'}, not ['memory://']",
    ),
    "a url and connections": Mistake(
        made("memory://", connections={"default": "memory://"}),
        ConfigError,
        "AsyncQ takes one url or several connections={...}, not both",
    ),
    "a keeper that is no connection": Mistake(
        made("memory://", failed="keep"),
        ConfigError,
        "failed='keep' is neither a URL nor one of the connections 'default'",
    ),
    "middleware that is none": Mistake(
        made("memory://", middleware=[dict]),
        WrongType,
        "AsyncQ: middleware takes async callables of (ctx, call_next), not <class 'dict'>; make an instance of it",
    ),
    "jobs that are no names": Mistake(
        made("memory://", jobs=[asyncq]),
        WrongType,
        f"AsyncQ: jobs takes names of modules, not {asyncq!r}; write for example jobs=['shop.jobs']",
    ),
    "a listener of no event": Mistake(
        lambda app: wrong(app).on(ValueError)(print),
        WrongType,
        "app.on takes a type of event, such as asyncq.events.JobFailed, not <class 'ValueError'>",
    ),
    "an unknown option of a worker": Mistake(
        worker(concurency=3), WrongType, "a worker has no option 'concurency'; did you mean 'concurrency'?"
    ),
    "queues as an option of a worker": Mistake(
        worker(queues=["mail"]),
        WrongType,
        "a worker takes its queues as arguments of their own: app.worker('mail', 'default')",
    ),
    "a list of queues for a worker": Mistake(
        worker(["mail"]),
        WrongType,
        "a worker takes names of queues, not ['mail']; write app.worker('mail', 'default')",
    ),
    "an option of a worker of a wrong type": Mistake(
        worker(concurrency="3"), WrongType, "app.worker: concurrency takes a whole number, not '3'"
    ),
    "a worker without slots": Mistake(
        worker(concurrency=0), ConfigError, "concurrency=0: a worker needs at least one slot"
    ),
    "a limit of a queue that is 0": Mistake(
        worker("mail:0"), ConfigError, "queue 'mail:0': the limit is how many may run at once, 1 or more"
    ),
    "a worker of an unknown connection": Mistake(
        worker(connection="reports"), ConfigError, "no connection is called 'reports'; there are 'default'"
    ),
    "a worker on sync://": Mistake(
        worker_on("sync://"),
        ConfigError,
        "connection 'default' keeps no jobs, so there is nothing to work on; choose another one",
    ),
    "a worker on null://": Mistake(
        worker_on("null://"),
        ConfigError,
        "connection 'default' keeps no jobs, so there is nothing to work on; choose another one",
    ),
    "a lease that is too short to work": Mistake(
        worker_on("memory://?lease=0.5"),
        ConfigError,
        "connection 'default': lease=0.5 is too short; a worker needs 1 s or more",
    ),
    "a lock of an unknown connection": Mistake(
        lock_of(connection="reports"), ConfigError, "no connection is called 'reports'; there are 'default'"
    ),
    "a lock without a key": Mistake(
        lambda app: app.lock(""),
        ConfigError,
        "a lock, funnel or throttle needs a key; two with one key are the same one",
    ),
    "a wait below 0": Mistake(
        lock_of(wait=-1), ConfigError, "'key': wait=-1 is negative; 0 does not wait, None waits without limit"
    ),
    "a limit that is a text": Mistake(
        lambda app: app.throttle("key", limit=wrong("3"), per=1), WrongType, "limit takes a whole number, not '3'"
    ),
}

MISTAKES = {**CLASSES, **ARGUMENTS, **APPS}


async def refused(mistake: Mistake, app: AsyncQ) -> tuple[type[Exception], str]:
    """Return what it was refused with; no traceback keeps a half-made class alive."""
    try:
        answer = mistake.make(app)
        if inspect.isawaitable(answer):
            await answer
    except Exception as error:
        return type(error), str(error)
    raise AssertionError("it was accepted")


def forget_mistaken_classes() -> None:
    """Hide from the worker what a mistake left behind: it would refuse it as well, and it may live on for a while."""
    for cls in list(job_types()):
        if (cls.__module__, cls.__qualname__) == (__name__, "Mail"):
            cls.abstract_ = True


@pytest.mark.parametrize("kind", MISTAKES)
async def test_it_is_refused_in_full_words_and_nothing_is_lost(url: str, kind: str) -> None:
    mistake = MISTAKES[kind]
    async with AsyncQ(url) as app:
        await Fine(number=1).dispatch()
        assert await refused(mistake, app) == (mistake.error, mistake.text)
        assert (await size_of(app)).total == 1
    forget_mistaken_classes()
    async with AsyncQ(url) as app, app.worker():
        await Fine(number=2).dispatch()
        await empty(app)
    assert sorted(ran) == [1, 2]


@pytest.mark.parametrize("kind", MISTAKES)
def test_the_last_line_of_a_traceback_says_it_all(kind: str) -> None:
    error, text = MISTAKES[kind].error, MISTAKES[kind].text
    assert issubclass(error, AsyncqError)
    assert "\n" not in text
    assert "0x" not in text


def test_there_are_many() -> None:
    assert len({mistake.text for mistake in MISTAKES.values()}) >= 40


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (wrong(Fine), "Fine.__init__() missing 1 required keyword-only argument: 'number'"),
        (lambda: wrong(Fine)(numbr=1), "Fine.__init__() got an unexpected keyword argument 'numbr'"),
        (lambda: wrong(Fine)(1), "Fine.__init__() takes 1 positional argument but 2 were given"),
        (lambda: wrong(AsyncQ)(conections={}), "AsyncQ.__init__() got an unexpected keyword argument 'conections'"),
    ],
    ids=["missing", "unknown", "by place", "of the app"],
)
def test_a_call_that_python_refuses_is_told_in_pythons_words(make: Callable[[], object], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value).startswith(text)  # newer versions add the name that was meant
