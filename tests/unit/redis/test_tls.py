"""TLS: the server's certificate is checked against the user's own authority, in the loop and in the keeper's thread."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import anyio
import pytest

from asyncq.drivers import connect
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Done
from asyncq.testing.conformance.jobs import push, reserve, settle
from tests.support.redis import RedisServer


def _run(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate of the server and one of the client."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH")
    directory = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "rsa:2048", "-nodes"]
    _run(directory, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    for name in ("server", "client"):
        _run(directory, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext", "-days", "2"]
        _run(directory, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return directory


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def port(certificates: Path, server: RedisServer) -> AsyncIterator[int]:
    """A port that speaks TLS and asks for a certificate, before the server: not every build of one knows TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(carry(reader, before), carry(behind, writer), return_exceptions=True)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with proxy:
        number: int = proxy.sockets[0].getsockname()[1]
        yield number


def options(certificates: Path, **other: str) -> str:
    given = {
        "ssl_ca_certs": str(certificates / "ca.pem"),
        "ssl_certfile": str(certificates / "client.pem"),
        "ssl_keyfile": str(certificates / "client.key"),
        "retry_for": "0.3",
        **other,
    }
    return urlencode({key: value for key, value in given.items() if value})


async def test_jobs_and_leases_go_over_tls(certificates: Path, port: int) -> None:
    async with connect(f"rediss://127.0.0.1:{port}/0?{options(certificates)}") as driver:
        await push(driver, "a")
        (held,) = await reserve(driver)
        with driver.keeper() as keeper:
            assert list(await anyio.to_thread.run_sync(keeper.extend, [held])) == []
        assert await settle(driver, held, Done()) == []


@pytest.mark.parametrize(
    "other",
    [{"ssl_ca_certs": ""}, {"ssl_certfile": "", "ssl_keyfile": ""}],
    ids=["an authority that is not known", "no certificate of the client"],
)
async def test_who_cannot_be_trusted_gets_no_connection(certificates: Path, port: int, other: dict[str, str]) -> None:
    with pytest.raises(BrokerUnavailable, match=f"rediss://127.0.0.1:{port} does not answer"):
        async with connect(f"rediss://127.0.0.1:{port}?{options(certificates, **other)}"):
            pass


async def test_checks_can_be_turned_off(certificates: Path, port: int) -> None:
    lax = options(certificates, ssl_ca_certs="", ssl_cert_reqs="none", ssl_check_hostname="false")
    async with connect(f"rediss://127.0.0.1:{port}?{lax}") as driver:
        await push(driver, "b")
