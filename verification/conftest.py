"""What verification knows of the chatbot; another application brings a module like this one with its own suites."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

CONVERSATIONS = "/api/conversations"


class Chat:
    """One conversation of the test tenant, removed at the end."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        answer = http.post(CONVERSATIONS, json={"title": "verification"})
        assert answer.status_code == 201, f"a conversation cannot be begun: {answer.status_code} {answer.text[:300]}"
        self.id = str(answer.json()["id"])
        self.path = f"{CONVERSATIONS}/{self.id}"

    def say(self, content: str) -> httpx.Response:
        """Send a message and wait for the answer."""
        return self.http.post(f"{self.path}/messages", json={"content": content})

    def history(self) -> list[dict[str, Any]]:
        """The messages, the oldest first."""
        answer = self.http.get(f"{self.path}/messages")
        assert answer.status_code == 200, f"the history cannot be read: {answer.status_code} {answer.text[:300]}"
        return list(answer.json()["items"])

    def stream(self, content: str) -> list[tuple[str, str]]:
        """Send a message and read the answer as it comes: (event, data) in their order."""
        events: list[tuple[str, str]] = []
        event = ""
        with self.http.stream("POST", f"{self.path}/messages/stream", json={"content": content}) as answer:
            assert answer.status_code == 200, f"no stream: {answer.status_code}"
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((event, line.removeprefix("data: ")))
        return events


@pytest.fixture
def chat(http: httpx.Client, environment: Any) -> Iterator[Chat]:
    """A conversation of the test tenant; afterwards it is removed, and seen to be gone."""
    if not environment.tenant:
        pytest.fail("verification writes conversations: name a test tenant with environments.NAME.tenant")
    conversation = Chat(http)
    yield conversation
    assert http.delete(conversation.path).status_code == 204, "the test's conversation cannot be removed"
    assert http.get(conversation.path).status_code == 404, "the test's conversation is still there"
