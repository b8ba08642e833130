"""A person's hand on a real cluster: noticed in the middle of a release, taken as it is afterwards, never fought."""

import json
from collections.abc import Callable

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.world import At, ClusterWorld
from verdigris.errors import ExitStatus
from verdigris.model import Color, Outcome, Step

GOOD, NEXT, BAD = "1.0.0", "1.1.0", "2.0.0"


@pytest.fixture(scope="module")
def stage(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """An environment with three versions; one of them fails once it has users."""
    world = ClusterWorld(tmp_path_factory.mktemp("persons"), make_namespace(), images)
    for version, fault in {GOOD: "", NEXT: "", BAD: "errors-with-users"}.items():
        world.version(version, fault)
    return world.up()


@pytest.fixture
def world(stage: ClusterWorld) -> ClusterWorld:
    """The good version has the users."""
    stage.settle_on(GOOD)
    return stage


def color_of(world: ClusterWorld) -> Color:
    """Who has the users."""
    color = world.platform().live().color
    assert color is not None
    return color


def edit_service(world: ClusterWorld) -> None:
    """What a person may do to a Service in the middle of a release."""
    world.kubectl("patch", "service", "tiny", "-p", json.dumps({"spec": {"sessionAffinity": "ClientIP"}}))


@pytest.mark.parametrize("step", [Step.VERIFY, Step.SWITCH])
def test_fault_42_an_edit_of_the_service_stops_the_release(world: ClusterWorld, step: Step) -> None:
    """Found by the compare-and-swap, whether it came during the suites or in the last moment; users stay."""
    before = color_of(world)
    try:
        record = world.controller(At(step, lambda: edit_service(world))).release(NEXT)
    finally:
        world.kubectl("patch", "service", "tiny", "-p", json.dumps({"spec": {"sessionAffinity": "None"}}))
    assert (record.outcome, record.exit_status) == (Outcome.HELD, ExitStatus.REFUSED)
    assert record.objections[-1].rule == "conflict"
    assert (color_of(world), world.live()) == (before, GOOD)
    assert world.journal()["record"]["step"] == "done"


def test_a_note_on_the_service_does_not_stop_the_release(world: ClusterWorld) -> None:
    """The write is stale, is judged anew on fresh state, and goes through (fault 11)."""
    note = At(Step.SWITCH, lambda: world.kubectl("annotate", "service", "tiny", "team=shop", "--overwrite"))
    record = world.controller(note).release(NEXT)
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert world.live() == NEXT


@pytest.mark.parametrize("step", [Step.VERIFY, Step.SWITCH])
def test_fault_41_an_edit_of_the_candidate_stops_the_release(world: ClusterWorld, step: Step) -> None:
    """What was verified is not what stands there any more; users stay, and the next release sweeps the edit away."""
    other = color_of(world).other
    record = world.controller(
        At(step, lambda: world.kubectl("set", "env", f"deployment/tiny-{other}", "EXTRA=by-hand"))
    ).release(NEXT)
    assert record.outcome is Outcome.HELD
    assert record.exit_status in (ExitStatus.REFUSED, ExitStatus.HELD_NOT_VALID), record.objections
    assert world.live() == GOOD
    assert world.release(NEXT).exit_status is ExitStatus.CONFIRMED
    left = world.kubectl.get("deployment", f"tiny-{other}")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert "EXTRA" not in {variable["name"] for variable in left}


def test_fault_38_an_old_color_that_was_deleted_is_restored_before_the_rollback(world: ClusterWorld) -> None:
    """From what is kept of it, not from the files, which say something else by now."""
    old = color_of(world)
    config = world.root / "k8s" / "around.yaml"
    text = config.read_text()

    def delete() -> None:
        config.write_text(text.replace("GREETING: hello", "GREETING: another"))
        world.kubectl("delete", "deployment", f"tiny-{old}", "--wait=true")

    try:
        record = world.controller(At(Step.WATCH, delete)).release(BAD)
    finally:
        config.write_text(text)
    assert (record.outcome, record.exit_status) == (Outcome.ROLLED_BACK, ExitStatus.ROLLED_BACK), record.objections
    assert record.live is not None
    assert world.platform().answer(None).identity == record.live.identity
    assert color_of(world) is old


def test_a_rollback_by_a_person_restores_what_was_scaled_down(world: ClusterWorld) -> None:
    """Scaled to nothing inside its rollback window, it stands up again before users go back to it."""
    old = color_of(world)
    assert world.release(NEXT).exit_status is ExitStatus.CONFIRMED
    world.kubectl("scale", "deployment", f"tiny-{old}", "--replicas=0")
    record = world.controller().rollback("a person says so")
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert (color_of(world), world.live()) == (old, GOOD)


def test_users_that_a_person_took_back_by_hand_stay_there(world: ClusterWorld) -> None:
    """A deployer died in its watch and a person moved the users back: recover agrees, and leaves them."""
    old = color_of(world)
    world.die_at(Step.WATCH, "release", NEXT)
    assert world.live() == NEXT
    world.kubectl("patch", "service", "tiny", "-p", json.dumps({"spec": {"selector": {"color": str(old)}}}))
    record = world.controller().recover()
    assert record is not None
    assert record.outcome is Outcome.ROLLED_BACK
    assert (color_of(world), world.live()) == (old, GOOD)


def by_hand(world: ClusterWorld, action: Callable[[str], object]) -> str:
    """A person changes who has the users, and waits for it."""
    name = f"tiny-{color_of(world)}"
    action(name)
    world.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    return name


def test_an_emergency_edit_of_the_live_color_is_adopted(world: ClusterWorld) -> None:
    """It is what users have, so it counts: live, never verified, in the audit log; a release goes on from it."""
    by_hand(world, lambda name: world.kubectl("set", "env", f"deployment/{name}", "LOG_LEVEL=debug"))
    standing = world.platform().standing(color_of(world))
    assert standing is not None
    assert standing.release.build == "edited by hand"
    world.controller().recover()
    platform = world.platform()
    adopted = platform.standing(color_of(world))
    assert adopted is not None
    assert (adopted.identity, adopted.verified) == (platform.answer(None).identity, False)
    assert platform.audit.entries()[-1].action == "adopt"
    assert world.release(NEXT).exit_status is ExitStatus.CONFIRMED


def test_what_ran_before_the_first_release_is_adopted(
    make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An application that kubectl put there is live as it is; the first release stands up beside it."""
    world = ClusterWorld(tmp_path_factory.mktemp("before"), make_namespace(), images)
    world.version(GOOD)
    world.version(NEXT)
    text = (world.root / "k8s" / "deployment-blue.yaml").read_text()
    image = json.loads((world.root / "images" / f"{GOOD}.json").read_text())["image"]
    world.kubectl("apply", "-f", str(world.root / "k8s" / "around.yaml"))
    world.kubectl("apply", "-f", "-", stdin=text.replace("localhost/tiny:placeholder", image))
    world.kubectl("patch", "service", "tiny", "-p", json.dumps({"spec": {"selector": {"color": "blue"}}}))
    world.kubectl("rollout", "status", "deployment/tiny-blue", "--timeout=30s")
    assert world.live() is None
    record = world.release(NEXT)
    assert record.exit_status is ExitStatus.CONFIRMED, record.objections
    assert record.live is not None
    assert (record.live.color, record.live.release.version, record.live.release.artifact) == (Color.BLUE, GOOD, image)
    assert world.controller().rollback("it was never verified").exit_status is ExitStatus.REFUSED
    assert world.live() == NEXT


def test_what_a_person_mended_in_place_is_what_a_failed_release_gives_back(
    make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where it rolls: an adopted emergency edit is what a release that is undone stands up, not what was before it."""
    root = tmp_path_factory.mktemp("mended")
    world = ClusterWorld(root, make_namespace(), images, name="staging", strategy="rolling")
    world.version(GOOD)
    world.version(BAD, "errors-with-users")
    assert world.up().release(GOOD).exit_status is ExitStatus.CONFIRMED
    world.kubectl("set", "env", "deployment/tiny", "MENDED=1")
    world.kubectl("rollout", "status", "deployment/tiny", "--timeout=30s")
    world.controller().recover()
    assert world.release(BAD).exit_status is ExitStatus.ROLLED_BACK
    assert world.live() == GOOD
    (container,) = world.kubectl.get("deployment", "tiny")["spec"]["template"]["spec"]["containers"]
    assert {"name": "MENDED", "value": "1"} in container["env"]


def test_a_rollback_does_not_wait_for_an_edit_of_what_fails(world: ClusterWorld) -> None:
    """Who has the users was edited by hand and cannot say who it is: the way back asks nothing of it."""
    old = color_of(world)
    assert world.release(NEXT).exit_status is ExitStatus.CONFIRMED
    live = color_of(world)
    world.kubectl("set", "image", f"deployment/tiny-{live}", "tiny=localhost/nothing:0")
    done = world.command("rollback", "--reason", "it is broken")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (color_of(world), world.live()) == (old, GOOD)
