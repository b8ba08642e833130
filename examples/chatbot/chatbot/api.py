"""The routes under /api: thin, so that what they decide can be read in the store and in the assistant."""

import json
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from chatbot import models
from chatbot.assistant import Assistant
from chatbot.errors import ErrorAnswer, Problem, error_answer
from chatbot.models import BIGGEST_ID, Conversation, ConversationPage, Exchange, Message, MessagePage, ModelList
from chatbot.store import Store

log = logging.getLogger(__name__)

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
After = Annotated[int, Query(ge=0, le=BIGGEST_ID)]
Tenant = Annotated[str, Header(alias="x-tenant", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


async def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def _assistant(request: Request) -> Assistant:
    assistant: Assistant = request.app.state.assistant
    return assistant


Stored = Annotated[Store, Depends(_store)]
Assisted = Annotated[Assistant, Depends(_assistant)]


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer} for status in (*statuses, 422, 500, 503)}


router = APIRouter(prefix="/api")


@router.post("/conversations", status_code=201, response_model_exclude_none=True, responses=_errors())
async def create_conversation(
    store: Stored, body: models.NewConversation | None = None, tenant: Tenant = "public"
) -> Conversation:
    """Begin a conversation."""
    return await store.create(tenant, (body or models.NewConversation()).title)


@router.get("/conversations", response_model_exclude_none=True, responses=_errors())
async def list_conversations(
    store: Stored, limit: Limit = 50, offset: Offset = 0, tenant: Tenant = "public"
) -> ConversationPage:
    """List the tenant's conversations."""
    found = await store.conversations(tenant, limit + 1, offset)
    return ConversationPage(items=found[:limit], next=offset + limit if len(found) > limit else None)


@router.get("/conversations/{conversation}", response_model_exclude_none=True, responses=_errors(404))
async def get_conversation(store: Stored, conversation: UUID, tenant: Tenant = "public") -> Conversation:
    """Find one conversation."""
    return await store.conversation(tenant, conversation)


@router.delete("/conversations/{conversation}", status_code=204, responses=_errors(404))
async def delete_conversation(store: Stored, conversation: UUID, tenant: Tenant = "public") -> None:
    """Remove a conversation and its messages."""
    await store.delete(tenant, conversation)


@router.get("/conversations/{conversation}/messages", response_model_exclude_none=True, responses=_errors(404))
async def list_messages(
    store: Stored, conversation: UUID, limit: Limit = 200, after: After = 0, tenant: Tenant = "public"
) -> MessagePage:
    """List a conversation's messages, the oldest first."""
    found = await store.messages(tenant, conversation, limit + 1, after)
    return MessagePage(items=found[:limit], next=found[limit - 1].id if len(found) > limit else None)


async def _ask(store: Store, tenant: str, conversation: UUID, body: models.NewMessage | models.Retry) -> list[Message]:
    if isinstance(body, models.Retry):
        return await store.unanswered(tenant, conversation, body.retry_of)
    return await store.add_question(tenant, conversation, body.content)


def _plain(message: Message) -> dict[str, Any]:
    return message.model_dump(mode="json", exclude_none=True)


@router.post(
    "/conversations/{conversation}/messages",
    status_code=201,
    response_model=Exchange,
    response_model_exclude_none=True,
    responses=_errors(404, 409, 502, 504),
)
async def send_message(
    store: Stored,
    assistant: Assisted,
    conversation: UUID,
    body: models.NewMessage | models.Retry,
    tenant: Tenant = "public",
) -> Exchange | Response:
    """Say something and wait for the whole answer. What the user said is kept even if the provider fails."""
    messages = await _ask(store, tenant, conversation, body)
    began = monotonic()
    try:
        text = await assistant.complete(messages)
    except Problem as problem:
        return error_answer(problem.status, problem.code, str(problem), message=_plain(messages[-1]))
    answer = await store.add_answer(conversation, text, round((monotonic() - began) * 1000))
    return Exchange(message=messages[-1], answer=answer)


@router.post(
    "/conversations/{conversation}/messages/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **_errors(404, 409)},
)
async def stream_message(
    store: Stored,
    assistant: Assisted,
    conversation: UUID,
    body: models.NewMessage | models.Retry,
    tenant: Tenant = "public",
) -> StreamingResponse:
    """Say something and read the answer as it comes: events `token`, then one `done` or `error`."""
    messages = await _ask(store, tenant, conversation, body)
    events = _events(store, assistant, conversation, messages)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(
    store: Store, assistant: Assistant, conversation: UUID, messages: list[Message]
) -> AsyncIterator[str]:
    began = monotonic()
    bits: list[str] = []
    question = _plain(messages[-1])
    try:
        async for bit in assistant.stream(messages):
            bits.append(bit)
            yield _event("token", {"text": bit})
        answer = await store.add_answer(conversation, "".join(bits), round((monotonic() - began) * 1000))
    except Problem as problem:
        yield _event("error", {"error": str(problem), "code": problem.code, "message": question})
    except psycopg.OperationalError as problem:
        log.warning("the database failed within a stream: %s", " ".join(str(problem).split()))
        text = "the answer could not be kept; try again in a moment"
        yield _event("error", {"error": text, "code": "database-unavailable", "message": question})
    else:
        yield _event("done", {"message": question, "answer": _plain(answer)})


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@router.get("/models", responses=_errors(502, 504))
async def list_models(assistant: Assisted) -> ModelList:
    """List the provider's models."""
    return ModelList(items=await assistant.models())
