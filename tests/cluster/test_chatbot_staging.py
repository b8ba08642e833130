"""The chatbot's staging on a real cluster: one Deployment, replaced pod by pod, and put back where anything objects."""

from collections.abc import Callable

import pytest

from .chatbot import Chatbot
from .concluded import Concluded, Done, colors, with_users

pytestmark = pytest.mark.timeout(900)  # a test that asks for a release waits for those before it, too
SUITES = ("smoke", "verification", "performance")
PROVEN = dict.fromkeys((*SUITES, "watch-smoke"), "passed")


@pytest.fixture(scope="module")
def chatbot(make_chatbot: Callable[[str], Chatbot]) -> Chatbot:
    """Staging, up and empty."""
    made = make_chatbot("staging")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        made.make(version)
    made.up()
    return made


@pytest.fixture(scope="module")
def first(chatbot: Chatbot) -> Concluded:
    """1.0.0 into an empty namespace."""
    return chatbot.release("1.0.0")


def test_the_first_release_rolls_out_and_is_proven(chatbot: Chatbot, first: Concluded) -> None:
    """Into an empty namespace: all three suites pass against what users get."""
    assert first.status == 0, first.said
    assert first.record["outcome"] == "confirmed"
    assert first.verdicts == PROVEN
    assert chatbot.live() == ("live", "1.0.0")
    assert chatbot.journal()["record"] == first.record


@pytest.fixture(scope="module")
def second(chatbot: Chatbot, first: Concluded) -> Done:
    """1.1.0 while users come in."""
    assert first.status == 0, first.said
    return with_users(chatbot.traffic(), lambda: chatbot.release("1.1.0"))


def test_a_good_release_takes_the_place_and_loses_nobody(chatbot: Chatbot, second: Done) -> None:
    """Pod by pod, under new and kept-alive connections and streams: no request is lost."""
    assert second.end.status == 0, second.end.said
    rehearsed = dict.fromkeys(("rehearsal-smoke", "rehearsal-verification"), "passed")
    assert second.end.verdicts == {**rehearsed, **PROVEN}
    assert second.end.steps == ["prepare", "migrate", "deploy", "verify", "watch", "settle", "done"]
    assert second.users.lost == 0, str(second.users)
    assert min(second.users.new, second.users.kept, second.users.streams) > 0
    assert colors(second.users) == {"live 1.0.0", "live 1.1.0"}
    assert chatbot.live() == ("live", "1.1.0")
    assert chatbot.status()["problems"] == []
    assert chatbot.journal()["record"] == second.end.record


@pytest.fixture(scope="module")
def undone(chatbot: Chatbot, second: Done) -> Done:
    """1.2.0, which answers some messages with the wrong status."""
    assert second.end.status == 0, second.end.said
    return with_users(chatbot.traffic(), lambda: chatbot.release("1.2.0"))


def test_a_bad_release_is_undone(chatbot: Chatbot, second: Done, undone: Done) -> None:
    """Rolled back with 13: verification objects, users get back what they had; none is lost on either way."""
    assert undone.end.status == 13, undone.end.said
    assert undone.end.record["outcome"] == "rolled back"
    assert undone.end.verdicts["verification"] == "failed"
    assert "verification/test_" in undone.end.reasons
    assert "500" in undone.end.reasons
    assert undone.end.steps == ["prepare", "migrate", "deploy", "verify", "rollback", "done"]
    assert colors(undone.users) == {"live 1.1.0", "live 1.2.0"}
    # users had it for a while: every third of their messages met the planted fault, and nothing else was lost
    assert undone.users.lost == undone.users.streams_lost, str(undone.users)
    assert set(undone.users.errors) <= {"no stream: answered 500"}, str(undone.users)
    assert chatbot.live() == ("live", "1.1.0")
    live = chatbot.status()["live"]
    assert (live["config"], live["verified"]) == (second.end.record["release"]["config"], True)
    assert chatbot.journal()["record"] == undone.end.record


def test_every_pod_runs_the_digest_that_was_put_back(chatbot: Chatbot, undone: Done) -> None:
    """The node's word for what it runs is the digest of the release before."""
    image = chatbot.make("1.1.0")["image"]
    states = [state for pod in chatbot.pods() for state in pod["status"]["containerStatuses"]]
    assert {state["imageID"] for state in states} == {image}
    assert len(states) >= 2
