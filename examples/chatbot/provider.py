"""A small OpenAI-compatible provider whose answer depends on the question alone, so that suites can check it.

A question that contains one of these makes it misbehave, so that failure can be looked at:

[provider:error]    answers 500
[provider:slow]     waits 30 s before it answers
[provider:long]     answers with some 200 words, which take a second to stream
[provider:cut]      breaks a stream off in the middle; without a stream, answers something that is no completion
"""

import argparse
import asyncio
import json
import os
import sys
import zlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

MODELS = ("verdigris-small", "verdigris-large")
TOKEN_SECONDS = 0.005
SLOW_SECONDS = 30

app = FastAPI(title="Deterministic provider", docs_url=None, redoc_url=None)


def compose(messages: list[dict[str, Any]]) -> str:
    """Compose the answer: 10 to 20 words that show that the question and the conversation's length arrived."""
    said = [str(message["content"]) for message in messages if message.get("role") == "user"]
    question = " ".join(said[-1].split()) if said else ""
    shown = question if len(question) <= 60 else question[:57] + "..."
    turn = f"This is answer {len(said)} of our conversation, and it is the same each time."
    repeated = 12 if "[provider:long]" in question else 1
    return f"You said: “{shown}”. {' '.join([turn] * repeated)}"


def tokens(text: str) -> list[str]:
    """Cut a text into words, each with the space before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def failure(status: int, text: str) -> Response:
    """Answer an error in the shape OpenAI's clients know."""
    return JSONResponse({"error": {"message": text, "type": "provider_error"}}, status)


def completion(question: str, model: str, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    """Put a choice into the envelope of a completion; its id depends on the question alone."""
    return {
        "id": f"chatcmpl-{zlib.crc32(question.encode()):08x}",
        "object": kind,
        "created": 0,
        "model": model,
        "choices": [{"index": 0, **choice}],
    }


async def events(question: str, model: str, text: str) -> AsyncIterator[str]:
    """Stream the answer word by word."""
    words = tokens(text)
    for number, word in enumerate(words):
        if "[provider:cut]" in question and number == len(words) // 2:
            return
        choice: dict[str, Any] = {"delta": {"content": word}, "finish_reason": None}
        yield f"data: {json.dumps(completion(question, model, 'chat.completion.chunk', choice))}\n\n"
        await asyncio.sleep(TOKEN_SECONDS)
    choice = {"delta": {}, "finish_reason": "stop"}
    yield f"data: {json.dumps(completion(question, model, 'chat.completion.chunk', choice))}\n\n"
    yield "data: [DONE]\n\n"


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process is alive."""
    return {"status": "alive"}


@app.get("/v1/models")
async def models() -> Response:
    """List the models."""
    listed = [{"id": model, "object": "model", "created": 0, "owned_by": "verdigris"} for model in MODELS]
    return JSONResponse({"object": "list", "data": listed})


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    """Answer a conversation's last message."""
    key = os.environ.get("PROVIDER_API_KEY")
    if key and request.headers.get("authorization") != f"Bearer {key}":
        return failure(401, "wrong or missing key")
    try:
        asked = await request.json()
        messages, model = list(asked["messages"]), str(asked.get("model", MODELS[0]))
        text = compose(messages)
        question = str(messages[-1]["content"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return failure(400, "the body must be a chat completion request with messages")
    if "[provider:error]" in question:
        return failure(500, "asked to fail")
    if "[provider:slow]" in question:
        await asyncio.sleep(SLOW_SECONDS)
    if asked.get("stream"):
        return StreamingResponse(events(question, model, text), media_type="text/event-stream")
    if "[provider:cut]" in question:
        return JSONResponse({"object": "nothing"})
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return JSONResponse(completion(question, model, "chat.completion", choice))


def main() -> int:
    """Serve until told to leave."""
    parser = argparse.ArgumentParser(description="A deterministic OpenAI-compatible provider.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=chosen.host,
            port=chosen.port,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
