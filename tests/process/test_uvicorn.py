"""A worker inside a web server: Ctrl-C ends both, and hands the running job back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.workshop import Workshop, until, workshop
from tests.support.root import ROOT

GRACE = 1.0
SLACK = 5.0
WEB = f"""
from starlette.applications import Starlette

from shop import app

api = Starlette(lifespan=app.lifespan(work=True, grace={GRACE}, concurrency=4))
"""


def serve(shop: Workshop, log: Path) -> subprocess.Popen[bytes]:
    """Start uvicorn on a free port and wait until the worker in it has a heartbeat."""
    (shop.folder / "web.py").write_text(WEB)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "web:api", "--port", "0"],
            cwd=shop.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "LEASE": "30"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: shop.beats() or process.poll() is not None, 20, "the worker's heartbeat")
    return process


@pytest.mark.parametrize("job", ["Sleep", "Thread"])
def test_ctrl_c_under_uvicorn_ends_quietly_and_hands_the_job_back(tmp_path: Path, job: str) -> None:
    with workshop(tmp_path) as shop:
        log = tmp_path / "uvicorn.log"
        server = serve(shop, log)
        try:
            (id,) = shop.dispatch((job, {"seconds": 60}))
            until(lambda: shop.starts(id), 10, "the start")
            stopped_at = time.monotonic()
            server.send_signal(signal.SIGINT)
            server.wait(GRACE + 3 + SLACK)
            assert time.monotonic() - stopped_at < GRACE + 3 + SLACK
        finally:
            server.kill()
            server.wait(5)
        said = log.read_text()
        assert "Application shutdown complete" in said, said
        assert "Traceback" not in said, said
        assert shop.size().ready == 1

        shop.start("--once")
        again = until(lambda: shop.starts(id)[1:], 10, "the start elsewhere")[0]
        assert (again.attempt, again.crashes) == (1, 0)
