"""What the application keeps secret in the cluster is read by nobody in what a release leaves."""

import json
import signal
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl, wait_until
from tests.cluster.world import ClusterWorld

CANARY = "kept-in-the-cluster/42+%"
GOOD, LEAKS, DIES = "1.0.0", "2.0.0", "3.0.0"
FORMS = (CANARY, CANARY.replace("/", "\\/"), "kept-in-the-cluster%2F42")
SUITE = """
def test_home_is_served(http):
    answer = http.get("/")
    print("the application said", answer.text)
    assert "the key is" not in answer.text, answer.text
"""
SLOW = """
import time
from pathlib import Path

def test_home_is_served(http):
    print("the application said", http.get("/").text)
    (Path(__file__).parents[1] / "asked").touch()
    while not (Path(__file__).parents[1] / "go").exists():
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def world(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """The good version has the users; every version is given the key in a Secret."""
    made = ClusterWorld(tmp_path_factory.mktemp("secrets"), make_namespace(), images)
    for path in (made.root / "k8s").glob("deployment-*.yaml"):
        own = "[{configMapRef: {name: tiny-config}}, {secretRef: {name: tiny-key}}]"
        path.write_text(path.read_text().replace("[{configMapRef: {name: tiny-config}}]", own))
    made.kubectl("create", "secret", "generic", "tiny-key", f"--from-literal=API_KEY={CANARY}")
    made.suite("smoke", SUITE)
    made.version(GOOD)
    made.version(LEAKS, "leaks")
    made.version(DIES, "exits-and-leaks")
    made.up().settle_on(GOOD)
    return made


def found(root: Path, kubectl: Kubectl, *texts: str) -> list[str]:
    """Where the key can be read: files, output, and what stands in the namespace for everybody."""
    places = [str(path) for path in root.rglob("*") if path.is_file() and _holds(path.read_bytes().decode("latin-1"))]
    places += [f"output {number}" for number, text in enumerate(texts) if _holds(text)]
    for one in kubectl.get("configmaps,deployments,events")["items"]:
        places += [one["metadata"]["name"]] if _holds(json.dumps(one)) else []
    return places


def _holds(text: str) -> bool:
    return any(form in text for form in FORMS)


def test_what_a_suite_and_a_log_say_of_it_is_taken_out(world: ClusterWorld) -> None:
    """The candidate answers with the key and logs it: the verdict says why, and nothing says the key."""
    done = world.command("release", LEAKS)
    assert done.returncode == 10, done.stdout
    assert "the key is [secret]" in (world.root / "reports").joinpath(newest(world), "release.json").read_text()
    assert "[secret]" in (world.root / "reports" / newest(world) / "candidate.log").read_text()
    assert found(world.root, world.kubectl, done.stdout, done.stderr) == []


def test_the_last_words_of_one_that_cannot_start_are_quoted_without_it(world: ClusterWorld) -> None:
    """The reason why it does not become ready has its last log lines in it, in journal, audit log and report too."""
    done = world.command("release", DIES)
    assert done.returncode == 10, done.stdout
    assert "cannot start with the key [secret]" in done.stdout
    audit = world.command("audit", "--json")
    assert found(world.root, world.kubectl, done.stdout, done.stderr, audit.stdout) == []


def test_what_a_killed_release_left_is_cleaned_by_who_recovers(world: ClusterWorld) -> None:
    """A suite that was killed with its deployer has not been cleaned; recover, on its own, knows what to take out."""
    world.suite("smoke", SLOW)
    try:
        deployer = world.start("release", LEAKS)
        wait_until(lambda: (world.root / "asked").exists() or None, "the suite has the answer")
        deployer.send_signal(signal.SIGKILL)
        deployer.communicate()
    finally:
        (world.root / "go").touch()
        world.suite("smoke", SUITE)
    recovered = wait_until(
        lambda: ((done := world.command("recover")).returncode in (0, 10) and done) or None, "recovered"
    )
    assert found(world.root, world.kubectl, recovered.stdout, recovered.stderr) == []
    assert world.live() == GOOD


def newest(world: ClusterWorld) -> str:
    """The folder of the last release."""
    return max((path.name for path in (world.root / "reports").iterdir() if path.is_dir()), key=_generation)


def _generation(name: str) -> int:
    return int(name.split("-")[2])
