"""The fixture that keeps the apps of other tests away; the conftest of a folder imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

from asyncq.current import apps

if TYPE_CHECKING:
    from asyncq.current import Host

__all__ = ["no_other_app"]


@pytest.fixture(autouse=True)
def no_other_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no app of another test be found."""
    built: WeakSet[Any] = WeakSet()
    opened: list[Host] = []
    monkeypatch.setattr(apps, "built", built)
    monkeypatch.setattr(apps, "open", opened)
    monkeypatch.setattr(apps, "default", None)
