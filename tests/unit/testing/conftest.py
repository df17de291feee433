"""No app of another test is found."""

from __future__ import annotations

from tests.support.apps import no_other_app

__all__ = ["no_other_app"]
