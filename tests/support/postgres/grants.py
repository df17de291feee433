"""A role with the rights that the guide lists, and no others."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from tests.support.installing import install
from tests.support.postgres.server import PostgresServer
from tests.support.root import ROOT

__all__ = ["SCHEMA", "granted", "rights"]

SCHEMA: Final = "t_role"
ROLE: Final = "shop_jobs"
SECRET: Final = "secret"  # noqa: S105 - of a server that lives as long as the tests
_PUBLIC_MAY_NOTHING = f"""
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC;
"""
_TABLES_OF_ITS_OWN = f"CREATE SCHEMA {ROLE} AUTHORIZATION {ROLE}"
"""Where an application has its own data, beside the jobs."""


def granted(server: PostgresServer) -> str:
    """Make tables as the owner of a server, and the role; returns its URL without a query."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(install(f"{server.url}?schema={SCHEMA}"))
    server.command(_PUBLIC_MAY_NOTHING)
    server.command(rights())
    server.command(_TABLES_OF_ITS_OWN)
    return f"postgresql://{ROLE}:{SECRET}@127.0.0.1:{server.port}/postgres"


def rights() -> str:
    """The statements of the guide, for this database, schema and password."""
    page = (ROOT / "docs" / "guide" / "postgres.md").read_text()
    blocks: list[str] = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    [block] = [block for block in blocks if "CREATE ROLE" in block]
    text = block.replace("DATABASE shop", "DATABASE postgres").replace("'password'", f"'{SECRET}'")
    return text.replace("SCHEMA asyncq", f"SCHEMA {SCHEMA}").replace("asyncq.", f"{SCHEMA}.")
