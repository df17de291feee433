"""The suite for drivers, as a third party runs it: it finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path

import pytest

from asyncq.drivers import connect
from asyncq.errors import ConfigError, UnknownDriver
from tests.support.root import ROOT

pytest_plugins = ["pytester"]

MODULE = '''
"""Drivers of a third party; each wrong one breaks one promise."""

from dataclasses import replace

from asyncq.drivers.memory import MemoryDriver
from asyncq.payload import Reserved


class Right(MemoryDriver):
    """Keeps every promise."""


class Settle(MemoryDriver):
    """Settles whoever asks, whatever the token."""

    async def settle(self, settlements, /):
        records = self._state.jobs.records
        settled = []
        for one in settlements:
            record = records.get(one.reservation.id)
            token = one.reservation.token if record is None else record.token
            settled.append(replace(one, reservation=replace(one.reservation, token=token)))
        return await super().settle(settled)


class Push(MemoryDriver):
    """Takes an id that it knows for another job."""

    async def push(self, envelopes, /):
        await self.cancel([envelope.id for envelope in envelopes])
        return await super().push(envelopes)


class Reserve(MemoryDriver):
    """Gives jobs in an order of its own."""

    async def reserve(self, queues, /, *, limit, alone=False):
        found = await super().reserve(queues, limit=limit, alone=alone)
        return Reserved(found.items[::-1], found.suspects, found.next_due)
'''

CONFTEST = """
from uuid import uuid4
import pytest
from asyncq.testing.conformance import Backend

@pytest.fixture
def backend():
    return Backend("mine", f"{scheme}://{{uuid4().hex}}", histories=5)
"""

POINTS = """
[asyncq.drivers]
right = mine:Right
settle = mine:Settle
push = mine:Push
reserve = mine:Reserve
missing = nowhere:Driver
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with drivers of its own."""
    home = tmp_path / "site"
    (home / "mine-1.0.dist-info").mkdir(parents=True)
    (home / "mine.py").write_text(MODULE)
    (home / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (home / "mine-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{home}")
    monkeypatch.setattr(sys, "path", [str(home), *sys.path])
    return home


def conform(project: pytest.Pytester, scheme: str, *arguments: str) -> pytest.RunResult:
    project.makeconftest(CONFTEST.format(scheme=scheme))
    options = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider")
    suite = ("--pyargs", "asyncq.testing.conformance")
    return project.runpytest_subprocess(*suite, "-q", *options, *arguments, timeout=110)


def test_a_right_driver_of_another_package_passes(package: Path, pytester: pytest.Pytester) -> None:
    # Without the many cancelled calls, which take most of the time; our own backends are tried with all.
    result = conform(pytester, "right", "-W", "error", "-k", "not test_cancellation")
    outcomes = result.parseoutcomes()
    assert not outcomes.keys() & {"failed", "errors", "error"}, result.stdout.str()
    assert outcomes["passed"] > 200
    assert outcomes["skipped"] < 10


@pytest.mark.parametrize(
    ("scheme", "module", "finding"),
    [
        ("settle", "test_leases", "a_settlement_is_stale_as_soon_as_the_job_went_back"),
        ("push", "test_push", "pushing_one_id_twice_is_one_job"),
        ("reserve", "test_reserve", "order|due"),
    ],
)
def test_a_broken_promise_is_found(
    package: Path, pytester: pytest.Pytester, scheme: str, module: str, finding: str
) -> None:
    result = conform(pytester, scheme, "-k", module)
    failed = re.findall(rf"^FAILED \S*{module}\.py::(\S+)", result.stdout.str(), re.MULTILINE)
    assert any(re.search(finding, name) for name in failed), result.stdout.str()


def test_another_mode_of_pytest_asyncio_is_refused_with_the_way_out(package: Path, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.format(scheme="right"))
    result = pytester.runpytest_subprocess("--pyargs", "asyncq.testing.conformance", "-o", "asyncio_mode=strict")
    assert result.ret != pytest.ExitCode.OK
    assert "needs asyncio_mode=auto, not strict; add -o asyncio_mode=auto" in result.stdout.str()


def test_our_own_backends_run_every_module_of_the_suite() -> None:
    suite = {item.name for item in resources.files("asyncq.testing.conformance").iterdir()}
    modules = {name for name in suite if name.startswith("test_")}
    assert len(modules) > 15
    for name in modules:
        text = (ROOT / "tests" / "contract" / name).read_text()
        assert f"from asyncq.testing.conformance.{name.removesuffix('.py')} import *" in text


def test_a_scheme_of_another_package_is_found(package: Path) -> None:
    assert type(connect("right://x")).__module__ == "mine"
    with pytest.raises(UnknownDriver, match=r"no driver for wrong://; there are .*memory://.*right://"):
        connect("wrong://x")
    with pytest.raises(ConfigError, match=r"driver of missing://, nowhere:Driver, cannot be imported: No module"):
        connect("missing://x")
