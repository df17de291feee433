"""The tables of a connection: looked for when it opens, made when that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.options import Options
from asyncq.drivers.postgres.schema import VERSION, script
from asyncq.errors import BrokerUnavailable, ConfigError, SchemaError

__all__ = ["Installation"]

OLDEST: Final = 120_000
"""The oldest server that is supported, as it numbers itself."""


class Installation:
    """The part of the PostgreSQL driver that knows its tables."""

    _link: Link
    _options: Options
    identity: str | None = None
    """What tells this installation from every other; None where there are no tables yet."""

    async def schema(self) -> tuple[int, int]:
        """Return (version found, version of this code)."""
        return await self._found(), VERSION

    async def install(self) -> int:
        """Bring the tables to this code's version, once, whoever else tries too; returns the version found before."""
        before = await self._found()
        if before < VERSION:
            has_schema = (await self._link.run("exists", self._options.schema))[0]["schema"]
            statements = script(self._options.schema, before, make_schema=not has_schema)
            try:
                await self._link.script([statements[0], self._alone(), *statements[1:]])
            except SchemaError:
                raise
            except Exception:
                # Somebody else may have made them between our look and our turn.
                if await self._found() < VERSION:
                    raise
            await self._found()
        return before

    def script(self, since: int = 0, /) -> tuple[int, Sequence[str]]:
        """Return (version of this code, the statements that lead to it)."""
        return VERSION, script(self._options.schema, since)

    def _alone(self) -> str:
        """Wait for whoever else is making tables in this schema."""
        return f"SELECT pg_advisory_xact_lock(hashtext('asyncq'), hashtext('{self._options.schema}'))"

    async def _greet(self) -> None:
        """Look whether this server and its tables can be used; that there are no tables yet is no error here.

        Raises:
            ConfigError: the server is too old.
            BrokerUnavailable: it is a replica.
            SchemaError: the tables are newer than this code.
        """
        row = (await self._link.run("exists", self._options.schema))[0]
        if row["server"] < OLDEST:
            raise ConfigError(f"{self._options.where} is older than PostgreSQL 12; upgrade the server")
        if row["replica"]:
            raise BrokerUnavailable(f"{self._options.where} is a replica that takes no writes; connect to the primary")
        if row["tables"]:
            await self._found()

    async def _found(self) -> int:
        if not (await self._link.run("exists", self._options.schema))[0]["tables"]:
            return 0
        version, self.identity = (await self._link.run("version"))[0]
        if int(version) > VERSION:
            raise SchemaError(
                f"{self._options.where} has tables of version {version} in the schema {self._options.schema}, and this "
                f"asyncq knows them up to {VERSION}; upgrade asyncq here"
            )
        return int(version)
