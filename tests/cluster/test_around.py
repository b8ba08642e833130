"""What stands around a color on a real cluster: what runs once, autoscalers, configuration, and accounts."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import wait_until
from tests.cluster.world import HERE, At, ClusterWorld
from verdigris.errors import Conflict, ExitStatus
from verdigris.model import Color, Outcome, Record, Step
from verdigris.platform.connection import connect
from verdigris.platform.kubernetes.api import Cluster
from verdigris.progress import Silent

GOOD, NEXT, BAD, IDLE = "1.0.0", "1.1.0", "2.0.0", "2.1.0"
ROLES = HERE.parents[1] / "k8s" / "rbac"


@pytest.fixture(scope="module")
def stage(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """Colors with a worker, an autoscaler and a Secret each."""
    gauge = 'open_requests = "tiny_open_requests"'
    world = ClusterWorld(tmp_path_factory.mktemp("around"), make_namespace(), images, kubernetes=gauge)
    settings = world.root / "environments.toml"
    settings.write_text(f"{settings.read_text()}\n[checks.metrics]\n")
    folder = world.root / "k8s"
    for color in ("blue", "green"):
        for name in ("worker", "scaler"):
            text = (HERE / "tiny" / f"{name}.yaml").read_text().replace("@COLOR@", color)
            (folder / f"{name}-{color}.yaml").write_text(text)
        path = folder / f"deployment-{color}.yaml"
        secret = "- secretRef: {name: tiny-secret}\n            - {configMapRef: {name: tiny-config}}"
        path.write_text(path.read_text().replace("[{configMapRef: {name: tiny-config}}]", f"\n            {secret}"))
    set_secret(world, "first")
    for version, fault in {GOOD: "", NEXT: "", BAD: "errors-with-users", IDLE: "worker-fails"}.items():
        world.version(version, fault)
    return world.up()


@pytest.fixture
def world(stage: ClusterWorld) -> ClusterWorld:
    """The good version has the users."""
    stage.settle_on(GOOD)
    return stage


def set_secret(world: ClusterWorld, value: str) -> None:
    """What an operator does to a Secret."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tiny-secret"},
        "data": {"API_KEY": base64.b64encode(value.encode()).decode()},
    }
    world.kubectl("apply", "-f", "-", stdin=json.dumps(secret))


def live(world: ClusterWorld) -> Color:
    """Who has the users."""
    color = world.platform().live().color
    assert color is not None
    return color


def workers(world: ClusterWorld) -> dict[str, int]:
    """How many pods of what must run once are wanted in each color."""
    found = world.kubectl.get("deployments")["items"]
    sizes = {one["metadata"]["name"]: one["spec"]["replicas"] for one in found}
    return {color: sizes.get(f"tiny-worker-{color}", 0) for color in ("blue", "green")}


class Look(Silent):
    """Counts what must run once at every step."""

    def __init__(self, world: ClusterWorld) -> None:
        self.world = world
        self.seen: dict[Step, dict[str, int]] = {}

    def record(self, record: Record) -> None:
        """Count, when a step is journaled and its effect comes next."""
        self.seen[record.step] = workers(self.world)


@contextmanager
def running(world: ClusterWorld) -> Iterator[set[int]]:
    """How many of what must run once really ran at a time, on their way out included, looked at without pause."""
    seen: set[int] = set()
    cluster, over = Cluster(world.namespace), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            pods = cluster.list("Pod", "app=tiny-worker")
            states = [status["state"] for pod in pods for status in pod["status"].get("containerStatuses", ())]
            seen.add(sum("running" in state for state in states))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def test_what_must_run_once_moves_with_the_switch_and_with_the_rollback(world: ClusterWorld) -> None:
    """A candidate has none; at no moment do two run, also where users go back before the first one is gone."""
    old = live(world)
    assert workers(world) == {old: 1, old.other: 0}
    good, bad = Look(world), Look(world)
    with running(world) as seen:
        assert world.controller(good).release(NEXT).exit_status is ExitStatus.CONFIRMED
        assert good.seen[Step.SWITCH] == {old: 1, old.other: 0}
        assert good.seen[Step.SETTLE] == {old.other: 1, old: 0}, "the watch is over when it has moved"
        record = world.controller(bad).release(BAD)
    assert record.outcome is Outcome.ROLLED_BACK, record.objections
    assert bad.seen[Step.SWITCH] == {old.other: 1, old: 0}
    assert seen == {0, 1}
    assert workers(world) == {old.other: 1, old: 0}
    image = json.loads((world.root / "images" / f"{NEXT}.json").read_text())["image"]
    template = world.kubectl.get("deployment", f"tiny-worker-{old.other}")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == image


def test_a_release_whose_scheduler_cannot_run_is_rolled_back(world: ClusterWorld) -> None:
    """Its application has no fault; what must run once ends again and again, which only shows when users are there."""
    old = live(world)
    record = world.release(IDLE)
    assert (record.outcome, live(world)) == (Outcome.ROLLED_BACK, old), record.objections
    assert [objection.rule for objection in record.objections] == ["watch-once"]
    assert "which must run once, does not run: it ends again and again" in record.objections[0].text
    assert workers(world) == {old: 1, old.other: 0}


def test_fault_32_an_older_generation_moves_nothing_that_stands_around_a_color(world: ClusterWorld) -> None:
    """A holder that was paused and wakes neither starts nor stops what must run once, nor touches an autoscaler."""
    old, new = world.platform(), world.platform()
    old.journal.next_generation()
    new.journal.next_generation()
    color = live(world)
    world.kubectl("annotate", "hpa", f"tiny-{color}", "verdigris.dev/held-minimum=1")  # as a release leaves it
    before = around(world)
    for write in (
        lambda: old.follow(color.other),
        lambda: old.stand_up(old.prepare(NEXT), color.other, 1),
        old.settled,
    ):
        with pytest.raises(Conflict, match="acts on this environment now"):
            write()
    assert around(world) == before
    assert new.follow(color)
    new.settled()


def around(world: ClusterWorld) -> list[object]:
    """What stands around the colors, as it is wanted."""
    found = world.kubectl.get("deployments,hpa")["items"]
    return [[one["metadata"]["name"], one["metadata"].get("annotations"), one["spec"]] for one in found]


def test_the_candidate_is_as_large_as_who_has_the_users_until_the_release_is_settled(world: ClusterWorld) -> None:
    """Also where users' color grew while the suites ran; the autoscaler may not shrink it meanwhile."""
    old = live(world)
    seen = {}

    def grow() -> None:
        world.kubectl("patch", "hpa", f"tiny-{old}", "-p", '{"spec": {"minReplicas": 3}}')
        wait_until(lambda: (size(world, old) == 3) or None, "the live color has grown")

    def look() -> None:
        new = old.other
        seen["minimum"] = world.kubectl.get("hpa", f"tiny-{new}")["spec"]["minReplicas"]
        seen["ready"] = world.kubectl.get("deployment", f"tiny-{new}")["status"].get("readyReplicas", 0)

    class Both(At):
        def record(self, record: object) -> None:
            super().record(record)  # type: ignore[arg-type]
            if record.step is Step.WATCH:  # type: ignore[attr-defined]
                look()

    record = world.controller(Both(Step.VERIFY, grow)).release(NEXT)
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert seen["minimum"] == 3
    assert seen["ready"] >= 3  # its own autoscaler may let it grow further
    assert world.kubectl.get("hpa", f"tiny-{old.other}")["spec"]["minReplicas"] == 1
    assert world.kubectl.get("hpa", f"tiny-{old}")["spec"]["minReplicas"] == 3  # what a person set is not given back


def size(world: ClusterWorld, color: Color) -> int:
    """The pods wanted in a color."""
    return int(world.kubectl.get("deployment", f"tiny-{color}")["spec"]["replicas"])


def test_a_changed_secret_or_config_map_is_another_release_and_goes_back_with_the_color(world: ClusterWorld) -> None:
    """Another configuration of one image is another identity; the old color keeps what it was verified with."""
    before = world.platform().live().identity
    assert before is not None
    set_secret(world, "second")
    config = world.root / "k8s" / "around.yaml"
    config.write_text(config.read_text().replace("GREETING: hello", "GREETING: another"))
    try:
        record = world.release(GOOD)
        assert record.exit_status is ExitStatus.CONFIRMED, record.objections
        after = world.platform().answer(None).identity
        assert after is not None
        assert (after.build, after.version) == (before.build, before.version)
        assert after.config != before.config
        back = world.controller().rollback("the configuration")
        assert back.exit_status is ExitStatus.CONFIRMED, back.objections
        assert world.platform().answer(None).identity == before
        pod = world.platform().colors.mine(before.color)[0]["metadata"]["name"]
        assert world.kubectl("exec", pod, "--", "printenv", "API_KEY", "GREETING").split() == ["first", "hello"]
    finally:
        set_secret(world, "first")
        config.write_text(config.read_text().replace("GREETING: another", "GREETING: hello"))


def test_the_accounts_of_the_roles_are_enough(world: ClusterWorld) -> None:
    """verdigris-release releases with no right beyond its namespace; verdigris-verify verifies and cannot release."""
    for name in ("release", "verify"):
        world.kubectl("apply", "-f", str(ROLES / f"{name}.yaml"))
    accounts = [
        {"kind": "ServiceAccount", "name": f"verdigris-{name}", "namespace": world.namespace}
        for name in ("release", "verify")
    ]
    role = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "verdigris-cluster-identity"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"verdigris-{world.namespace}"},
        "roleRef": role,
        "subjects": accounts,
    }
    world.kubectl("apply", "-f", str(ROLES / "cluster-identity.yaml"))
    world.kubectl("apply", "-f", "-", stdin=json.dumps(binding))
    try:
        release = str(world.kubectl.acting_as("verdigris-release", world.root).kubeconfig)
        verify = str(world.kubectl.acting_as("verdigris-verify", world.root).kubeconfig)
        refused = world.command("release", NEXT, KUBECONFIG=verify)
        assert refused.returncode == 14, refused.stdout + refused.stderr
        assert world.live() == GOOD
        verified = world.command("verify", KUBECONFIG=verify)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        released = world.command("release", NEXT, KUBECONFIG=release)
        assert released.returncode == 0, released.stdout + released.stderr
        assert world.live() == NEXT
    finally:
        world.kubectl("delete", "clusterrolebinding", f"verdigris-{world.namespace}")


def test_the_old_color_is_retired_when_its_rollback_window_is_over(world: ClusterWorld) -> None:
    """By the next recover, which a schedule may run; before that it stays, whoever recovers."""
    settings = world.root / "environments.toml"
    old = live(world)
    assert world.release(NEXT).exit_status is ExitStatus.CONFIRMED
    world.controller().recover()
    assert size(world, old) >= 2
    text = settings.read_text()
    settings.write_text(text.replace("rollback_window = 600", "rollback_window = 0.001"))
    try:
        assert world.release(GOOD).exit_status is ExitStatus.CONFIRMED  # it replaced the old one, and keeps NEXT
        world.controller().recover()
    finally:
        settings.write_text(text)
    assert world.platform().standing(old.other) is None
    assert (live(world), world.live()) == (old, GOOD)


def test_36_a_request_that_is_open_on_the_old_color_is_drained_by_count(world: ClusterWorld) -> None:
    """It began before the switch and ends after the watch: the old color is taken away then, and not before."""
    settings, old = world.root / "environments.toml", live(world)
    users, text, answers, open_at = world.platform().users(), settings.read_text(), [], []

    def ask() -> None:
        connection = connect(users, secure=users.secure_url is not None, timeout=60)
        connection.request("GET", "/slow?seconds=14")
        answer = connection.getresponse()
        answers.append((answer.status, answer.headers["x-release"]))

    asking = threading.Thread(target=ask)

    class Steps(Silent):
        def record(self, record: Record) -> None:
            if record.step is Step.SWITCH:
                asking.start()
            if record.step is Step.SETTLE:
                open_at.append((asking.is_alive(), world.platform().open_requests(old)))

    settings.write_text(
        text.replace("rollback_window = 600", "rollback_window = 0").replace("drain_seconds = 5", "drain_seconds = 60")
    )
    before = world.platform().live().identity
    try:
        record = world.controller(Steps()).release(NEXT)
    finally:
        settings.write_text(text)
    asking.join(60)
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert open_at == [(True, 1)]
    assert before is not None
    assert answers == [(200, before.header())]
    assert record.notes["old color"] == f"{old} drained and retired"
    assert world.platform().standing(old) is None


def test_an_environment_of_a_cluster_is_taken_down_only_by_its_name(world: ClusterWorld) -> None:
    """Without it, usage; users keep what they have."""
    refused = world.command("down")
    assert refused.returncode == 2
    assert "--confirm production" in refused.stderr
    assert world.live() == GOOD
    assert world.command("down", "--confirm", "production").returncode == 0
    assert world.live() is None
    assert world.command("status").returncode == 0
