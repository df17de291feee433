"""What is wrong with a job's class is said when the class is made, or at its first use, with the fix."""

from __future__ import annotations

import types
from datetime import timedelta
from typing import Any

import pytest

from asyncq import INJECT, ConfigError, Job, JobContext, field, job
from asyncq.codec import Codec
from asyncq.dispatch import Packer
from asyncq.errors import UnknownJob
from asyncq.inject import plan_of
from asyncq.injector import Injector
from asyncq.job import Request
from asyncq.recipe import place_of
from asyncq.registry import Registry, name_of


def made(annotations: dict[str, Any] | None = None, /, handle: Any = None, **settings: Any) -> type[Job]:
    """Make the class `Made`, as a class statement would."""

    async def nothing(self: Any) -> None: ...

    body = {
        "__annotations__": annotations or {},
        "__module__": __name__,
        "__qualname__": "made.<locals>.Made",  # so that the next one replaces it
        "handle": handle or nothing,
    }
    return types.new_class("Made", (Job,), settings, lambda namespace: namespace.update(body))


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a misspelt name": ({"triess": 3}, TypeError, "Made: unknown setting 'triess'; did you mean 'tries'"),
    "a name like none": (
        {"xyzzy": 3},
        TypeError,
        "unknown setting 'xyzzy'; there are after_commit, aliases, backoff, connection",
    ),
    "tries that are a text": ({"tries": "3"}, TypeError, "Made: tries takes a whole number, not '3'"),
    "tries that are a truth": ({"tries": True}, TypeError, "tries takes a whole number"),
    "tries below 0": ({"tries": -1}, ValueError, r"tries takes 0 \(no limit\) or more, not -1"),
    "max_exceptions below 0": ({"max_exceptions": -1}, ValueError, "max_exceptions takes 0"),
    "max_crashes that are half": ({"max_crashes": 1.5}, TypeError, "max_crashes takes a whole number"),
    "a timeout that is a text": ({"timeout": "1m"}, TypeError, "timeout takes seconds or a timedelta, not '1m'"),
    "a timeout below 0": ({"timeout": -1}, ValueError, "timeout takes 0 seconds or more"),
    "an endless timeout": ({"timeout": float("inf")}, ValueError, "timeout takes a finite number"),
    "a timedelta below 0": ({"delay": timedelta(seconds=-1)}, ValueError, "delay takes 0 seconds or more"),
    "no backoff at all": ({"backoff": []}, ValueError, "backoff takes seconds or a list of seconds"),
    "a text in the backoff": ({"backoff": [1, "2"]}, TypeError, "backoff takes seconds"),
    "a flag that is a number": ({"unique": 1}, TypeError, "unique takes True or False, not 1"),
    "a queue without a name": ({"queue": ""}, TypeError, "queue takes a text, not ''"),
    "a queue that is a number": ({"queue": 3}, TypeError, "queue takes a text"),
    "tags that are one text": ({"tags": "red"}, TypeError, "tags takes a list of texts, not 'red'"),
    "a tag that is a number": ({"tags": [1]}, TypeError, "tags takes a text, not 1"),
    "an error that is none": ({"retry_on": "ValueError"}, TypeError, "retry_on takes exception classes"),
    "an instance of an error": ({"fail_on": (ValueError(),)}, TypeError, "fail_on takes exception classes"),
    "a place that is none": ({"run_in": "cloud"}, ValueError, "run_in takes one of 'loop', 'thread', 'process'"),
    "an end that is none": ({"unique_until": "end"}, ValueError, "unique_until takes one of 'done', 'start'"),
    "a stop that is none": ({"on_shutdown": "kill"}, ValueError, "on_shutdown takes one of"),
    "a class as middleware": ({"middleware": [dict]}, TypeError, "middleware takes async callables.*make an instance"),
    "a number as middleware": ({"middleware": [3]}, TypeError, "middleware takes async callables"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_setting_that_cannot_be_is_refused_when_the_class_is_made(mistake: str) -> None:
    settings, error, text = WRONG[mistake]
    with pytest.raises(error, match=text):
        made(**settings)


@pytest.mark.parametrize("mistake", WRONG)
def test_a_function_is_refused_in_the_same_words(mistake: str) -> None:
    settings, error, text = WRONG[mistake]

    async def work() -> None: ...

    with pytest.raises(error, match=text.replace("Made: ", "")):
        job(**settings)(work)


RESERVED = [
    "handle",
    "dispatch",
    "dispatch_if",
    "dispatch_unless",
    "dispatch_sync",
    "failed",
    "interrupted",
    "middleware",
]


@pytest.mark.parametrize("name", [*RESERVED, "dispatch_options"])
def test_a_field_with_the_name_of_a_method_is_refused_with_another_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"a field cannot be called '{name}', a method of Job; call it {name}_"):
        types.new_class("Made", (Job,), {}, lambda namespace: namespace.update({"__annotations__": {name: int}}))


@pytest.mark.parametrize("name", ["queue", "timeout", "delay", "name", "tries", "connection", "id", "unique", "tags"])
def test_a_field_may_have_the_name_of_a_setting(name: str) -> None:
    cls: Any = made({name: int}, queue="mail", tries=3)
    assert getattr(cls(**{name: 7}), name) == 7
    assert (cls.settings_.queue, cls.settings_.tries) == ("mail", 3)
    assert Codec().arguments(cls(**{name: 7})) == b'{"%s":7}' % name.encode()


def test_settings_are_inherited_and_the_nearer_class_wins() -> None:
    class Base(Job, queue="mail", tries=5, tags=["a"], abstract=True):
        async def handle(self) -> None: ...

    class Child(Base, tries=2): ...

    assert (Child.settings_.queue, Child.settings_.tries, Child.settings_.tags) == ("mail", 2, ("a",))
    assert (Base.abstract_, Child.abstract_) == (True, False)


def test_name_and_aliases_are_not_inherited() -> None:
    class Base(Job, name="unit:base", aliases=["unit:old"]):
        async def handle(self) -> None: ...

    class Child(Base): ...

    assert name_of(Base) == "unit:base"
    assert name_of(Child) == f"{__name__}:{Child.__qualname__}"
    assert Child.settings_.aliases == ()


def test_fields_are_inherited_and_keyword_only() -> None:
    class Base(Job, abstract=True):
        first: int

    class Child(Base):
        second: str = "x"

        async def handle(self) -> None: ...

    child = Child(first=1)
    assert (child.first, child.second) == (1, "x")
    with pytest.raises(TypeError):
        Child(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the mistake under test


def test_a_redacted_field_is_not_shown() -> None:
    class Secret(Job):
        to: str
        key: str = field(default="hunter2", redact=True)

        async def handle(self) -> None: ...

    assert "hunter2" not in repr(Secret(to="x"))
    assert "to='x'" in repr(Secret(to="x"))


# --- functions ---


def test_a_function_with_variable_arguments_is_refused() -> None:
    def many(*items: int) -> None: ...
    def named(**items: int) -> None: ...

    for function in (many, named):
        with pytest.raises(TypeError, match="a job names its parameters"):
            job(function)


def test_an_injected_parameter_without_a_default_is_refused_with_the_line_to_write() -> None:
    async def work(ctx: JobContext) -> None: ...

    with pytest.raises(TypeError, match="ctx is injected, so callers pass nothing; write ctx: JobContext = INJECT"):
        job(work)


@pytest.mark.parametrize("thing", [3, "work", dict, len], ids=str)
def test_what_is_no_function_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match="@job takes a function"):
        job(thing)


def test_wrong_arguments_are_refused_as_if_the_function_were_called() -> None:
    @job
    async def work(to: str, *, urgent: bool = False) -> None: ...

    with pytest.raises(TypeError, match=r"work\(\) missing a required argument: 'to'"):
        work.bind()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the mistake under test
    with pytest.raises(TypeError, match="unexpected keyword argument 'too'"):
        work.bind("x", too=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the mistake under test


def test_a_default_that_can_be_changed_is_copied_for_each_job() -> None:
    @job
    def work(items: list[int] = [1]) -> None:  # noqa: B006 - what users write
        items.append(2)

    first, second = work.bind().job, work.bind().job
    assert first is not second
    assert getattr(first, "items") is not getattr(second, "items")  # noqa: B009 - a field that was made


# --- handlers ---


def test_an_async_handler_cannot_run_in_a_thread_and_a_blocking_one_not_in_the_loop() -> None:
    def blocking(self: Any) -> None: ...

    with pytest.raises(ConfigError, match="run_in='thread' takes `def handle`"):
        place_of(made(run_in="thread"))
    with pytest.raises(ConfigError, match="run_in='process' takes `def handle`"):
        place_of(made(run_in="process"))
    with pytest.raises(ConfigError, match="run_in='loop' takes `async def handle`"):
        place_of(made(handle=blocking, run_in="loop"))
    assert place_of(made()) == "loop"
    assert place_of(made(handle=blocking)) == "thread"


def test_a_job_without_a_handler_is_refused() -> None:
    class Nothing(Job): ...

    with pytest.raises(ConfigError, match=r"Nothing has no handle\(\); write"):
        place_of(Nothing)


def test_a_parameter_that_nothing_can_be_injected_into_is_named() -> None:
    async def handle(self: Any, mailer: int) -> None: ...

    with pytest.raises(ConfigError, match=r"nothing can be injected into 'mailer'.*make it a field"):
        plan_of(made(handle=handle), Injector())


def test_an_annotation_that_cannot_be_found_is_named() -> None:
    async def handle(self: Any, ctx: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]  # the mistake

    with pytest.raises(ConfigError, match=r"'ctx' names 'Missing'.*import it in"):
        plan_of(made(handle=handle), Injector())


def test_inject_shows_itself_in_a_signature() -> None:
    assert repr(INJECT) == "INJECT"


# --- names ---


def test_two_classes_of_one_name_are_refused_with_both_places() -> None:
    def one() -> type[Job]:
        class First(Job, name="unit:twice"):
            async def handle(self) -> None: ...

        return First

    def two() -> type[Job]:
        class Second(Job, name="unit:twice"):
            async def handle(self) -> None: ...

        return Second

    kept = [one(), two()]
    with pytest.raises(ConfigError, match=r"two jobs are called 'unit:twice': .*First and .*Second; give one"):
        Registry().load()
    for cls in kept:  # other tests load the registry too
        cls.settings_ = type(cls.settings_)(name=f"unit:{cls.__name__}")


def test_an_alias_that_another_class_has_is_refused() -> None:
    def one() -> type[Job]:
        class Owner(Job, name="unit:owner"):
            async def handle(self) -> None: ...

        return Owner

    def two() -> type[Job]:
        class Thief(Job, aliases=["unit:owner"]):
            async def handle(self) -> None: ...

        return Thief

    kept = [one(), two()]
    with pytest.raises(ConfigError, match=r"'unit:owner'.*remove the alias"):
        Registry().load()
    kept[1].settings_ = type(kept[1].settings_)()


def test_a_redefinition_in_one_place_replaces() -> None:
    def define(number: int) -> type[Job]:
        class Same(Job, name="unit:same"):
            async def handle(self) -> int:
                return number

        return Same

    first, second = define(1), define(2)
    assert Registry().find("unit:same") is second
    assert first is not second


def test_an_unknown_name_says_what_to_do() -> None:
    with pytest.raises(
        UnknownJob, match=r"no imported job is called 'no:Such'; let the worker import 'no'.*aliases=\['no:Such'\]"
    ):
        Registry().find("no:Such")


def test_a_payloads_text_imports_nothing() -> None:
    import sys

    assert "this" not in sys.modules
    for name in ("this:s", "this", "os:system"):
        with pytest.raises(UnknownJob):
            Registry().find(name)
    assert "this" not in sys.modules


def test_an_abstract_class_and_one_without_a_handler_are_refused_at_dispatch() -> None:
    class Base(Job, abstract=True):
        async def handle(self) -> None: ...

    class Nothing(Job): ...

    packer = Packer(Codec(), Registry(), {"default": "default"}, "default")
    with pytest.raises(ConfigError, match="Base is abstract; dispatch a job that derives from it"):
        packer.pack(Request(Base(), {}))
    with pytest.raises(ConfigError, match=r"Nothing has no handle\(\)"):
        packer.pack(Request(Nothing(), {}))


def test_a_list_of_seconds_may_be_any_sequence() -> None:
    class Patient(Job, backoff=range(1, 4)):
        async def handle(self) -> None: ...

    assert Patient.settings_.backoff == (1.0, 2.0, 3.0)
