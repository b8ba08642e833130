"""Faults 13 to 18, 40, 41, 48 and 63: what pods, images, nodes and the wrong cluster do to a release."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.faulty import Came, Faulty, ended_as, in_its_suites
from tests.cluster.images import Images
from tests.cluster.kubectl import wait_until
from tests.faults.conftest import amend
from tests.world import SMOKE
from verdigris.errors import ExitStatus
from verdigris.model import Outcome

NOWHERE = f"localhost/tiny@sha256:{'0' * 64}"
FAST = 60
"""Seconds within which a release that cannot become ready is held on a busy machine; its deadline is twice that."""


@pytest.fixture(scope="module")
def module_faulty(
    make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Faulty]:
    """Make the world of this module; its pods go to a node that has a label of the world's own."""
    made = Faulty(tmp_path_factory.mktemp("world"), make_namespace, images, ready_seconds=2 * FAST, prepare=homed)
    yield made
    unlabel(made)
    made.close()


@pytest.fixture
def faulty(module_faulty: Faulty) -> Iterator[Faulty]:
    """Take the world with its settings, its suite and its manifests as they were."""
    root = module_faulty.world.root
    kept = {path: path.read_text() for path in (root / "environments.toml", *(root / "k8s").glob("deployment-*.yaml"))}
    yield module_faulty
    for path, text in kept.items():
        path.write_text(text)
    module_faulty.world.suite("smoke", SMOKE)
    module_faulty.calm()


def homed(faulty: Faulty) -> None:
    """Let the world's pods go only where its label is, so that a node can be closed to them and to nobody else."""
    for path in (faulty.world.root / "k8s").glob("deployment-*.yaml"):
        selector = f"    spec:\n      nodeSelector: {{{label(faulty)}: here}}\n"
        path.write_text(path.read_text().replace("    spec:\n", selector, 1))
    faulty.kubectl("label", "nodes", "--all", f"{label(faulty)}=here", "--overwrite")


def unlabel(faulty: Faulty) -> None:
    """Close every node to the world's pods."""
    faulty.kubectl("label", "nodes", "--all", f"{label(faulty)}-")


def label(faulty: Faulty) -> str:
    """The label of the nodes that the world's pods may go to."""
    return f"test.verdigris.dev/{faulty.kubectl.namespace}"


def held(faulty: Faulty, version: str, status: ExitStatus = ExitStatus.HELD_FAILED) -> Came:
    """Release a version that cannot become ready: held long before the deadline, users untouched."""
    live, began = faulty.world.live(), time.monotonic()
    came = faulty.release(version)
    ended_as(came, faulty.world, Outcome.HELD, status, live)
    assert time.monotonic() - began < FAST
    return came


def test_13_an_image_that_cannot_be_pulled_is_held_at_once_with_its_reason(faulty: Faulty) -> None:
    """No registry has that digest: held with the pod and what the node says of its image."""
    came = held(faulty, faulty.version(image=NOWHERE))
    assert "its image cannot be pulled" in came.said
    assert "ImagePullBackOff" in came.said
    assert f"tiny-{faulty.idle}" in came.said


@pytest.mark.parametrize("more", [{"says_build": "bother"}, {"says_version": "0.0.1"}], ids=["build", "version"])
def test_13_40_what_answers_as_another_build_is_held(faulty: Faulty, more: dict[str, str]) -> None:
    """The image is the right one by its digest, and what runs in it says something else: never verified."""
    came = held(faulty, faulty.version(**more))
    assert "not what was deployed" in came.said
    assert not came.record.suites


def test_14_a_crash_loop_is_held_with_its_last_lines(faulty: Faulty) -> None:
    """The process ends again and again: held with exit code and what it logged last."""
    came = held(faulty, faulty.version("exits-at-once"))
    assert "it ends again and again" in came.said
    assert "exit code 3" in came.said
    assert "this release cannot start: the fault was planted" in came.said


def test_15_what_never_becomes_ready_is_held_at_the_deadline(faulty: Faulty) -> None:
    """It runs and says that it is not ready: held at the deadline with what the readiness probe saw."""
    amend(faulty.world, f"ready_seconds = {2 * FAST}", "ready_seconds = 6")
    came = held(faulty, faulty.version("never-ready"))
    assert "was not ready within 6 s: 0 of 2 pods are ready" in came.said
    assert "Readiness probe failed" in came.said


def test_16_what_is_ready_for_moments_only_is_held(faulty: Faulty) -> None:
    """Ready and not ready in turns: it never stays so for as long as it must."""
    amend(faulty.world, f"ready_seconds = {2 * FAST}", "ready_seconds = 14")
    amend(faulty.world, "stable_seconds = 0.5", "stable_seconds = 8")
    came = held(faulty, faulty.version("flaps", period=3))
    assert "was not ready within 14 s" in came.said


def test_17_what_runs_out_of_memory_under_test_is_held_with_its_restarts(faulty: Faulty) -> None:
    """The kernel ends it while the suites ask: held, with the restart and why it ended."""
    faulty.world.suite("smoke", SMOKE + "\n".join(f"\n{ASKS.format(number=number)}" for number in range(3)))
    live = faulty.world.live()
    came = faulty.release(faulty.version("eats-under-test"))
    assert came.record.outcome is Outcome.HELD, came.output
    assert came.code in (ExitStatus.HELD_FAILED, ExitStatus.HELD_NOT_VALID), came.output
    assert came.rules & {"candidate-changed", "candidate-gone"}, came.said
    assert "OOMKilled" in came.said, came.said
    assert faulty.world.live() == live
    assert came.users.passed, came.users


ASKS = """
def test_it_goes_on_{number}(http):
    import time
    time.sleep(0.7)
    assert http.get("/readyz").status_code == 200
"""


def test_18_what_runs_out_of_memory_with_users_is_rolled_back(faulty: Faulty) -> None:
    """Every pod is ended when users come: taken back, and users lose requests for seconds only."""
    live, version = faulty.world.live(), faulty.version("eats-with-users")
    came = faulty.release(version)
    assert (came.code, came.record.outcome) == (ExitStatus.ROLLED_BACK, Outcome.ROLLED_BACK), came.output
    assert came.rules & {"watch-lost", "watch-running", "switch"}, came.said
    assert faulty.world.live() == live
    lost = [sample.at for sample in came.samples if sample.lost]
    assert not lost or lost[-1] - lost[0] < 15, lost
    assert came.samples[-1].identity is not None
    assert f"version={live};" in came.samples[-1].identity


def test_a_quota_that_leaves_no_pod_is_held_at_once(faulty: Faulty) -> None:
    """The namespace may have no more pods: held with the words of the quota."""
    there = len(faulty.kubectl.get("pods")["items"])
    faulty.kubectl("create", "quota", "full", f"--hard=pods={there}")
    try:
        came = held(faulty, faulty.version())
    finally:
        faulty.kubectl("delete", "quota", "full")
    assert "exceeded quota: full" in came.said


def test_a_pod_that_no_node_takes_is_held_at_once(faulty: Faulty) -> None:
    """It asks for more than any node has: held with the scheduler's words."""
    for path in (faulty.world.root / "k8s").glob("deployment-*.yaml"):
        path.write_text(path.read_text().replace("cpu: 10m", "cpu: '4096'"))
    came = held(faulty, faulty.version())
    assert "no node takes it" in came.said
    assert "Insufficient cpu" in came.said


@pytest.mark.parametrize("how", ["env", "image"])
def test_41_a_candidate_that_is_changed_while_it_is_verified_is_not_proven(faulty: Faulty, how: str) -> None:
    """A person sets a variable or an image on it: what was tested is not what would get the users."""
    live, place = faulty.world.live(), f"deployment/tiny-{faulty.idle}"
    running = faulty.kubectl.get("deployment", f"tiny-{faulty.idle.other}")
    image = running["spec"]["template"]["spec"]["containers"][0]["image"]
    words = {"env": ("env", place, "BY_HAND=1"), "image": ("image", place, f"tiny={image}")}[how]

    def change() -> None:
        before = faulty.kubectl.get("deployment", f"tiny-{faulty.idle}")["metadata"]["generation"]
        faulty.kubectl("set", *words)
        wait_until(lambda: rolled_out(faulty, before) or None, "the edit reached the pods", 40)

    with in_its_suites(faulty) as during:
        came = faulty.release(faulty.version(), meanwhile=during(change))
    ended_as(came, faulty.world, Outcome.HELD, ExitStatus.HELD_NOT_VALID, live)
    assert "candidate-changed" in came.rules, came.said


def rolled_out(faulty: Faulty, before: int) -> bool:
    """Whether an edit of the candidate made a pod of its own."""
    status = faulty.kubectl.get("deployment", f"tiny-{faulty.idle}")["status"]
    return status.get("observedGeneration", 0) > before and status.get("updatedReplicas", 0) > 0


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        pytest.param('cluster = "', 'cluster = "00000000-0000-0000-0000-', 14, "another cluster", id="cluster"),
        pytest.param("lease_seconds", 'context = "nobodys"\nlease_seconds', 2, "no usable context", id="context"),
    ],
)
def test_48_another_cluster_is_refused_before_anything_is_touched(
    faulty: Faulty, old: str, new: str, status: int, words: str
) -> None:
    """The settings name another cluster than the kubeconfig leads to, or a context that is not there."""
    live, journal = faulty.world.live(), faulty.world.journal()
    path: Path = faulty.world.root / "environments.toml"
    text = path.read_text()
    wrong = text.replace(old, new, 1)
    if "00000000" in new:
        start = wrong.index(new) + len('cluster = "')
        wrong = wrong[:start] + "00000000-0000-0000-0000-000000000000" + wrong[wrong.index('"', start) :]
    path.write_text(wrong)
    done = faulty.world.command("release", faulty.version())
    path.write_text(text)
    assert done.returncode == status, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert (faulty.world.live(), faulty.world.journal()) == (live, journal)


def test_48_a_namespace_of_another_environment_is_refused(faulty: Faulty) -> None:
    """The namespace says that it is staging: exit status 14 with both names, nothing touched."""
    live, journal, namespace = faulty.world.live(), faulty.world.journal(), str(faulty.kubectl.namespace)
    faulty.kubectl("label", "namespace", namespace, "verdigris.dev/environment=staging", "--overwrite")
    try:
        done = faulty.world.command("release", faulty.version())
    finally:
        faulty.kubectl("label", "namespace", namespace, "verdigris.dev/environment=production", "--overwrite")
    assert done.returncode == ExitStatus.REFUSED, done.stdout + done.stderr
    assert "does not say that it is production" in done.stdout + done.stderr
    assert (faulty.world.live(), faulty.world.journal()) == (live, journal)


def evict(faulty: Faulty) -> None:
    """Evict the candidate's pods, as a drain does."""
    for pod in faulty.kubectl.get("pods", "-l", f"color={faulty.idle}")["items"]:
        name, namespace = pod["metadata"]["name"], faulty.kubectl.namespace
        body = f'{{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {{"name": "{name}"}}}}'
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        faulty.kubectl("create", "--raw", path, "-f", "-", stdin=body)


def gone(faulty: Faulty) -> bool:
    """Whether no pod of the candidate is ready."""
    pods = faulty.kubectl.get("pods", "-l", f"color={faulty.idle}")["items"]
    return not any(
        one["type"] == "Ready" and one["status"] == "True"
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        for one in pod["status"].get("conditions", ())
    )


def test_63_a_node_that_is_drained_while_the_candidate_is_verified_holds(faulty: Faulty) -> None:
    """Its pods are evicted and no node takes new ones: held, users untouched; a later release goes through."""
    live = faulty.world.live()

    def drain() -> None:
        unlabel(faulty)
        evict(faulty)
        wait_until(lambda: gone(faulty) or None, "the candidate's pods are gone")

    with in_its_suites(faulty) as during:
        came = faulty.release(faulty.version(), meanwhile=during(drain))
    faulty.kubectl("label", "nodes", "--all", f"{label(faulty)}=here", "--overwrite")
    ended_as(came, faulty.world, Outcome.HELD, ExitStatus.HELD_FAILED, live)
    assert "candidate-gone" in came.rules, came.said
    faulty.world.suite("smoke", SMOKE)
    version = faulty.version()
    ended_as(faulty.release(version), faulty.world, Outcome.CONFIRMED, ExitStatus.CONFIRMED, version)
