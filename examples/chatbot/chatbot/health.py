"""What machines ask: is the process alive, can it serve, who is it, how is it doing."""

import asyncio
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from chatbot.database import schema_revision
from chatbot.metrics import Metrics

router = APIRouter()

READY_SECONDS = 1


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process is alive, and nothing more: a restart does not mend a database."""
    return {"status": "alive"}


async def _objection(request: Request) -> str | None:
    state = request.app.state
    if state.draining.leaving:
        return "this process is about to exit"
    if planted := state.faults.unready_reason():
        return str(planted)
    try:
        async with asyncio.timeout(READY_SECONDS):
            revision = await schema_revision(state.pool)
    except (TimeoutError, psycopg.Error) as problem:
        return f"the database does not answer within {READY_SECONDS} s ({type(problem).__name__})"
    if revision is None or revision < state.release.migration:
        return f"the database is at migration {revision or 'none'}; this version needs {state.release.migration}"
    return None


@router.get("/readyz", responses={503: {"description": "Not ready; the reason says why."}})
async def readyz(request: Request) -> JSONResponse:
    """Tell whether users can be served: the database answers and its schema is new enough."""
    reason = await _objection(request)
    if reason:
        return JSONResponse({"status": "not ready", "reason": reason}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/version")
async def version(request: Request) -> dict[str, Any]:
    """Tell who answers, as the x-release header does."""
    state = request.app.state
    return {
        "version": state.release.version,
        "build": state.release.build,
        "migration": state.release.migration,
        "color": state.settings.color,
        "config": state.settings.config,
    }


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Give the metrics in Prometheus' text format."""
    measured: Metrics = request.app.state.metrics
    return Response(measured.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
