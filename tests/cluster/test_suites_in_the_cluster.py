"""Suites as Jobs of a real cluster: the verdicts and files that they have on this machine, and nothing left behind."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT, NamespaceMaker
from tests.cluster.images import SUITES, Images
from tests.cluster.images import suites as suites_image
from tests.cluster.kubectl import Kubectl, wait_until
from tests.cluster.world import ClusterWorld
from tests.world import SMOKE
from verdigris.errors import ExitStatus
from verdigris.model import Outcome
from verdigris.platform.kubernetes import suite_job
from verdigris.settings.kubernetes import JobSettings
from verdigris.suites.evidence import read

OURS = f"{suite_job.PART}={suite_job.SUITE}"
PATIENT = ", strikes = 1000"
"""How quickly users are answered is not what is tested here."""
PREVIEW = """
apiVersion: v1
kind: Service
metadata: {{name: tiny-{color}}}
spec:
  selector: {{app: tiny, color: {color}}}
  ports: [{{name: http, port: 8080, targetPort: http}}]
---
"""
HOLDS = (
    SMOKE
    + """
import threading

def test_it_waits(http):
    assert http.get("/").status_code == 200
    threading.Event().wait(120)
"""
)
GREEDY = (
    SMOKE
    + """
def test_it_takes_all_memory(http):
    assert http.get("/").status_code == 200
    taken = []
    for _ in range(64):
        taken.append(bytearray(b"x" * 16_000_000))
"""
)
TOKEN = """
import json, ssl, urllib.error, urllib.request
from pathlib import Path

OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")

def asked(method, path, body=None):
    namespace, token = (OWN / "namespace").read_text(), (OWN / "token").read_text()
    request = urllib.request.Request(
        "https://kubernetes.default.svc" + path.replace("OWN", namespace),
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"authorization": f"Bearer {token}", "content-type": "application/merge-patch+json"
                 if method == "PATCH" else "application/json"},
    )
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=OWN / "ca.crt")) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

def test_its_account_reads_and_does_nothing_else(http):
    assert http.get("/").status_code == 200
    assert asked("GET", "/api/v1/namespaces/OWN/pods") == 200
    selector = {"spec": {"selector": {"color": "blue"}}}
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    refused = [
        asked("PATCH", "/api/v1/namespaces/OWN/services/tiny", selector),
        asked("POST", "/api/v1/namespaces/OWN/configmaps", named),
        asked("DELETE", "/apis/apps/v1/namespaces/OWN/deployments/tiny-blue"),
        asked("PATCH", "/apis/apps/v1/namespaces/OWN/deployments/tiny-blue", {"spec": {"replicas": 0}}),
        asked("POST", "/apis/batch/v1/namespaces/OWN/jobs", {}),
        asked("GET", "/api/v1/namespaces/OWN/secrets"),
        asked("GET", "/api/v1/namespaces/default/pods"),
    ]
    assert refused == [403] * 7
"""


@pytest.fixture(scope="module")
def image(images: Images, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the suites, without a browser."""
    return suites_image(tmp_path_factory.mktemp("suites"))


Maker = Callable[..., ClusterWorld]


@pytest.fixture(scope="module")
def make_world(
    make_namespace: NamespaceMaker, images: Images, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Maker:
    """Make environments whose suites run as Jobs, with the account that verifies."""

    def make(job: str = "", *, preview: bool = True) -> ClusterWorld:
        kubectl = make_namespace()
        kubectl("apply", "--filename", str(ROOT / "k8s" / "rbac" / "verify.yaml"))
        table = f'runner = "job"\njob = {{ image = "{image}", memory = "64Mi", memory_limit = "256Mi"{job} }}'
        world = ClusterWorld(tmp_path_factory.mktemp("job"), kubectl, images, watch_more=PATIENT, kubernetes=table)
        file = world.root / "environments.toml"
        file.write_text(file.read_text().replace("rate = 50", "rate = 5"))
        for path in (world.root / "k8s").glob("deployment-*.yaml"):
            path.write_text(path.read_text().replace("failureThreshold: 2", "failureThreshold: 20"))
        if preview:
            services = "".join(PREVIEW.format(color=color) for color in ("blue", "green"))
            (world.root / "k8s" / "preview.yaml").write_text(services)
        return world.up()

    return make


@pytest.fixture(scope="module")
def stage(make_world: Maker) -> ClusterWorld:
    """A release that was confirmed by suites that ran as Jobs."""
    world = make_world()
    world.version("1.0.0")
    record = world.release("1.0.0")
    assert record.outcome is Outcome.CONFIRMED, record.objections
    return world


@pytest.fixture
def world(stage: ClusterWorld) -> ClusterWorld:
    """The same, with the suite that passes, and nothing of another test's runs."""
    stage.suite("smoke", SMOKE)
    (stage.root / "smoke" / "test_account.py").unlink(missing_ok=True)
    for folder in (stage.root / "reports").glob("*-verify"):
        shutil.rmtree(folder)
    return stage


def left(kubectl: Kubectl) -> list[str]:
    """What is there of suites' Jobs."""
    return kubectl("get", "job,configmap,pod", "--selector", OURS, "--output=name").split()


def files(folder: Path) -> set[str]:
    """The files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def waiting_pod(world: ClusterWorld, job: "subprocess.Popen[str]") -> str:
    """The pod whose suite has begun the test that waits."""

    def look() -> str | None:
        assert job.poll() is None, job.communicate()[0]
        shown = list((world.root / "reports").glob("*-verify/smoke/evidence.jsonl"))
        if not shown or '"started"' not in shown[0].read_text():
            return None
        pods = [pod["metadata"] for pod in world.kubectl.get("pods", "--selector", OURS)["items"]]
        return next((str(pod["name"]) for pod in pods if "deletionTimestamp" not in pod), None)

    return wait_until(look, "the suite runs in a pod", 60)


def test_a_release_is_confirmed_by_suites_that_run_in_the_cluster(world: ClusterWorld) -> None:
    """A second release: candidate and users are reached by their Services, and nothing of the Jobs is left."""
    world.version("1.1.0")
    record = world.release("1.1.0")
    assert (record.outcome, record.exit_status) == (Outcome.CONFIRMED, ExitStatus.CONFIRMED), record.objections
    (smoke,) = [result for result in record.suites if result.suite == "smoke"]
    assert (smoke.verdict, smoke.passed) == ("passed", 2)
    asked = read(world.root / "reports" / record.id / "smoke" / "evidence.jsonl").ips
    assert set(asked) == {world.kubectl.get("service", f"tiny-{record.candidate}")["spec"]["clusterIP"]}
    assert wait_until(lambda: True if not left(world.kubectl) else None, "the Jobs are gone")


def test_the_files_are_those_of_a_suite_that_runs_here(world: ClusterWorld) -> None:
    """With either runner, the folder of a suite has the same files, and the evidence the same tests."""
    shown = {}
    for runner in ("local", "job"):
        done = world.command("verify", "--runner", runner, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        folder = Path(json.loads(done.stdout)["records"]) / "smoke"
        lines = [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]
        shown[runner] = files(folder), [(line["kind"], line.get("id"), line.get("outcome")) for line in lines]
    assert shown["job"] == shown["local"]
    assert {"evidence.jsonl", "junit.xml", "output.log"} <= shown["job"][0]


def test_a_suite_that_fails_in_the_cluster_holds_the_release(world: ClusterWorld) -> None:
    """The failure is shown as it is with a suite that runs here, with the exchange; users stay."""
    before = world.live()
    world.version("2.0.0", "wrong-status")
    record = world.release("2.0.0")
    assert (record.outcome, record.exit_status) == (Outcome.HELD, ExitStatus.HELD_FAILED)
    assert any("/ answered 500" in objection.text for objection in record.objections), record.objections
    evidence = (world.root / "reports" / record.id / "smoke" / "evidence.jsonl").read_text()
    assert f".{world.namespace}.svc:8080/" in evidence
    assert world.live() == before


@pytest.mark.parametrize(
    ("grace", "said"),
    [
        pytest.param("30", "the pod was told to end", id="evicted"),
        pytest.param("0", "pod", id="gone-at-once"),
    ],
)
def test_a_pod_that_was_deleted_is_no_pass(world: ClusterWorld, grace: str, said: str) -> None:
    """Its evidence has no closing line: not valid, with what became of the pod."""
    world.suite("smoke", HOLDS)
    job = world.start("verify")
    pod = waiting_pod(world, job)
    force = ("--force",) if grace == "0" else ()
    world.kubectl("delete", "pod", pod, f"--grace-period={grace}", "--wait=false", *force)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == ExitStatus.HELD_NOT_VALID, output
    assert "it was ended: " in output
    assert said in output


def test_a_pod_that_takes_too_much_memory_is_no_pass(world: ClusterWorld) -> None:
    """The kernel kills it: not valid, and the reason is named."""
    world.suite("smoke", GREEDY)
    done = world.command("verify")
    assert done.returncode == ExitStatus.HELD_NOT_VALID, done.stdout
    assert "OOMKilled" in done.stdout or "killed by signal 9" in done.stdout


def test_the_pods_account_reads_and_does_nothing_else(world: ClusterWorld) -> None:
    """With the token that lies in the pod, every write, every Secret and every other namespace is refused."""
    world.suite("smoke", TOKEN, "test_account.py")
    done = world.command("verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_recover_removes_the_jobs_of_a_release_that_was_killed(world: ClusterWorld) -> None:
    """kill -9 while a suite runs: its Job goes on, until recover removes it and holds the release."""
    world.version("1.2.0")
    world.suite("smoke", HOLDS)
    release = world.start("release", "1.2.0")

    def verifying() -> bool | None:
        assert release.poll() is None, release.communicate()[0]
        found = list((world.root / "reports").glob("*-1.2.0/smoke/evidence.jsonl"))
        return True if found and '"started"' in found[0].read_text() else None

    try:
        wait_until(verifying, "its suite runs", 90)
    finally:
        release.kill()
        release.communicate()
    assert [one for one in left(world.kubectl) if one.startswith("job")]
    world.suite("smoke", SMOKE)

    def recovered() -> str | None:
        done = world.command("recover")
        return done.stdout + done.stderr if done.returncode != ExitStatus.REFUSED else None

    said = wait_until(recovered, "the lock of the dead is over", 60)
    assert "users were never moved" in said, said
    assert wait_until(lambda: True if not left(world.kubectl) else None, "the Jobs are gone")


def test_an_image_that_is_not_there_stops_a_release_before_it_begins(make_world: Maker) -> None:
    """Suites are collected in the cluster too, so that they can run there is known before anything is touched."""
    world = make_world(preview=False)
    text = (world.root / "environments.toml").read_text().replace(SUITES, "localhost/nothing")
    (world.root / "environments.toml").write_text(text)
    world.version("1.0.0")
    record = world.release("1.0.0")
    assert (record.outcome, record.exit_status) == (Outcome.REFUSED, ExitStatus.REFUSED)
    assert "its pod cannot start: its image cannot be pulled" in record.objections[0].text, record.objections
    assert world.live() is None


def test_a_color_without_a_service_is_reached_at_its_pods(make_world: Maker) -> None:
    """Where no Service selects exactly a color, a suite is told a pod's address."""
    world = make_world(preview=False)
    world.version("1.0.0")
    record = world.release("1.0.0")
    assert (record.suites[0].suite, record.suites[0].verdict) == ("smoke", "passed"), record.objections


def test_the_pod_is_one_that_a_restricted_namespace_takes(make_namespace: NamespaceMaker) -> None:
    """Pod security ``restricted`` refuses nothing of it."""
    kubectl = make_namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    kubectl("create", "serviceaccount", "verdigris-verify")
    job = suite_job.job(JobSettings(image="localhost/any:1"), "smoke", "verify", ["work"], {"KEY": "value"}, 60)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "smoke"}, "spec": job["spec"]["template"]["spec"]}
    kubectl("create", "--filename=-", "--dry-run=server", stdin=json.dumps(pod))
