"""The one place that talks to the provider; whatever it does wrong becomes ProviderFailed or ProviderTimeout.

Importing httpx takes a fifth of a second, so it is done in a thread while the server is already answering.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chatbot.errors import Problem, ProviderFailed, ProviderTimeout
from chatbot.models import Message
from chatbot.settings import Settings

if TYPE_CHECKING:
    import httpx

MODEL = "verdigris-small"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Assistant:
    """A client of an OpenAI-compatible provider."""

    def __init__(self, settings: Settings, count_error: Callable[[str], None]) -> None:
        """Open no connection yet; `count_error` is told the code of every failure."""
        self._settings = settings
        self._timeout = settings.provider_timeout
        self._count_error = count_error
        self._client: asyncio.Task[httpx.AsyncClient] | None = None

    def open(self) -> None:
        """Begin to make the client, in a running loop."""
        self._client = asyncio.create_task(asyncio.to_thread(_make_client, self._settings))

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await (await self._client).aclose()

    async def _ready(self) -> httpx.AsyncClient:
        if self._client is None:
            self.open()
        assert self._client is not None
        return await asyncio.shield(self._client)

    async def complete(self, messages: list[Message]) -> str:
        """Ask for the whole answer; PROVIDER_TIMEOUT is for all of it."""
        client = await self._ready()
        with self._failures():
            async with asyncio.timeout(self._timeout):
                answer = await client.post("/chat/completions", json=_question(messages, stream=False))
            answer.raise_for_status()
            return _text(answer.json()["choices"][0]["message"]["content"])

    async def stream(self, messages: list[Message]) -> AsyncIterator[str]:
        """Ask for the answer bit by bit; PROVIDER_TIMEOUT is for each bit."""
        question = _question(messages, stream=True)
        client = await self._ready()
        with self._failures():
            async with client.stream("POST", "/chat/completions", json=question) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line == "data: [DONE]":
                        return
                    if line.startswith("data: ") and (bit := _bit(json.loads(line[6:]))):
                        yield bit
            raise ProviderFailed("the provider's answer broke off")

    async def models(self) -> list[str]:
        """List the provider's models."""
        client = await self._ready()
        with self._failures():
            answer = await client.get("/models")
            answer.raise_for_status()
            return [_text(model["id"]) for model in answer.json()["data"]]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        import httpx

        try:
            try:
                yield
            except (TimeoutError, httpx.TimeoutException) as problem:
                raise ProviderTimeout(f"the provider did not answer within {self._timeout:g} s") from problem
            except httpx.HTTPStatusError as problem:
                raise ProviderFailed(f"the provider answered {problem.response.status_code}") from problem
            except httpx.HTTPError as problem:
                raise ProviderFailed(f"the provider cannot be reached ({type(problem).__name__})") from problem
            except (ValueError, LookupError, TypeError, AttributeError) as problem:
                raise ProviderFailed("the provider's answer is not a chat completion") from problem
        except Problem as problem:
            self._count_error(problem.code)
            raise


def _make_client(settings: Settings) -> httpx.AsyncClient:
    import httpx

    key = settings.provider_api_key
    return httpx.AsyncClient(
        base_url=settings.provider_url,
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=settings.provider_timeout,
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30),
        trust_env=urlsplit(settings.provider_url).hostname not in LOOPBACK,  # a proxy is for the world outside
    )


def _question(messages: list[Message], *, stream: bool) -> dict[str, Any]:
    told = [{"role": message.role, "content": message.content} for message in messages]
    return {"model": MODEL, "messages": told, "stream": stream}


def _bit(chunk: dict[str, Any]) -> str:
    return _text(chunk["choices"][0]["delta"].get("content") or "")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {type(value).__name__}")
    return value.replace("\0", "")
