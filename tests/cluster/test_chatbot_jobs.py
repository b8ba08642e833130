"""The chatbot's production with every suite as a Job of the cluster: browser, database and load from inside of it."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.chatbot import HERE, Chatbot
from tests.cluster.concluded import Concluded
from tests.cluster.images import Images, suites
from tests.cluster.kubectl import wait_until
from tests.cluster.machine import USER, Machine
from verdigris.platform.kubernetes.configuration import PART
from verdigris.platform.kubernetes.suite_job import SUITE
from verdigris.suites import evidence

pytestmark = pytest.mark.timeout(900)
RUNNER = """
runner = "job"
job = {{ image = "{image}", secret = "suites", memory_limit = "2Gi" }}
"""


@pytest.fixture(scope="module")
def chatbot(
    make_chatbot: Callable[[str], Chatbot],
    machine: Machine,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chatbot]:
    """Production, up and empty; pods reach the ingress where this machine does, and the database by a Secret."""
    image = suites(tmp_path_factory.mktemp("suites"), chromium=True)
    made = make_chatbot("production")
    database = machine.account(made.database, f"{USER}_{made.database}", made.password)
    made.secret("suites", "Opaque", {"PRODUCTION_DATABASE_URL": database})
    with machine.ingress() as door:
        path = made.root / "environments.toml"
        text, table = path.read_text(), '[environments.production.kubernetes]\nmanifests = "k8s/production"\n'
        assert text.count(table) == text.count(f'address = "{HERE}"') == 1
        text = text.replace(table, table.rstrip() + RUNNER.format(image=image))
        path.write_text(text.replace(f'address = "{HERE}"', f'address = "{door}"'))
        made.make("1.0.0")
        made.up()
        yield made


@pytest.fixture(scope="module")
def released(chatbot: Chatbot) -> Concluded:
    """1.0.0 into an empty namespace."""
    return chatbot.release("1.0.0")


def test_every_suite_proves_a_release_from_inside_the_cluster(chatbot: Chatbot, released: Concluded) -> None:
    """Smoke, verification with its browser, and the load: passed, against the Service of exactly that color."""
    assert released.status == 0, released.said
    assert released.record["outcome"] == "confirmed"
    assert released.verdicts == dict.fromkeys(("smoke", "verification", "performance", "watch-smoke"), "passed")
    asked = chatbot.kubectl.get("service", "chatbot-platform-blue")["spec"]["clusterIP"]
    for suite in ("smoke", "verification"):
        found = evidence.read(chatbot.root / "reports" / released.record["id"] / suite / "evidence.jsonl")
        assert set(found.ips) == {asked}, suite
        assert found.count("skipped") == 0, suite


def test_the_load_came_from_a_pod(chatbot: Chatbot, released: Concluded) -> None:
    """Its figures were brought back, and every answer was the candidate's."""
    text = (chatbot.root / "reports" / released.record["id"] / "performance" / "evidence.jsonl").read_text()
    figures = [line["figures"] for line in map(json.loads, text.splitlines()) if line.get("figures")]
    assert figures, text
    assert figures[0]["requests"] >= 5


def test_nothing_of_the_jobs_is_left(chatbot: Chatbot, released: Concluded) -> None:
    """No Job of a suite, no ConfigMap, and no pod."""
    assert released.status == 0, released.said
    selector = f"--selector={PART}={SUITE}"

    def left() -> str:
        return chatbot.kubectl("get", "job,configmap,pod", selector, "--output=name")

    wait_until(lambda: None if left().strip() else True, "nothing of the suites is left")
