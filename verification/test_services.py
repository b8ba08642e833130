"""External services: the provider is reachable, and its failure is handled."""

import json
from typing import Any

import httpx


def test_the_provider_is_reachable(provider: httpx.Client) -> None:
    """The provider answers with its models."""
    answer = provider.get("/v1/models")
    assert answer.status_code == 200
    assert answer.json()["data"]


def test_the_application_reaches_the_provider(http: httpx.Client, provider: httpx.Client) -> None:
    """The models that the application lists are the provider's."""
    listed = http.get("/api/models").json()["items"]
    assert listed == [model["id"] for model in provider.get("/v1/models").json()["data"]]


def test_a_failing_provider_is_reported_and_the_message_kept(chat: Any) -> None:
    """Where the provider fails, the API answers 502 with a reason, and what the user said is kept."""
    answer = chat.say("[provider:error] please")
    assert answer.status_code == 502, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.json()["error"]
    assert [message["role"] for message in chat.history()] == ["user"]


def test_a_provider_that_breaks_off_ends_the_stream_with_an_error(chat: Any) -> None:
    """A stream that the provider breaks off ends with an error event, never in silence."""
    name, data = chat.stream("[provider:cut] please")[-1]
    assert name == "error"
    assert json.loads(data)["error"]
