"""The backends of the matrix."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from asyncq.drivers import SCHEMES
from asyncq.testing.conformance import Backend
from tests.contract.traits import ROWS
from tests.support.shared import Shared

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

__all__ = ["backend_in", "backend_on", "params_of", "problem_of"]


def backend_on(servers: Shared, name: str, directory: Path, *, untouched: bool = False) -> Backend:
    """A store of its own on the server that its row names; a server that cannot be had skips the test.

    Its tables are there already and empty, where that is quicker; `untouched` has none.
    """
    row = ROWS[name]
    server = servers.url(row.server) if row.server else ""
    if row.scheme == "postgresql" and not untouched:
        return _backend(name, servers.tables(row.server, lambda schema: row.url.format(name=schema, server=server)))
    return backend_in(directory, name, server)


def backend_in(directory: Path, name: str, server: str = "") -> Backend:
    """A store of its own, in a folder or on a server."""
    url = ROWS[name].url.format(name=uuid4().hex, path=directory / "queue.db", server=server)
    return _backend(name, url)


def _backend(name: str, url: str) -> Backend:
    row = ROWS[name]
    return Backend(name, url, traits=row.traits, promises=row.promises, lease=row.lease, histories=row.histories)


def params_of(names: str) -> list[ParameterSet]:
    """Return the backends of a comma list as parameters of a test.

    Where the time is real, a pause of the machine can outlast what a test waits for: such a test is run again.
    """
    known = [name.strip() for name in names.split(",") if name.strip()]
    again = pytest.mark.flaky(reruns=2)
    return [pytest.param(name, marks=[again] if name in ROWS and ROWS[name].server else []) for name in known]


def problem_of(name: str) -> str | None:
    """Say why a backend cannot be used here, or None."""
    if name not in ROWS:
        return f"no row for the backend {name!r} in tests/contract/traits.py; there are {', '.join(ROWS)}"
    scheme = ROWS[name].scheme or name
    if scheme not in SCHEMES:
        return f"no driver for {scheme}://, which is the scheme of the backend {name!r}"
    module, _, attribute = SCHEMES[scheme].partition(":")
    try:
        getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        return f"the driver of {name!r} cannot be imported: {error}"
    return None
