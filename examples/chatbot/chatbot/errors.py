"""What can go wrong for a user, and the one shape in which it is told: {"error": a sentence, "code": a word}.

    Problem
    ├── NotFound          404  no such conversation, for this tenant
    ├── NotWaiting        409  the message to be answered again has an answer
    ├── ProviderFailed    502  the provider answered with an error, or with nonsense
    └── ProviderTimeout   504  the provider took longer than PROVIDER_TIMEOUT

The database's own errors (psycopg.OperationalError) become 503.
"""

import json
import logging
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818, told to users, who call it so
    """Something a user is told about."""

    status = 500
    code = "internal"


class NotFound(Problem):
    """There is no such thing, or it is another tenant's."""

    status = 404
    code = "not-found"


class NotWaiting(Problem):
    """The message is not one that waits for an answer."""

    status = 409
    code = "not-waiting"


class ProviderFailed(Problem):
    """The provider did not answer with an answer; trying again may help."""

    status = 502
    code = "provider-failed"


class ProviderTimeout(Problem):
    """The provider did not answer in time; trying again may help."""

    status = 504
    code = "provider-timeout"


class ErrorAnswer(BaseModel):
    """The shape of every error; `message` is the user's message where one was kept."""

    error: str
    code: str
    message: dict[str, Any] | None = None


def error_answer(status: int, code: str, text: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Make an error's answer; escaped to ASCII, since it may quote text that has no UTF-8 form."""
    body = json.dumps({"error": text, "code": code, **more})
    return Response(body, status, headers=headers, media_type="application/json")


async def _on_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return error_answer(problem.status, problem.code, str(problem))


async def _on_http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(problem.status_code, "http")
    text = f"{request.method} {request.url.path}: {problem.detail}"
    return error_answer(problem.status_code, code, text, headers=dict(problem.headers or {}))


async def _on_invalid(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in problem.errors()]
    return error_answer(422, "invalid", "; ".join(found))


async def _on_database(_: Request, problem: Exception) -> Response:
    log.error("the database failed: %s", " ".join(str(problem).split()))
    return error_answer(503, "database-unavailable", "the database is not available; try again in a moment")


async def _on_anything(_: Request, __: Exception) -> Response:
    return error_answer(500, "internal", "this should not have happened; the log has the details")


def install_handlers(app: FastAPI) -> None:
    """Give every error its answer."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(psycopg.OperationalError, _on_database)
    app.add_exception_handler(Exception, _on_anything)
