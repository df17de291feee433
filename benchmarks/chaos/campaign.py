"""The runs: with kills, with stalls, with outages, with cut connections. The seed decides whom and when."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.audit import audit, waiting
from benchmarks.chaos.brokers import Server, opened
from benchmarks.chaos.checker import CROWD, Bounds, Verdict, check
from benchmarks.chaos.fleet import Fleet, Member, start
from benchmarks.chaos.history import Log, read
from benchmarks.chaos.options import Options

__all__ = ["Campaign", "cuts", "kills", "outages", "stalls"]

LOOK = 0.005
SHARE = 0.93
"""The part of the jobs during which there are kills, so that the last ones still find work."""
CROWDED = 0.75
"""Share of the kills that wait for a victim with `CROWD` jobs or more; the others take any that runs one."""
STALL_LEASES = 1.5
PATIENCE = 8.0
"""Leases without a single confirmed end after which the rest counts as lost."""
BREATH = 0.5
"""Seconds between the end of a stall and the next one."""

Strike = Callable[["Campaign", random.Random], None]


@dataclass(slots=True)
class Campaign:
    """One run in a folder of its own."""

    options: Options
    folder: Path
    jobs: int
    fleet: Fleet
    dispatcher: subprocess.Popen[bytes]
    server: Server | None
    ends_at: float

    @property
    def over(self) -> bool:
        """True where the time of the run is up, or its jobs will never be there."""
        return time.monotonic() > self.ends_at or self.dispatcher.poll() not in {None, 0}

    @property
    def through(self) -> bool:
        """True where the workers have nothing left to do."""
        return self.dispatcher.poll() is not None and self.fleet.confirmed >= self.jobs

    def until(self, condition: Callable[[], bool]) -> bool:
        """Follow the workers until the condition holds; False where the time is up first."""
        while not self.over:
            self.fleet.look()
            if condition():
                return True
            time.sleep(LOOK)
        return False

    def choose(self, dice: random.Random, least: int) -> Member | None:
        """Wait for workers that run so many jobs, and draw one of them; None where there will be none."""
        self.until(lambda: self.through or any(len(member.running) >= least for member in self.fleet.members))
        able = [member for member in self.fleet.members if len(member.running) >= least]
        return dice.choice(able) if able else None

    def drain(self) -> None:
        """Let the workers finish, then leave; where they get nowhere, do not wait for the end of the time."""
        self.until(lambda: self.dispatcher.poll() is not None)
        confirmed, since = self.fleet.confirmed, time.monotonic()
        while not self.over and asyncio.run(waiting(self.options)):
            self.until(_pause(0.2))
            if self.fleet.confirmed > confirmed:
                confirmed, since = self.fleet.confirmed, time.monotonic()
            if time.monotonic() - since > PATIENCE * self.options.lease:
                break
        self.fleet.drain()


def kills(options: Options, folder: Path) -> Verdict:
    """Kill workers while they work through the jobs, and judge."""
    bounds = Bounds(
        options.lease,
        jobs=options.jobs,
        kills=options.kills,
        extra_starts=options.kills // 2,
        cuts=options.kills // 2 if options.cuts else 0,
        slack=options.slack,
    )
    _run(options, folder, options.jobs, _kill)
    return check(read(folder), bounds)


def stalls(options: Options, folder: Path) -> Verdict:
    """Stall workers for 1.5 leases while they work through the jobs, and judge."""
    bounds = Bounds(
        options.lease,
        jobs=options.stall_jobs,
        stalls=options.stalls,
        extra_starts=options.stalls,
        refused=1,
        slack=options.slack,
    )
    _run(options, folder, options.stall_jobs, _stall)
    return check(read(folder), bounds)


def outages(options: Options, folder: Path) -> Verdict:
    """Kill the server while workers work through the jobs, and judge."""
    bounds = Bounds(options.lease, jobs=options.outage_jobs, server_kills=options.server_kills, slack=options.slack)
    _run(options, folder, options.outage_jobs, _strike_server, durable=options.disk)
    return check(read(folder), bounds)


def cuts(options: Options, folder: Path) -> Verdict:
    """End sessions of the server while workers work through the jobs, and judge: none may start twice for that."""
    bounds = Bounds(options.lease, jobs=options.cut_jobs, cuts=options.cuts // 2, slack=options.slack)
    _run(options, folder, options.cut_jobs, _cut)
    return check(read(folder), bounds)


def _run(options: Options, folder: Path, jobs: int, strike: Strike, *, durable: bool = False) -> None:
    with Log(folder, "killer") as log, opened(options, folder, log, durable=durable) as (url, server):
        options = options.at(url)
        with Fleet(options, folder, log) as fleet:
            dispatcher = start("dispatcher", folder, "dispatcher", options.to_json(), str(jobs))
            campaign = Campaign(options, folder, jobs, fleet, dispatcher, server, time.monotonic() + options.limit)
            try:
                strike(campaign, random.Random(f"victims {options.seed}"))
                campaign.drain()
            finally:
                dispatcher.kill()
                dispatcher.wait()
            asyncio.run(audit(options, log, jobs))


def _kill(campaign: Campaign, dice: random.Random) -> None:
    for due in _moments(campaign, dice, campaign.options.kills):
        campaign.until(_confirmed(campaign, due))
        if campaign.server is not None and campaign.options.cuts:
            campaign.server.cut(dice)
        victim = campaign.choose(dice, CROWD if dice.random() < CROWDED else 1)
        campaign.until(_pause(dice.uniform(0.0, 0.02)))
        if victim is not None and not campaign.over and victim in campaign.fleet.members:
            campaign.fleet.kill(victim)


def _stall(campaign: Campaign, dice: random.Random) -> None:
    for _ in range(campaign.options.stalls):
        victim = campaign.choose(dice, CROWD)
        if victim is None:
            return
        campaign.fleet.stop(victim)
        campaign.until(_pause(STALL_LEASES * campaign.options.lease))
        campaign.fleet.resume(victim)
        campaign.until(_pause(BREATH + dice.random()))


def _strike_server(campaign: Campaign, dice: random.Random) -> None:
    """Kill it while workers are busy; the next time it waits until jobs ended after this one."""
    assert campaign.server is not None, "a server that is not ours is not killed"
    for due in _moments(campaign, dice, campaign.options.server_kills):
        campaign.until(_confirmed(campaign, due))
        campaign.choose(dice, CROWD)
        campaign.until(_pause(dice.uniform(0.0, 0.1)))
        if campaign.over or campaign.through:
            return
        campaign.server.strike(dice)
        campaign.fleet.look()
        if not _resumes(campaign):
            return


def _cut(campaign: Campaign, dice: random.Random) -> None:
    assert campaign.server is not None, "nobody cuts the connections of a server that is not ours"
    for due in _moments(campaign, dice, campaign.options.cuts):
        campaign.until(_confirmed(campaign, due))
        if campaign.over or campaign.through:
            return
        campaign.server.cut(dice)


def _resumes(campaign: Campaign) -> bool:
    """Wait for the next end of a job; False where there is none for many leases."""
    again, late = _confirmed(campaign, campaign.fleet.confirmed + 1), _pause(PATIENCE * campaign.options.lease)
    return campaign.until(lambda: again() or late()) and again()


def _moments(campaign: Campaign, dice: random.Random, count: int) -> Iterator[int]:
    """Draw how many jobs are to have ended at each strike."""
    for number in range(count):
        yield int((number + dice.random()) / count * campaign.jobs * SHARE)


def _confirmed(campaign: Campaign, count: int) -> Callable[[], bool]:
    return lambda: campaign.fleet.confirmed >= count


def _pause(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until
