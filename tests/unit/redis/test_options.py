"""What a Redis URL may say, and what it is told where it says something else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.drivers.redis.options import Options, options_of
from asyncq.errors import ConfigError
from asyncq.payload import Done, Settlement
from asyncq.testing.conformance.jobs import ids, push, reserve
from tests.support.redis import RedisServer


def options(url: str, **given: str) -> Options:
    made = Connection.from_texts(url, given, {})
    return options_of(made.settings("main"))


# --- the place of the server ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shape", "hosts"),
    [
        ("redis://", "single", (("localhost", 6379),)),
        ("redis://host", "single", (("host", 6379),)),
        ("redis://host:1234/0", "single", (("host", 1234),)),
        ("redis://[::1]:1234", "single", (("::1", 1234),)),
        ("rediss://host", "single", (("host", 6379),)),
        ("redis+cluster://one:1,two,three:3", "cluster", (("one", 1), ("two", 6379), ("three", 3))),
        ("rediss+cluster://user:secret@one:1,two:2/0", "cluster", (("one", 1), ("two", 2))),
        ("redis+sentinel://one,two:2/mymaster", "sentinel", (("one", 26379), ("two", 2))),
        ("rediss+sentinel://one/mymaster/3", "sentinel", (("one", 26379),)),
    ],
)
def test_a_url_names_servers(url: str, shape: str, hosts: tuple[tuple[str, int], ...]) -> None:
    found = options(url)
    assert (found.shape, found.hosts, found.path) == (shape, hosts, None)


def test_a_unix_socket_is_a_path() -> None:
    found = options("redis+unix:///run/a%20b/redis.sock?db=2")
    assert (found.shape, found.path, found.hosts, found.login) == ("single", "/run/a b/redis.sock", (), {"db": 2})
    assert found.where == "redis+unix:///run/a b/redis.sock"


def test_sentinel_watches_a_service_and_a_database_may_follow() -> None:
    assert options("redis+sentinel://one/my%20master").service == "my master"
    found = options("redis+sentinel://one/mymaster/3")
    assert (found.service, found.login) == ("mymaster", {"db": 3})


@pytest.mark.parametrize(
    ("url", "given", "login"),
    [
        ("redis://host", {}, {}),
        ("redis://user:pass@host", {}, {"username": "user", "password": "pass"}),
        ("redis://:p%40ss@host/4", {}, {"password": "p@ss", "db": 4}),
        ("redis://host/4?db=5", {}, {"db": 5}),
        ("redis://user:pass@host", {"username": "other", "password": "x"}, {"username": "other", "password": "x"}),
        ("rediss://host", {}, {"ssl": True}),
        ("rediss://host", {"ssl_check_hostname": "no"}, {"ssl": True, "ssl_check_hostname": False}),
        (
            "rediss://host?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_cert_reqs=none&ssl_password=p",
            {},
            {
                "ssl": True, "ssl_ca_certs": "/ca", "ssl_certfile": "/c", "ssl_keyfile": "/k",
                "ssl_cert_reqs": "none", "ssl_password": "p",
            },
        ),
    ],
)  # fmt: skip
def test_a_login_stands_in_the_url_or_in_options(url: str, given: dict[str, str], login: dict[str, Any]) -> None:
    assert options(url, **given).login == login


def test_sentinels_have_a_login_of_their_own() -> None:
    found = options("redis+sentinel://one/m", sentinel_username="watch", sentinel_password="secret")  # noqa: S106
    assert (found.login, found.sentinel_login) == ({}, {"username": "watch", "password": "secret"})


def test_times_and_eviction() -> None:
    found = options("redis://host?timeout=1.5", retry_for="0.5", allow_eviction="true")
    assert (found.timeout, found.retry_for, found.allow_eviction) == (1.5, 0.5, True)
    plain = options("redis://host")
    assert (plain.timeout, plain.retry_for, plain.allow_eviction) == (5.0, 3.0, False)


def test_no_message_holds_the_password() -> None:
    assert options("redis://user:secret@host:1/0").where == "redis://host:1"
    with pytest.raises(ConfigError) as failure:
        options("redis://user:secret@host:port")
    assert "secret" not in str(failure.value)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host?colour=red", "unknown option 'colour'; there are after_commit, allow_eviction, block_for, db"),
        ("redis://host?ssl_ca_certs=/ca", "ssl_ca_certs is for TLS; write rediss://"),
        ("redis+cluster://host?ssl_keyfile=/k", "ssl_keyfile is for TLS; write rediss[+]cluster://"),
        ("redis+cluster://host/1", "a cluster has database 0 only, not 1; use prefix="),
        ("redis+cluster://host?db=1", "a cluster has database 0 only"),
        ("redis+sentinel://host", "does not name the master .*/mymaster"),
        ("redis+sentinel://host/", "does not name the master"),
        ("redis://host:port", "'host:port' is no host:port"),
        ("redis://host:70000", "is no host:port"),
        ("redis+cluster://one:1,two:x", "'two:x' is no host:port"),
        ("redis://host/jobs", "'jobs' is no number of a database"),
        ("redis://host?db=-1", "'-1' is no number of a database"),
        ("redis://host?timeout=soon", "timeout='soon' is no number of seconds"),
        ("redis://host?timeout=0", "timeout='0' must be a finite number of seconds above 0"),
        ("redis://host?retry_for=26", "timeout=5 and retry_for=26 are more than 30 s together"),
        ("redis://host?retry_for=inf", "retry_for='inf' must be a finite number"),
        ("redis://host?allow_eviction=maybe", "allow_eviction='maybe' is neither true nor false"),
        ("rediss://host?ssl_check_hostname=maybe", "ssl_check_hostname='maybe' is neither true nor false"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_name(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"connection 'main': .*{words}"):
        connect(url, name="main")


MISSING = """
import sys
sys.modules[{name!r}] = None
import asyncq.drivers, asyncq.errors
try:
    asyncq.drivers.connect("rediss://host")
except asyncq.errors.MissingDependency as error:
    print("missing:", error)
else:
    print("there")
"""


def _told_without(name: str) -> str:
    code = MISSING.format(name=name)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_missing_library_is_named_with_the_way_to_get_it() -> None:
    assert _told_without("redis") == (
        "missing: rediss:// needs the library redis, which is not installed: pip install 'asyncq[redis]'\n"
    )


def test_hiredis_may_be_missing() -> None:
    assert _told_without("hiredis") == "there\n"


# --- alive ------------------------------------------------------------------------------------------------------------


async def test_a_unix_socket_works() -> None:
    with RedisServer() as server:
        async with connect(f"redis+unix://{server.socket}") as driver:
            await push(driver, "a")
            with driver.keeper() as keeper:
                assert list(keeper.extend(await reserve(driver))) == []


async def test_a_user_with_a_password_and_a_database_works() -> None:
    users = {"worker": "on >p@ss ~* &* +@all"}
    with RedisServer(password="other", users=users) as server:  # noqa: S106
        place = f"127.0.0.1:{server.port}/3"
        for url in (f"worker:p%40ss@{place}", f"{place}?username=worker&password=p%40ss"):
            async with connect(f"redis://{url}") as driver:
                await push(driver, "a")
                held = await reserve(driver)
                with driver.keeper() as keeper:
                    assert list(keeper.extend(held)) == []
                await driver.settle([Settlement(one, Done()) for one in held])
        async with connect(f"redis://worker:p%40ss@127.0.0.1:{server.port}/3") as driver:
            await push(driver, "b")
            async with connect(f"redis://worker:p%40ss@127.0.0.1:{server.port}/4") as other:
                assert await reserve(other) == []
            assert ids(await reserve(driver)) == ["b"]


async def test_a_wrong_password_is_said_to_be_so() -> None:
    with RedisServer(password="right") as server:  # noqa: S106
        for url in (f"redis://:wrong@127.0.0.1:{server.port}", f"redis://127.0.0.1:{server.port}"):
            with pytest.raises(ConfigError, match="refuses this user"):
                async with connect(url):
                    pass
