"""API functionality: a conversation, its history, streaming, tenants apart, and wrong input."""

import json
from typing import Any

import httpx
import pytest


def test_a_conversation_is_answered_and_kept(chat: Any) -> None:
    """Six messages are answered, and the history has them in their order."""
    for number in range(6):
        answer = chat.say(f"message {number}")
        assert answer.status_code == 201, f"message {number}: {answer.status_code} {answer.text[:300]}"
        assert answer.json()["answer"]["role"] == "assistant"
        assert f"message {number}" in answer.json()["answer"]["content"]
    history = chat.history()
    assert [message["role"] for message in history] == ["user", "assistant"] * 6
    assert [message["content"] for message in history[::2]] == [f"message {number}" for number in range(6)]


def test_an_answer_streams_token_by_token(chat: Any) -> None:
    """The stream has several tokens, then one done event, whose answer is the tokens put together and is kept."""
    events = chat.stream("tell me of blue and green")
    names = [name for name, _ in events]
    assert names[-1] == "done"
    assert names.count("token") >= 3
    assert set(names) == {"token", "done"}
    streamed = "".join(json.loads(data)["text"] for name, data in events if name == "token")
    assert json.loads(events[-1][1])["answer"]["content"] == streamed
    assert chat.history()[-1]["content"] == streamed


def test_a_listed_conversation_is_the_tenants_own(chat: Any, http: httpx.Client) -> None:
    """The conversation stands in its tenant's list and cannot be found by another tenant."""
    listed = http.get("/api/conversations", params={"limit": 500}).json()["items"]
    assert chat.id in [conversation["id"] for conversation in listed]
    other = http.get(chat.path, headers={"x-tenant": "verdigris-other"})
    assert other.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no content"),
        pytest.param({"content": ""}, id="empty"),
        pytest.param({"content": "   "}, id="blank"),
        pytest.param({"content": 7}, id="a number"),
        pytest.param({"content": "x" * 8001}, id="too long"),
        pytest.param({"content": "x", "role": "assistant"}, id="an unknown key"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(chat: Any, http: httpx.Client, body: dict[str, Any]) -> None:
    """A wrong message answers 422 with a reason, and leaves nothing in the history."""
    answer = http.post(f"{chat.path}/messages", json=body)
    assert answer.status_code == 422, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.json()
    assert chat.history() == []


def test_an_unknown_conversation_is_not_found(http: httpx.Client) -> None:
    """A conversation that does not exist answers 404, and something that is no id answers 422."""
    assert http.get("/api/conversations/00000000-0000-0000-0000-000000000000/messages").status_code == 404
    assert http.get("/api/conversations/not-an-id").status_code == 422
