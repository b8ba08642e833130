"""The chatbot's production on a real cluster: the repository's settings, manifests and suites, released blue/green.

One environment goes through it all, in the order of the file; each fixture is one thing that is done to it.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from verdigris.suites import evidence

from .chatbot import Chatbot
from .concluded import Concluded, Done, colors, colors_of, with_users

pytestmark = pytest.mark.timeout(900)  # a test that asks for a release waits for those before it, too
SUITES = ("smoke", "verification", "performance")
PROVEN = dict.fromkeys((*SUITES, "watch-smoke"), "passed")


@pytest.fixture(scope="module")
def chatbot(make_chatbot: Callable[[str], Chatbot]) -> Chatbot:
    """Production, up and empty."""
    made = make_chatbot("production")
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"):
        made.make(version)
    made.up()
    return made


@pytest.fixture(scope="module")
def first(chatbot: Chatbot) -> Concluded:
    """1.0.0 into an empty namespace."""
    return chatbot.release("1.0.0")


def test_the_first_release_is_proven_by_every_suite(chatbot: Chatbot, first: Concluded) -> None:
    """Into an empty namespace: all three suites pass on blue, and the users arrive."""
    assert first.status == 0, first.said
    assert first.record["outcome"] == "confirmed"
    assert first.verdicts == PROVEN
    assert first.record["notes"]["left out"] == "nothing"
    assert chatbot.live() == ("blue", "1.0.0")
    assert chatbot.journal()["record"] == first.record


@pytest.fixture(scope="module")
def second(chatbot: Chatbot, first: Concluded) -> Done:
    """1.1.0 with another ConfigMap, while users come in."""
    assert first.status == 0, first.said
    chatbot.change("configmap.yaml", 'PROVIDER_TIMEOUT: "10"', 'PROVIDER_TIMEOUT: "9"')
    return with_users(chatbot.traffic(), lambda: chatbot.release("1.1.0"))


def test_a_good_release_takes_the_users_and_loses_none(chatbot: Chatbot, second: Done) -> None:
    """New and kept-alive connections and streams go over to green; no request is lost, and blue is kept."""
    assert second.end.status == 0, second.end.said
    rehearsed = dict.fromkeys(("rehearsal-smoke", "rehearsal-verification"), "passed")
    assert second.end.verdicts == {**rehearsed, **PROVEN}
    assert second.end.steps == ["prepare", "migrate", "deploy", "verify", "switch", "watch", "settle", "done"]
    assert second.users.lost == 0, str(second.users)
    assert min(second.users.new, second.users.kept, second.users.streams) > 0
    assert colors(second.users) == {"blue 1.0.0", "green 1.1.0"}
    status = chatbot.status()
    assert status["problems"] == []
    assert status["blue"]["kept_until"] is not None
    assert chatbot.live() == ("green", "1.1.0")


def test_every_pod_runs_the_digest_that_was_released(chatbot: Chatbot, second: Done) -> None:
    """The node's word for what it runs is the digest of the build's file."""
    image = chatbot.make("1.1.0")["image"]
    pods = chatbot.pods("green")
    assert len(pods) >= 2
    assert {state["imageID"] for pod in pods for state in pod["status"]["containerStatuses"]} == {image}
    assert second.end.record["release"]["artifact"] == image


def test_a_changed_configmap_is_another_release(chatbot: Chatbot, first: Concluded, second: Done) -> None:
    """The hash differs, answers prove it, and each color has the values that it was verified with."""
    assert first.record["release"]["config"] != second.end.record["release"]["config"]
    assert {one.rpartition("config=")[2] for one in second.users.identities} == {
        done.record["release"]["config"] for done in (first, second.end)
    }
    assert chatbot.configuration("blue")["config"]["PROVIDER_TIMEOUT"] == "10"
    assert chatbot.configuration("green")["config"]["PROVIDER_TIMEOUT"] == "9"


def test_chromium_met_the_candidate_under_its_own_name(chatbot: Chatbot, second: Done) -> None:
    """The frontend tests passed against green before it had users; every answer was green's."""
    shown = evidence.read(chatbot.root / "reports" / second.end.record["id"] / "verification" / "evidence.jsonl")
    assert shown.collected is not None
    assert shown.collected.target == "green"
    browser = [test for test in shown.tests if "test_frontend" in test.id]
    assert [test.outcome for test in browser] == ["passed"] * 4
    assert {colors_of(test.identities) for test in browser} == {"green 1.1.0"}


BY_NAME = ("-m", "smoke or verification", "-k", "test_frontend or test_certificate", "--tb=line")


def test_users_are_reached_by_name_and_verified(chatbot: Chatbot, second: Done) -> None:
    """httpx and Chromium reach the users' host through the ingress, and its certificate holds."""
    done = chatbot.pytest(*BY_NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b5 passed", done.stdout), done.stdout


def test_nobody_is_believed_whom_the_authority_does_not_know(chatbot: Chatbot, second: Done) -> None:
    """With another authority in the settings, green's preview is refused, in httpx and in Chromium."""
    good = (chatbot.root / "ca.pem").read_bytes()
    try:
        trustme.CA().cert_pem.write_to_path(str(chatbot.root / "ca.pem"))
        done = chatbot.pytest(*BY_NAME, "--target", "green")
    finally:
        (chatbot.root / "ca.pem").write_bytes(good)
    assert done.returncode == 1, done.stdout + done.stderr
    host = f"green.preview.{chatbot.domain}"
    assert f"the certificate of {host} is issued by nobody who is trusted here" in done.stdout, done.stdout
    assert f"ERR_CERT_AUTHORITY_INVALID at https://{host}/" in done.stdout, done.stdout
    assert "passed" not in done.stdout


def test_applying_the_manifests_again_changes_nothing(chatbot: Chatbot, second: Done) -> None:
    """Every file is applied again while green is live: a placeholder is refused, nothing moves, nobody is lost."""
    before, pods = standing(chatbot), names_of(chatbot.pods())
    with chatbot.traffic() as traffic:
        done = chatbot.kubectl.attempt("apply", "-f", str(chatbot.root / "k8s" / "production"))
        chatbot.up()
        users = traffic.stop()
    refused = re.findall(r'(deployments|jobs)\S* "(\S+)" is forbidden|(deployments|jobs).*placeholder', done.stderr)
    assert len(refused) == 3, done.stderr
    assert users.lost == 0, str(users)
    assert colors(users) == {"green 1.1.0"}
    assert standing(chatbot) == before
    assert pods <= names_of(chatbot.pods()), "pods were replaced"


def names_of(pods: list[dict[str, Any]]) -> set[str]:
    """The names of pods."""
    return {pod["metadata"]["name"] for pod in pods}


def standing(chatbot: Chatbot) -> dict[str, Any]:
    """What decides whom the users get: the Service's selector, and the Deployments but for what an autoscaler does."""
    deployments = chatbot.kubectl.get("deployments")["items"]
    status = chatbot.status()
    return {
        "selector": chatbot.kubectl.get("service", "chatbot-platform")["spec"]["selector"],
        "specs": {one["metadata"]["name"]: {**one["spec"], "replicas": None} for one in deployments},
        "status": {key: status[key] for key in ("live", "blue", "green", "problems")},
    }


@pytest.fixture(scope="module")
def held(chatbot: Chatbot, second: Done) -> Done:
    """1.2.0, which answers some messages with the wrong status."""
    return with_users(chatbot.traffic(), lambda: chatbot.release("1.2.0"))


def test_a_release_that_fails_its_suite_never_meets_a_user(chatbot: Chatbot, held: Done) -> None:
    """Held with 10: verification names the tests, the live color passes it, and no user noticed."""
    assert held.end.status == 10, held.end.said
    assert held.end.record["outcome"] == "held"
    assert held.end.verdicts == {"smoke": "passed", "verification": "failed", "control-verification": "passed"}
    assert "verification/test_" in held.end.reasons
    assert "500" in held.end.reasons
    assert "switch" not in held.end.steps
    assert held.users.lost == 0, str(held.users)
    assert colors(held.users) == {"green 1.1.0"}
    assert chatbot.live() == ("green", "1.1.0")
    assert chatbot.journal()["record"] == held.end.record


@pytest.fixture(scope="module")
def taken_back(chatbot: Chatbot, held: Done) -> Done:
    """1.3.0, which is slow once users are there."""
    return with_users(chatbot.traffic(), lambda: chatbot.release("1.3.0"))


def test_a_release_that_users_find_bad_is_taken_back(chatbot: Chatbot, taken_back: Done) -> None:
    """Rolled back with 13: every suite passed, the watch saw the users wait, and none was lost on either way."""
    assert taken_back.end.status == 13, taken_back.end.said
    assert taken_back.end.record["outcome"] == "rolled back"
    assert {taken_back.end.verdicts[suite] for suite in SUITES} == {"passed"}
    assert "users wait" in taken_back.end.reasons
    assert taken_back.end.steps[-3:] == ["watch", "rollback", "done"]
    assert taken_back.users.lost == 0, str(taken_back.users)
    assert colors(taken_back.users) == {"green 1.1.0", "blue 1.3.0"}
    assert chatbot.live() == ("green", "1.1.0")
    assert chatbot.journal()["record"] == taken_back.end.record


@pytest.fixture(scope="module")
def third(chatbot: Chatbot, taken_back: Done) -> Concluded:
    """1.1.0 once more, with another Secret."""
    chatbot.credentials(PROVIDER_API_KEY="a-key-that-is-new")
    return chatbot.release("1.1.0")


def test_a_changed_secret_is_another_release(chatbot: Chatbot, second: Done, third: Concluded) -> None:
    """Confirmed with a hash of its own; the pods have the new value, and no record has it."""
    assert third.status == 0, third.said
    assert third.verdicts == PROVEN
    before, after = second.end.record["release"], third.record["release"]
    assert after["config"] != before["config"]
    assert {**after, "config": before["config"]} == before
    assert chatbot.live() == ("blue", "1.1.0")
    assert chatbot.configuration("blue")["secret"]["PROVIDER_API_KEY"] == "a-key-that-is-new"
    assert "PROVIDER_API_KEY" not in chatbot.configuration("green")["secret"]
    assert "a-key-that-is-new" not in third.said


@pytest.fixture(scope="module")
def rolled_back(chatbot: Chatbot, third: Concluded) -> Done:
    """Back on a person's word, after the Deployment to go back to was deleted."""
    assert third.status == 0, third.said
    chatbot.kubectl("delete", "deployment", "chatbot-platform-green")
    return with_users(chatbot.traffic(), lambda: chatbot.rollback("a person says so"))


def test_a_rollback_brings_back_color_and_configuration(chatbot: Chatbot, second: Done, rolled_back: Done) -> None:
    """The release that was live before comes back whole, with its ConfigMap and its Secret, and nobody is lost."""
    assert rolled_back.end.status == 0, rolled_back.end.said
    assert rolled_back.end.record["outcome"] == "rolled back"
    assert rolled_back.end.record["release"] == second.end.record["release"]
    assert rolled_back.users.lost == 0, str(rolled_back.users)
    assert colors(rolled_back.users) == {"blue 1.1.0", "green 1.1.0"}
    assert chatbot.live() == ("green", "1.1.0")
    back = chatbot.configuration("green")
    assert back["config"]["PROVIDER_TIMEOUT"] == "9"
    assert "PROVIDER_API_KEY" not in back["secret"]
    assert chatbot.journal()["record"] == rolled_back.end.record


def test_the_audit_log_has_every_release(chatbot: Chatbot, rolled_back: Done) -> None:
    """One line each, in their order, with their exit status; its chain is whole."""
    entries = json.loads(chatbot.run("audit", "--json").stdout)["entries"]
    assert [(one["action"], one["exit_status"]) for one in entries] == [
        ("release", 0), ("release", 0), ("release", 10), ("release", 13), ("release", 0), ("rollback", 0),
    ]  # fmt: skip
