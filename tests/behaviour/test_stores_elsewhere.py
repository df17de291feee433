"""Locks, funnels and throttles stand on the connection that the app names for them, unless a call names another."""

from __future__ import annotations

import pytest

from asyncq import AsyncQ, LockTimeout


async def test_each_gate_stands_where_the_app_says(url: str) -> None:
    one = AsyncQ("memory://", locks=url, limits=url)
    other = AsyncQ("memory://", locks=url, limits=url)
    async with one, other:
        async with one.lock("key", ttl=30):
            with pytest.raises(LockTimeout):
                await other.lock("key").__aenter__()
            async with other.lock("key", connection="default"):
                pass
        async with one.funnel("key", limit=1, ttl=30):
            with pytest.raises(LockTimeout):
                await other.funnel("key", limit=1).__aenter__()
            async with other.funnel("key", limit=1, connection="default"):
                pass
        async with one.throttle("key", limit=1, per=60):
            pass
        with pytest.raises(LockTimeout):
            await other.throttle("key", limit=1, per=60).__aenter__()
        async with other.throttle("key", limit=1, per=60, connection="default"):
            pass


async def test_without_a_name_they_stand_on_the_default_connection() -> None:
    one, other = AsyncQ("memory://shared-gates"), AsyncQ("memory://shared-gates")
    async with one, other, one.lock("key", ttl=30):
        with pytest.raises(LockTimeout):
            await other.lock("key").__aenter__()
