"""A web application that hands slow work to a queue, with the worker in the same process.

pip install fastapi uvicorn
uvicorn main:api            then open http://127.0.0.1:8000

A request dispatches and answers at once; the page asks how far the job is until it has ended, then shows the report.
The queue is a SQLite file, so a restart of the server loses no job. For more power take `work=True` away here and run
`asyncq work` in processes of its own: nothing else changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from asyncq import AsyncQ
from asyncq.errors import JobCancelled, JobFailure, ResultNotKept

from jobs import Analyse, Report

queue = AsyncQ()
api = FastAPI(lifespan=queue.lifespan(work=True, concurrency=10, grace=5))
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


class State(BaseModel):
    """What the page is told of a job."""

    status: str
    fraction: float
    report: Report | None = None
    error: str | None = None


@api.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@api.post("/reports", status_code=202)
async def start(text: Annotated[str, Body(embed=True, max_length=100_000)]) -> dict[str, str]:
    """Dispatch, and answer with the id at once."""
    handle = await Analyse(text=text).dispatch()
    return {"id": handle.id}


@api.get("/reports/{id}")
async def look(id: str) -> State:
    """Tell where the job is; with its class, the result has the type that its handler returns."""
    handle = queue.handle(id, Analyse)
    try:
        now = await anext(handle.watch())  # the first word of a watch is how things are now
        state = State(status=now.status, fraction=now.fraction)
        if now.status == "done":
            state.report = await handle.result(timeout=5)
        elif now.status == "failed":
            await handle.result(timeout=5)  # raises why
    except ResultNotKept as error:  # it never was, or ended more than ten minutes ago
        raise HTTPException(404, f"nothing is known of job {id}") from error
    except (JobFailure, JobCancelled) as error:
        state.error = str(error)
    return state


@api.delete("/reports/{id}")
async def cancel(id: str) -> dict[str, bool]:
    """Cancel the job, whether it waits or runs."""
    return {"cancelled": await queue.handle(id, Analyse).cancel()}
