"""Trouble of kinds that nobody listed, on a cluster: users are on a verified release, in time, without anybody's help.

What is raised, and where, is drawn; ``TROUBLE_SEEDS`` has more of it drawn than the part that runs here.
"""

import itertools
import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import NamespaceMaker
from tests.cluster.images import Images
from tests.cluster.kubectl import wait_until
from tests.cluster.trouble import dripping, in_trouble
from tests.cluster.world import ClusterWorld
from tests.trouble.planted import RAISED, Proxy, Trouble
from verdigris.controller import Controller
from verdigris.errors import ExitStatus
from verdigris.model import Outcome, Record
from verdigris.progress import Silent

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
SEEDS = range(int(os.environ.get("TROUBLE_SEEDS", "3")))
ASKED = ("/services", "/configmaps/verdigris-journal", "/pods", "/leases")
"""What is asked of the API server in a watch."""
WATCH = 4.0
SAFE_SECONDS = 20.0
"""From the trouble to users on a verified release: the switch's deadline, the way back and a busy machine."""
GOOD = "1.0.0"
NUMBERS = itertools.count()
SUITE = """
import json

def test_home_is_served(http):
    answer = http.get("/")
    assert answer.status_code == 200
    assert "half" not in answer.text, json.loads(answer.text)["half"]
"""


@pytest.fixture(scope="module")
def stage(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> ClusterWorld:
    """A good version and a better one, and some that are bad once they have users."""
    made = ClusterWorld(tmp_path_factory.mktemp("trouble"), make_namespace(), images, watch=WATCH, switch_seconds=5)
    made.suite("smoke", SUITE)
    made.version(GOOD)
    return made.up()


def fresh(world: ClusterWorld, fault: str = "") -> str:
    """A version with a fault, made anew: pods that stand already have met users, and would be bad too early."""
    return world.version(f"2.{next(NUMBERS)}.0", fault)


@pytest.fixture
def world(stage: ClusterWorld) -> ClusterWorld:
    """The good version has the users."""
    stage.settle_on(GOOD)
    return stage


def at(world: ClusterWorld, version: str, step: str) -> bool | None:
    """Whether a version's release is at a step."""
    record = world.journal()["record"]
    return (record["version"], record["step"]) == (version, step) or None


def moved(world: ClusterWorld, version: str) -> bool | None:
    """Whether users were moved to a version, in its own release's words."""
    record = world.journal()["record"]
    return (record["version"] == version and record["step"] in ("switch", "watch", "rollback", "done")) or None


def safe(world: ClusterWorld, process: "subprocess.Popen[Any]", *, allowed: str = GOOD) -> dict[str, Any]:
    """Users are where they may be in time, the process ends by itself, and its record is finished and in the log."""
    wait_until(lambda: world.live() == allowed or None, f"users are on {allowed}", SAFE_SECONDS)
    process.wait(SAFE_SECONDS)
    assert world.live() == allowed
    record: dict[str, Any] = world.journal()["record"]
    assert record["step"] == "done"
    assert world.platform().audit.mentions(record["id"])
    return record


# --- the output and the terminal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_output_that_nobody_reads_any_more_keeps_no_rollback_back(world: ClusterWorld, stream: str) -> None:
    """Its reader goes away in the watch, as ``| head`` does: a release that errs goes back, and the log says so."""
    pipes: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words, root = world.words("release", fresh(world, "errors-with-users")), world.root
    with subprocess.Popen(words, cwd=root, stdout=pipes["stdout"], stderr=pipes["stderr"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = next((line for line in process.stdout if b" watch  " in line), None)
        assert said is not None, process.stderr.read()
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream in (name, "both"):
                pipe.close()
        record = safe(world, process)
    assert record["outcome"] == "rolled back"
    assert process.returncode == 13


@pytest.mark.parametrize("step", ["deploy", "verify", "switch", "watch"])
def test_a_terminal_that_is_closed_ends_a_release_safely(world: ClusterWorld, step: str) -> None:
    """Of a version that nothing is wrong with: nobody watches it any more, so users have the one before."""
    version = fresh(world)
    process = world.start("release", version)
    try:
        wait_until(lambda: at(world, version, step), f"the release is at {step}", 60)
        process.send_signal(signal.SIGHUP)
        record = safe(world, process)
    finally:
        process.kill()
        process.communicate()
    assert record["outcome"] in (("rolled back",) if step == "watch" else ("held", "rolled back"))


# --- what a candidate says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["surrogate-with-users", "drips-with-users"])
def test_a_candidate_that_says_what_cannot_be_kept_or_never_ends_goes_back(world: ClusterWorld, fault: str) -> None:
    """From its first user on half of a surrogate pair in answers and log, or answers of a byte now and then."""
    began, version = time.monotonic(), fresh(world, fault)
    with subprocess.Popen(world.words("release", version), cwd=world.root, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: moved(world, version), "users are moved", 60)
        record = safe(world, process)
    assert record["outcome"] == "rolled back", record["objections"]
    assert time.monotonic() - began < 60 + SAFE_SECONDS


@pytest.mark.parametrize("path", ASKED if "TROUBLE_SEEDS" in os.environ else ASKED[:2])
def test_answers_of_the_api_server_that_never_end_keep_no_user_on_a_bad_release(
    world: ClusterWorld, tmp_path: Path, path: str
) -> None:
    """A byte now and then in the watch, twice, to whatever is asked there: given up in time, and asked again."""
    with in_trouble(world.kubectl, tmp_path) as trouble:
        trouble.at("watch", lambda: trouble.when(dripping, path=path, times=2, first=True))
        process = world.start("release", fresh(world, "errors-with-users"), KUBECONFIG=trouble.kubeconfig())
        try:
            code, output = process.wait(120 + SAFE_SECONDS), process.communicate()[0]
        finally:
            process.kill()
    assert code == ExitStatus.ROLLED_BACK, output
    assert world.live() == GOOD, output


# --- a machine that has no more ----------------------------------------------------------------------------------


def exhaust(pid: int, what: str) -> None:
    """Let a process open no file beyond those that it has, or write none."""
    limit, most = resource.RLIMIT_FSIZE, 0
    if what == "descriptors":
        limit, most = resource.RLIMIT_NOFILE, 1 + max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, limit, (most, resource.getrlimit(limit)[1]))


@pytest.mark.parametrize("what", ["descriptors", "room-on-the-disk"])
def test_a_machine_that_has_no_more_ends_a_release_safely(world: ClusterWorld, what: str) -> None:
    """From the watch on: confirmed only if it was watched to its end, and rolled back else."""
    version = fresh(world)
    process = world.start("release", version)
    try:
        wait_until(lambda: at(world, version, "watch"), "the release is watched", 60)
        exhaust(process.pid, what)
        code, output = process.wait(60 + SAFE_SECONDS), process.communicate()[0]
    finally:
        process.kill()
    assert code in (ExitStatus.CONFIRMED, ExitStatus.ROLLED_BACK), output
    assert world.live() == (version if code == ExitStatus.CONFIRMED else GOOD), output
    record = world.journal()["record"]
    assert (record["version"], record["step"], record["exit_status"]) == (version, "done", code)


@pytest.mark.parametrize("what", ["descriptors", "room-on-the-disk"])
def test_a_machine_that_has_no_more_keeps_no_rollback_back(world: ClusterWorld, what: str) -> None:
    """From the moment that users met a release that errs."""
    version = fresh(world, "errors-with-users")
    process = world.start("release", version)
    try:
        wait_until(lambda: moved(world, version), "users are moved", 60)
        exhaust(process.pid, what)
        code, output = process.wait(60 + SAFE_SECONDS), process.communicate()[0]
    finally:
        process.kill()
    assert code == ExitStatus.ROLLED_BACK, output
    assert world.live() == GOOD, output


# --- an exception of any type, anywhere --------------------------------------------------------------------------


class Planted(Trouble):
    """Trouble that knows when it happened."""

    def __init__(self, kind: str, at: int) -> None:
        self.since: float | None = None

        def happen() -> None:
            self.since = self.since or time.monotonic()
            raise RAISED[kind]()

        super().__init__(happen, at)

    def ago(self) -> float:
        """Seconds since it happened."""
        return time.monotonic() - self.since if self.since is not None else 0.0


def controller(world: ClusterWorld, trouble: Trouble, *, api: bool) -> Controller:
    """One whose calls of the platform and the journal meet the trouble, or its requests to the API server."""
    platform = world.platform()
    if api:
        platform.cluster.transport = Proxy(platform.cluster.transport, trouble, "api")  # type: ignore[assignment]
        return Controller(world.settings, world.name, Silent(), platform)
    journal = Proxy(platform.journal, trouble, "journal")
    return Controller(world.settings, world.name, Silent(), Proxy(platform, trouble, "platform"), journal)


class Flow:
    """A kind of run: what it needs, and the run itself."""

    def __init__(self, world: ClusterWorld) -> None:
        self.world = world
        self.allowed = {GOOD}
        """The versions that users may have after it."""

    def prepare(self) -> None:
        """Bring the environment to where it begins."""

    def run(self, acting: Controller) -> Record | None:
        """Do it."""
        raise NotImplementedError


class GoodRelease(Flow):
    """A release of a version that nothing is wrong with."""

    fault = ""

    def prepare(self) -> None:
        """Make the version."""
        self.version = fresh(self.world, self.fault)
        self.allowed |= set() if self.fault else {self.version}

    def run(self, acting: Controller) -> Record | None:
        """Release it."""
        return acting.release(self.version)


class BadRelease(GoodRelease):
    """A release that its watch objects to."""

    fault = "errors-with-users"


class Rollback(Flow):
    """An operator's rollback of a confirmed release."""

    def prepare(self) -> None:
        """Let another release have the users."""
        version = fresh(self.world)
        self.world.settle_on(version)
        self.allowed |= {version}

    def run(self, acting: Controller) -> Record | None:
        """Roll back."""
        return acting.rollback("to see it go back")


class Recovery(Flow):
    """A recovery of a good release whose deployer was killed in its watch."""

    def prepare(self) -> None:
        """Kill it there."""
        version = fresh(self.world)
        process = self.world.start("release", version)
        wait_until(lambda: at(self.world, version, "watch"), "the release is watched", 60)
        process.kill()
        process.communicate()

    def run(self, acting: Controller) -> Record | None:
        """Recover."""
        return acting.recover()


@pytest.fixture(scope="module")
def calls() -> dict[tuple[type[Flow], bool], int]:
    """How many calls a flow makes, counted once each."""
    return {}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("api", [pytest.param(False, id="platform"), pytest.param(True, id="api")])
@pytest.mark.parametrize("kind", [GoodRelease, BadRelease, Rollback, Recovery])
def test_an_exception_of_any_type_at_any_call_leaves_users_on_a_verified_release(
    world: ClusterWorld, calls: dict[tuple[type[Flow], bool], int], kind: type[Flow], api: bool, seed: int
) -> None:
    """A confirmed one, or the one before; the next command has nothing to do that a person would have to say."""
    if (kind, api) not in calls:
        calls[kind, api] = counted(kind(world), api=api)
        world.settle_on(GOOD)
    drawn = random.Random(f"{kind.__name__} {api} {seed}")  # noqa: S311 - no secret is drawn
    flow, trouble = kind(world), Planted(drawn.choice(list(RAISED)), drawn.randint(1, calls[kind, api]))
    flow.prepare()
    ended: object = None
    try:
        ended = flow.run(controller(world, trouble, api=api))
    except BaseException as error:  # noqa: BLE001 - what it is, is looked at
        ended = error
    took, met = trouble.ago(), trouble.calls[trouble.at - 1] if trouble.met else "not met"
    where = f"call {trouble.at} of {calls[kind, api]} ({met}): {ended!r}"
    if isinstance(ended, Record):
        assert ended.finished, where
        assert ended.outcome is not Outcome.PERSON_NEEDED, where
    if kind is not Recovery or isinstance(ended, Record):  # a recovery may not even have begun
        assert world.live() in flow.allowed, where
    assert took < SAFE_SECONDS + WATCH, where
    again = world.command("recover")
    assert again.returncode == 0, where + again.stdout + again.stderr
    assert world.live() in flow.allowed, where


def counted(flow: Flow, *, api: bool) -> int:
    """How many calls a run makes that nothing happens to."""
    trouble = Trouble(lambda: None)
    flow.prepare()
    flow.run(controller(flow.world, trouble, api=api))
    return len(trouble.calls)
