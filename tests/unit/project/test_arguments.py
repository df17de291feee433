"""How the arguments of a parent become those of its children, and small words of the command line."""

from __future__ import annotations

import pytest

from asyncq.cli.output import ago
from asyncq.cli.working import without_option


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--processes", "2", "mail"], ["mail"]),
        (["mail", "--processes=2"], ["mail"]),
        (["--name", "x", "--processes", "2", "--once"], ["--name", "x", "--once"]),
        (["--once"], ["--once"]),
    ],
    ids=["apart", "joined", "between", "absent"],
)
def test_an_option_is_taken_out_with_its_value(arguments: list[str], left: list[str]) -> None:
    assert without_option(arguments, "--processes", takes_value=True) == left


def test_a_flag_is_taken_out_without_what_follows() -> None:
    assert without_option(["--reload", "mail"], "--reload") == ["mail"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.25, "0.2 s"), (59, "59.0 s"), (90, "1.5 min"), (5400, "1.5 h"), (86400, "1.0 d")],
)
def test_durations_are_told_as_a_person_says_them(seconds: float | None, text: str) -> None:
    assert ago(seconds) == text
