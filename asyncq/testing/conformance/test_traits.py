"""The table of traits says what the drivers say, and what they can do."""

from __future__ import annotations

import dataclasses

import pytest

from asyncq.contracts import Driver, Installable
from asyncq.errors import ConfigError
from asyncq.payload import Traits
from asyncq.testing.conformance.backend import WORDS, Backend, abilities
from asyncq.testing.conformance.jobs import ids, push, reserve


async def test_the_traits_of_a_driver_are_those_of_its_row(backend: Backend, driver: Driver) -> None:
    assert dataclasses.asdict(driver.traits) == dataclasses.asdict(backend.traits)
    assert isinstance(driver.traits, Traits)


async def test_a_driver_can_do_what_its_row_says_and_no_more(backend: Backend, driver: Driver) -> None:
    assert abilities(driver) == backend.promises - WORDS


async def test_a_driver_has_the_name_and_the_lease_of_its_connection(backend: Backend, driver: Driver) -> None:
    assert (driver.name, driver.lease) == (backend.name, backend.lease)
    async with backend.open(lease=str(backend.lease * 2)) as other:
        assert other.lease == backend.lease * 2


async def test_a_closed_driver_can_be_opened_again(backend: Backend) -> None:
    driver = backend.make()
    for name in ("a", "b"):
        async with backend.opened(driver):
            await push(driver, name)
    async with backend.fresh() as other:
        assert ids(await reserve(other)) == ["a", "b"]


@pytest.mark.needs("installable")
def test_the_script_of_the_tables_needs_no_broker(backend: Backend) -> None:
    driver = backend.make()
    assert isinstance(driver, Installable)
    version, statements = driver.script()
    assert version >= 1
    assert statements
    assert driver.script(version) == (version, [])
    with pytest.raises(ConfigError, match=f"no tables of version {version + 1}"):
        driver.script(version + 1)


@pytest.mark.needs("installable")
async def test_the_tables_are_installed_once(backend: Backend) -> None:
    driver = backend.make()
    async with driver:
        assert isinstance(driver, Installable)
        version = (await driver.schema())[1]
        assert version >= 1
        assert await driver.install() in {0, version}
        assert await driver.schema() == (version, version)
        assert await driver.install() == version
    async with backend.fresh() as other:
        assert isinstance(other, Installable)
        assert await other.schema() == (version, version)
