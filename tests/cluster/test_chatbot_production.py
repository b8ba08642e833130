"""The chatbot's production on a real cluster: the repository's settings, manifests and suites, released blue/green."""

from collections.abc import Callable

import pytest

from .chatbot import Chatbot


@pytest.fixture(scope="module")
def chatbot(make_chatbot: Callable[[str], Chatbot]) -> Chatbot:
    """Production, up and empty."""
    made = make_chatbot("production")
    made.up()
    return made


def test_the_first_release_is_proven_by_every_suite(chatbot: Chatbot) -> None:
    """Into an empty namespace: all three suites pass on blue, by name and over verified TLS, and users arrive."""
    first = chatbot.release("1.0.0")
    assert first.status == 0, first.said
    assert first.record["outcome"] == "confirmed"
    assert first.verdicts == dict.fromkeys(("smoke", "verification", "performance", "watch-smoke"), "passed")
    assert chatbot.live() == ("blue", "1.0.0")
    assert chatbot.journal()["record"] == first.record
