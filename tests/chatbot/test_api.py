"""What the chatbot's users and machines are answered, by a real process with a real database and provider."""

import json


from .conftest import App


def stream_events(app: App, path: str, content: str) -> list[tuple[str, dict]]:
    """Send a message and read the events of its answer."""
    text = app.client.post(f"{path}/stream", json={"content": content}).text
    lines = [block.split("\n") for block in text.split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]


def test_a_message_is_answered_and_both_are_kept(app: App) -> None:
    """The answer quotes the question, and the conversation then has both."""
    path = app.begin()
    sent = app.client.post(path, json={"content": "Hello"})
    assert sent.status_code == 201
    assert "Hello" in sent.json()["answer"]["content"]
    kept = app.client.get(path).json()["items"]
    assert kept == [sent.json()["message"], sent.json()["answer"]]
