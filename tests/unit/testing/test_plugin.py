"""The fixtures that pytest finds by itself, in projects that use different plugins for async tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.root import ROOT

pytest_plugins = ["pytester"]

JOBS = """
from asyncq import Job

class Mail(Job, queue="mail", tries=2, backoff=60):
    to: str
    broken: bool = False
    async def handle(self) -> str:
        if self.broken:
            raise ConnectionError
        await Note(text=self.to).dispatch()
        return self.to

class Note(Job, connection="notes"):
    text: str
    def handle(self) -> str:
        return self.text
"""

PROJECT = """
[project]
name = "shop"
version = "0"
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
[tool.asyncq]
url = "redis://127.0.0.1:1/0"
failed = "redis://127.0.0.1:1/1"
[tool.asyncq.connections.notes]
url = "redis://127.0.0.1:1/2"
queue = "paper"
"""

TESTS = """
import asyncio
import pytest
import asyncq
from asyncq.testing import drain
from jobs import Mail, Note

{mark}

async def test_the_fake_keeps_jobs(asyncq_fake):
    await Mail(to="a").dispatch()
    asyncq_fake.assert_dispatched(Mail, times=1)
    assert [outcome.result for outcome in await asyncq_fake.run()] == ["a", "a"]

async def test_the_app_runs_jobs(asyncq_app):
    await Mail(to="b").dispatch()
    assert [outcome.result for outcome in await drain(asyncq_app)] == ["b", "b"]

async def test_the_app_is_new_for_each_test(asyncq_app):
    assert await drain(asyncq_app) == []
    await Mail(to="left behind").dispatch()

async def test_a_worker_of_the_app_runs_jobs(asyncq_app):
    done = asyncio.Event()
    asyncq_app.after(lambda event: done.set())
    async with asyncq_app.worker("mail"):
        await Mail(to="c").dispatch()
        await asyncio.wait_for(done.wait(), 10)

async def test_the_clock_is_that_of_the_app(asyncq_app, asyncq_clock):
    await Mail(to="d", broken=True).dispatch(delay=3600)
    assert await drain(asyncq_app) == []
    asyncq_clock.advance(hours=1)
    assert [outcome.delay for outcome in await drain(asyncq_app)] == [60.0]
    assert [outcome.failed for outcome in await drain(asyncq_app, within=60)] == [True]

async def test_the_clock_is_that_of_the_fake(asyncq_fake, asyncq_clock):
    assert asyncq_fake.clock is asyncq_clock
    await Mail(to="e").dispatch(delay=1)
    asyncq_clock.advance(1)
    assert len(await asyncq_fake.run()) == 2

async def test_fake_and_app_together_are_a_fake(asyncq_app, asyncq_fake):
    await Mail(to="f").dispatch()
    asyncq_fake.assert_count(1)

async def test_a_fixture_of_the_project_dispatches_too(mailed, asyncq_app):
    assert len(await drain(asyncq_app)) == 2

def test_without_a_loop(asyncq_fake):
    asyncio.run(Mail(to="g").dispatch())
    asyncq_fake.assert_dispatched(Mail)

def test_loops_and_threads_see_one_app(asyncq_app):
    asyncio.run(Mail(to="h").dispatch())
    assert len(asyncio.run(drain(asyncq_app))) == 2
"""

CONFTEST = """
import asyncio
import pytest
from jobs import Mail

@pytest.fixture
def mailed(asyncq_app):
    asyncio.run(Mail(to="x").dispatch())
"""

STRICT = ("-p", "asyncio", "--asyncio-mode=strict")
AUTO = ("-p", "asyncio", "--asyncio-mode=auto")
ANYIO = ("-p", "no:asyncio", "-W", "ignore:Unknown config option")
SETUPS = {
    "strict": ("pytestmark = pytest.mark.asyncio", STRICT),
    "auto": ("", AUTO),
    "anyio": (
        "pytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'",
        ANYIO,
    ),
}
ALL = 10


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of its own, whose tests run in processes of their own."""
    pytester.makepyprojecttoml(PROJECT)
    pytester.makepyfile(jobs=JOBS)
    pytester.makeconftest(CONFTEST)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{pytester.path}")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return pytester


def passed(project: pytest.Pytester, *arguments: str, count: int = ALL) -> None:
    result = project.runpytest_subprocess("-q", "-p", "no:cacheprovider", *arguments, timeout=90)
    # Tests without a loop are marked too, which pytest-asyncio only warns about.
    result.assert_outcomes(passed=count)


@pytest.mark.parametrize("setup", SETUPS)
def test_the_fixtures_work_under_each_plugin_for_async_tests(project: pytest.Pytester, setup: str) -> None:
    mark, arguments = SETUPS[setup]
    project.makepyfile(test_shop=TESTS.format(mark=mark))
    passed(project, *arguments, "-W", "ignore:The test:pytest.PytestWarning")


def test_the_order_of_the_tests_and_the_process_do_not_matter(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=TESTS.format(mark=""))
    project.makeconftest(CONFTEST + "\ndef pytest_collection_modifyitems(items):\n    items.reverse()\n")
    passed(project, *AUTO, "-n", "2")


def test_a_test_of_the_project_s_own_app_is_not_disturbed(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import asyncq
        from jobs import Mail
        from asyncq.testing import drain

        own = asyncq.AsyncQ("memory://own", failed="default")

        async def test_one(asyncq_app):
            async with own:
                await Mail(to="a").dispatch()
            assert await drain(asyncq_app) == []
            await Mail(to="b").dispatch()
            assert len(await drain(asyncq_app, "mail")) == 1

        async def test_two():
            await Mail(to="c").dispatch()
            driver = (await own.engine()).driver("default")
            assert (await driver.sizes(["mail"]))["mail"].ready == 2
        """
    )
    passed(project, *AUTO, count=2)


def test_a_failed_claim_points_at_the_test_and_not_into_the_library(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_wrong="""
        from jobs import Mail

        async def test_wrong(asyncq_fake):
            await Mail(to="a").dispatch()
            asyncq_fake.assert_dispatched(Mail, lambda mail: mail.to == "b")
        """
    )
    result = project.runpytest_subprocess("-q", *AUTO, timeout=90)
    result.assert_outcomes(failed=1)
    output = result.stdout.str()
    assert "test_wrong.py:5: AssertionError" in output or "test_wrong.py:6: AssertionError" in output, output
    assert "queue_fake.py" not in output
    assert "Mail(to='a'" in output


def test_pytest_loads_no_engine_for_tests_that_do_not_ask() -> None:
    program = "import asyncq.testing.plugin, sys; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"pydantic", "sqlite3", "typer", "asyncq.app", "asyncq.wiring", "asyncq.testing.queue_fake"}
