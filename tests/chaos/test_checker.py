"""The checker catches each way to break a promise: one bad history for each rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chaos.checker import Bounds, check
from benchmarks.chaos.history import Log, parse, read
from benchmarks.chaos.invariants import INVARIANTS
from benchmarks.chaos.story import tell
from tests.chaos.histories import BOUNDS, CROWD, INTERRUPTED, LEASE, STALLED, Told, good, interrupted, stalled


def broken(told: Told, bounds: Bounds = BOUNDS) -> set[str]:
    """Return the rules that a history breaks."""
    return {violation.rule for violation in check(told.sorted(), bounds).violations}


def test_a_good_history_breaks_no_rule() -> None:
    verdict = check(good().sorted(), BOUNDS)
    assert verdict.violations == []
    figures = verdict.figures
    assert (figures.jobs, figures.kills, figures.crowded) == (CROWD + 2, 1, 1.0)
    assert (figures.cut, figures.extra_starts, figures.unseen) == (CROWD + 1, CROWD, 1)
    assert [round(seconds, 2) for seconds in figures.restarts] == [
        round(LEASE + number / 10 + 0.01, 2) for number in range(CROWD)
    ]


def test_a_good_history_with_a_stall_breaks_no_rule() -> None:
    verdict = check(stalled().sorted(), STALLED)
    assert verdict.violations == []
    assert (verdict.figures.stalls, verdict.figures.stalled, verdict.figures.refused) == (1, 1, 1)


def test_a_good_history_with_outages_breaks_no_rule() -> None:
    verdict = check(interrupted().sorted(), INTERRUPTED)
    assert verdict.violations == []
    outages = verdict.figures.outages
    assert (outages.kills, outages.met, outages.in_doubt, len(outages.bereft)) == (2, CROWD + 2, 1, 1)
    assert [round(seconds, 2) for seconds in outages.away] == [0.2, 1.5 * LEASE]
    assert [round(seconds, 2) for seconds in outages.resumes] == [0.21, 1.5 * LEASE + 0.05]


def never_run(told: Told) -> None:
    told.say("accepted", "dispatcher", "forgotten", token="")


def never_again(told: Told) -> None:
    for kind in ("reserved", "start", "end", "confirmed"):
        told.drop(kind, "two", "job-0")


def lost_in_a_live_worker(told: Told) -> None:
    told.drop("confirmed", "two", "job-1")


def lost_though_nobody_asked_to_end_it(told: Told) -> None:
    told.drop("asked", "one", "unseen")


def left_in_the_store(told: Told) -> None:
    told.say("left", "killer", detail="3 jobs")


def not_audited(told: Told) -> None:
    told.drop("audited")


def confirmed_by_two(told: Told) -> None:
    told.say("confirmed", "one", "job-2", at=109.0, detail="done")


def confirmed_twice_by_one(told: Told) -> None:
    told.say("confirmed", "two", "job-2", detail="done")


def failed(told: Told) -> None:
    told.change("confirmed", "two", "job-3", detail="failed")


def started_after_its_end(told: Told) -> None:
    told.run("two", "quiet", at=118.0)


def not_accepted(told: Told) -> None:
    told.run("two", "stranger", at=118.0)


def accepted_twice(told: Told) -> None:
    told.say("accepted", "dispatcher", "quiet", token="")


def started_again_for_no_reason(told: Told) -> None:
    told.say("up", "three")
    told.reserve("three", "job-4", at=111.0, crashes=1)
    told.say("start", "three", "job-4")


def runs_in_two_at_once(told: Told) -> None:
    told.say("up", "three")
    told.reserve("three", "quiet", at=100.075)
    told.say("start", "three", "quiet", at=100.095)


def costs_an_attempt(told: Told) -> None:
    told.change("reserved", "two", "job-0", attempt=2)


def forgets_a_crash(told: Told) -> None:
    told.change("reserved", "two", "job-0", crashes=0)


def beside_a_suspect(told: Told) -> None:
    told.change("reserved", "two", "job-1", crashes=2)
    told.change("end", "two", "job-1", at=112.25)


def died_by_itself(told: Told) -> None:
    told.change("exit", "two", detail="1")


BAD: dict[Callable[[Told], None], str] = {
    never_run: "lost",
    never_again: "lost",
    lost_in_a_live_worker: "lost",
    lost_though_nobody_asked_to_end_it: "lost",
    left_in_the_store: "left behind",
    not_audited: "left behind",
    confirmed_by_two: "ended twice",
    confirmed_twice_by_one: "ended twice",
    failed: "failed",
    started_after_its_end: "started after its end",
    not_accepted: "unknown",
    accepted_twice: "unknown",
    started_again_for_no_reason: "unexplained start",
    runs_in_two_at_once: "overlap",
    costs_an_attempt: "attempts wrong",
    forgets_a_crash: "crashes wrong",
    beside_a_suspect: "not alone",
    died_by_itself: "died by itself",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_history_is_caught(spoil: Callable[[Told], None]) -> None:
    told = good()
    spoil(told)
    assert BAD[spoil] in broken(told)


def late_settle_taken() -> Told:
    told = stalled()
    told.drop("stale", "one")
    told.say("confirmed", "one", "held", at=104.05, detail="done")
    return told


def test_a_late_settle_that_was_taken_is_caught() -> None:
    assert "late settle accepted" in broken(late_settle_taken(), STALLED)


def test_a_stall_before_a_worker_had_the_job_excuses_nothing() -> None:
    told = stalled()
    told.change("stop", at=100.083)
    told.change("cont", at=100.085)
    assert {"overlap", "unexplained start"} <= broken(told, STALLED)


def accepted_and_gone(told: Told) -> None:
    told.say("accepted", "dispatcher", "forgotten", at=109.9, token="")


def reserved_and_gone(told: Told) -> None:
    told.drop("confirmed", "one", "job-0")


def end_taken_back(told: Told) -> None:
    told.run("two", "answered", at=110.3, crashes=1)


def ended_before_and_after(told: Told) -> None:
    told.say("confirmed", "one", "quiet", at=110.3, detail="done")


def repeated_settle_refused(told: Told) -> None:
    told.change("confirmed", "one", "answered", kind="stale", detail="")


def lease_lost_at_once(told: Told) -> None:
    told.reserve("two", "job-1", at=110.3, crashes=1)
    told.say("start", "two", "job-1")


def long_silence(told: Told) -> None:
    told.say("struck", "server", at=113.9)
    told.say("back", "server", at=114.0)
    told.say("accepted", "dispatcher", "late", at=114.1, token="")
    told.run("two", "late", at=120.0)


def never_back(told: Told) -> None:
    told.say("struck", "server", at=130.0)


def a_key_left_on_the_server(told: Told) -> None:
    told.say("left", "killer", detail="zset chaos:q:{default}:lease")


def struck_in_silence(told: Told) -> None:
    for at in (120.0, 121.0, 122.0):
        told.say("struck", "server", at=at)
        told.say("back", "server", at=at + 0.1)
        told.say("accepted", "dispatcher", f"after {at}", token="")
        told.run("two", f"after {at}")


CUT_OFF: dict[Callable[[Told], None], str] = {
    accepted_and_gone: "lost",
    reserved_and_gone: "lost",
    end_taken_back: "started after its end",
    ended_before_and_after: "ended twice",
    repeated_settle_refused: "own end refused",
    lease_lost_at_once: "lease lost in a short outage",
    long_silence: "slow resume",
    never_back: "slow resume",
    a_key_left_on_the_server: "left behind",
    struck_in_silence: "server kills that hurt nobody",
}


@pytest.mark.parametrize("spoil", CUT_OFF, ids=lambda spoil: spoil.__name__)
def test_a_bad_history_with_outages_is_caught(spoil: Callable[[Told], None]) -> None:
    told = interrupted()
    spoil(told)
    assert CUT_OFF[spoil] in broken(told, INTERRUPTED)


def test_a_job_that_no_outage_took_may_not_start_again() -> None:
    told = interrupted()
    told.run("two", "quiet", at=110.3)
    told.drop("confirmed", "one", "quiet")
    told.say("cancelled", "one", "quiet", at=109.0)
    assert "unexplained start" in broken(told, INTERRUPTED)


def test_each_invariant_is_broken_by_one_of_these_histories() -> None:
    histories = [good() for _ in BAD]
    for told, spoil in zip(histories, BAD, strict=True):
        spoil(told)
    refused = interrupted()
    repeated_settle_refused(refused)
    stories = [tell(told.sorted()) for told in (*histories, late_settle_taken(), refused)]
    silent = [each for each in INVARIANTS if not any(list(each(story)) for story in stories)]
    assert silent == []


MISSED: dict[str, Bounds] = {
    "too few jobs": replace(BOUNDS, jobs=CROWD + 3),
    "too few kills": replace(BOUNDS, kills=2),
    "too few extra starts": replace(BOUNDS, extra_starts=CROWD + 1),
    "too few stalls": replace(BOUNDS, stalls=1),
    "too few server kills": replace(BOUNDS, server_kills=1),
    "too few late settles": replace(BOUNDS, refused=1),
    "slow restart": replace(BOUNDS, slack=0.3),
}


@pytest.mark.parametrize("rule", MISSED)
def test_a_run_that_misses_a_bound_is_caught(rule: str) -> None:
    assert broken(good(), MISSED[rule]) == {rule}


def test_kills_that_hit_too_few_are_caught() -> None:
    told = good()
    for number in range(2):
        told.drop("start", "one", f"job-{number}")
    assert "kills that hurt nobody" in broken(told)


def test_more_starts_than_jobs_in_flight_are_caught() -> None:
    told = good()
    for number in range(2):
        told.say("accepted", "dispatcher", f"more-{number}", token="")
        told.run("two", f"more-{number}")
        told.run("three", f"more-{number}")
    assert "too many extra starts" in broken(told)


def test_many_ends_that_nobody_lived_to_confirm_are_caught() -> None:
    told = good()
    for number in range(8):
        told.say("accepted", "dispatcher", f"more-{number}", token="")
        told.run("two", f"more-{number}")
        told.drop("confirmed", "two", f"more-{number}")
    told.say("kill", "two", at=115.0)
    assert "too many ends unseen" in broken(told)


def test_a_line_that_a_kill_cut_off_is_passed_over() -> None:
    told = list(parse(b'{"kind": "up", "at": 1.0, "process": "one"}\n{"kind": "start", "at": 2.0, "proc'))
    assert [line.kind for line in told] == ["up"]


def test_the_files_of_all_processes_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    with Log(tmp_path, "b") as first, Log(tmp_path, "a") as second:
        written = [first.write("up"), second.write("up"), first.write("start", id="job")]
    assert read(tmp_path) == written
