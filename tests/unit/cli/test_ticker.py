"""A line for each job, and how lines fold; the seconds are turned by hand."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from asyncq.cli.ticker import LINES, Ended, Ticker
from asyncq.events import JobFailed, JobInterrupted, JobProcessed, JobReleased, JobReleasedAfterException

FACTS = ("default", "mail", "01a2", "jobs:Mail")


class Screen:
    """Shows the lines; the second ends when a test says so."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.styles: list[str] = []
        self._calls: list[Callable[[], None]] = []
        self.ticker = Ticker(self._show, lambda _, call: self._calls.append(call))

    def _show(self, line: str, style: str) -> None:
        self.lines.append(line)
        self.styles.append(style)

    def see(self, *events: Ended) -> list[str]:
        """Return the lines that these events bring."""
        before = len(self.lines)
        for event in events:
            self.ticker.tell(event)
        return self.lines[before:]

    def end_second(self) -> list[str]:
        """Return the lines that the end of the second brings."""
        before, calls = len(self.lines), self._calls
        self._calls = []
        for call in calls:
            call()
        return self.lines[before:]

    @property
    def waits(self) -> bool:
        return bool(self._calls)


DONE = JobProcessed(*FACTS, 1, seconds=0.0123)
BROKEN = JobFailed(*FACTS, 1, error=ValueError("no"))


@pytest.mark.parametrize(
    ("event", "end", "style"),
    [
        (DONE, "done in 12.3 ms", "green"),
        (JobProcessed(*FACTS, 3, seconds=61.5), "done in 61.5 s in attempt 3", "green"),
        (BROKEN, "failed: ValueError: no", "red"),
        (JobReleased(*FACTS, 1, delay=5), "goes back for 5 s", "yellow"),
        (
            JobReleasedAfterException(*FACTS, 2, error=ValueError("no"), delay=10),
            "goes back for 10 s: ValueError: no in attempt 2",
            "yellow",
        ),
        (JobInterrupted(*FACTS, 1, reason="shutdown"), "handed back: shutdown", "yellow"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_an_attempt_has_a_line_that_says_how_it_ended(event: Ended, end: str, style: str) -> None:
    screen = Screen()
    (line,) = screen.see(event)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  mail  jobs:Mail  01a2  " + re.escape(end), line)
    assert screen.styles == [style]


def test_few_jobs_a_second_have_a_line_each_and_no_more() -> None:
    screen = Screen()
    assert len(screen.see(*[DONE] * LINES)) == LINES
    assert screen.end_second() == []
    assert not screen.waits
    assert len(screen.see(DONE)) == 1


def test_what_is_beyond_folds_into_one_line_at_the_end_of_the_second() -> None:
    screen = Screen()
    assert len(screen.see(*[DONE] * (LINES + 1231), *[BROKEN] * 3)) == LINES
    (line,) = screen.end_second()
    assert re.fullmatch(r"\+1,234 jobs in [\d.e-]+ s, 3 failed", line)
    assert screen.styles[-1] == "red"


def test_a_busy_worker_has_one_line_a_second_until_it_is_quiet_again() -> None:
    screen = Screen()
    screen.see(*[DONE] * (LINES + 1))
    assert screen.end_second()[0].startswith("+1 job in ")
    assert screen.see(*[DONE] * (LINES + 1)) == []
    assert screen.end_second()[0].startswith(f"+{LINES + 1} jobs in ")
    assert screen.see(DONE, DONE) == []
    assert screen.end_second()[0].startswith("+2 jobs in ")
    assert not screen.waits
    assert len(screen.see(DONE)) == 1


def test_a_second_in_which_nothing_ended_has_no_line() -> None:
    screen = Screen()
    screen.see(*[DONE] * (LINES + 1))
    screen.end_second()
    assert screen.end_second() == []
    assert not screen.waits


def test_what_was_counted_is_shown_when_the_worker_ends() -> None:
    screen = Screen()
    screen.see(*[DONE] * (LINES + 5))
    screen.ticker.flush()
    assert screen.lines[-1].startswith("+5 jobs in ")
    assert screen.end_second() == []
