"""What listeners of a real worker hear of the signals that it gets."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.process.workshop import until, workshop

LISTEN = """
from asyncq.events import WorkerEvent, WorkerInterrupted, WorkerPausing, WorkerResuming, WorkerStopping

@app.on(WorkerPausing)
@app.on(WorkerResuming)
@app.on(WorkerInterrupted)
@app.on(WorkerStopping)
async def write(event: WorkerEvent) -> None:
    await asyncio.sleep(0.05)
    told = getattr(event, "signal", "") or getattr(event, "reason", "")
    with open("heard.txt", "a") as file:
        file.write(f"{type(event).__name__} {event.worker} {told}\\n")
"""


def test_pausing_resuming_and_interrupting_are_told_before_the_end(tmp_path: Path) -> None:
    heard = tmp_path / "heard.txt"
    heard.touch()
    with workshop(tmp_path) as shop:
        shop.patch(LISTEN)
        worker = shop.start("--name", "W")
        worker.send(signal.SIGUSR2)
        until(lambda: "WorkerPausing" in heard.read_text(), 10)
        worker.send(signal.SIGCONT)
        until(lambda: "WorkerResuming" in heard.read_text(), 10)
        worker.send(signal.SIGTERM)
        assert worker.wait(15) == 0
    assert heard.read_text().splitlines() == [
        "WorkerPausing W ",
        "WorkerResuming W ",
        "WorkerInterrupted W SIGTERM",
        "WorkerStopping W interrupted",
    ]
