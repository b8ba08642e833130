"""What a pod does with a suite, done by a process of this machine: unpack, run, tell everything to the log."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import psutil
import pytest

from verdigris import __version__
from verdigris.cli.chosen import with_runner
from verdigris.errors import SettingsError, UsageError
from verdigris.settings import Settings, load
from verdigris.suites.job import pod_agent
from verdigris.suites.job.bundle import LIMIT, bundle
from verdigris.suites.job.log_frames import Frame, Reader
from verdigris.suites.job.runner import variables

SETTINGS = """
application = "shop"
[environments.local]
platform = "local"
local = { port = 8400, command = ["run"], artifact = "versions/{version}" }
[environments.far]
platform = "kubernetes"
url = "https://shop.example.com"
namespace = "shop"
[environments.far.kubernetes]
manifests = "k8s"
image = "images/{version}.json"
"""
JOB = 'job = { image = "registry.example.com/suites:1" }\n'
WRITES = """
import os, pathlib
records = pathlib.Path(os.environ["VERDIGRIS_EVIDENCE"]).parent
(records / "evidence.jsonl").write_text("first\\nsecond\\n")
(records / "artifacts" / "test-one").mkdir(parents=True)
(records / "artifacts" / "test-one" / "failed.png").write_bytes(bytes(range(256)) * 100)
(records / "empty.txt").touch()
(records / "large.bin").write_bytes(b"x" * 5_000_000)
(records / "elsewhere").symlink_to("/etc/hostname")
print(pathlib.Path("smoke/test_it.py").read_text())
raise SystemExit(3)
"""
WAITS = """
import os, threading
with open(os.environ["VERDIGRIS_EVIDENCE"], "w") as file:
    file.write("begun\\n")
threading.Event().wait(60)
"""


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    """A project with a suite."""
    root = tmp_path / "project"
    (root / "smoke" / "__pycache__").mkdir(parents=True)
    (root / "smoke" / "__pycache__" / "test_it.pyc").write_bytes(b"old")
    (root / "smoke" / "test_it.py").write_text("# the suite\n")
    (root / "conftest.py").write_text("")
    (root / "other.py").write_text("no suite")
    (root / "environments.toml").write_text(SETTINGS)
    return load(root / "environments.toml")


def started(project: Settings, tmp_path: Path, program: str) -> "subprocess.Popen[str]":
    """The courier with a program in place of pytest."""
    packed = tmp_path / "project.tar.gz"
    packed.write_bytes(bundle(project, "far"))
    words = ["-m", "verdigris.suites.job.pod_agent", str(tmp_path / "work"), str(packed), sys.executable, "-c", program]
    env = {**os.environ, "PYTHONPATH": str(Path(pod_agent.__file__).parents[3])}
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, env=env)


def files(frames: list[Frame]) -> dict[str, bytes]:
    """The files that were told."""
    told: dict[str, bytes] = {}
    for frame in frames:
        if frame.kind == "grown":
            told[frame.name] = told.get(frame.name, b"") + frame.content
    return told


def test_everything_that_was_written_is_told(project: Settings, tmp_path: Path) -> None:
    """Files of every kind, whole; what is too large is named, and a link is not followed."""
    output, _ = started(project, tmp_path, WRITES).communicate(timeout=60)
    reader = Reader()
    frames = reader.take(output.splitlines())
    assert frames[0] == Frame(kind="begun", name=__version__)
    assert files(frames) == {
        "evidence.jsonl": b"first\nsecond\n",
        "output.log": b"# the suite\n\n",
        "artifacts/test-one/failed.png": bytes(range(256)) * 100,
        "empty.txt": b"",
    }
    assert reader.ended == Frame(kind="ended", status=3, left=("large.bin",))


def test_a_pod_that_is_told_to_end_says_so(project: Settings, tmp_path: Path) -> None:
    """SIGTERM: the suite is killed, what it wrote is told, and the end is one from outside."""
    running = started(project, tmp_path, WAITS)
    assert running.stdout is not None
    reader = Reader()
    while not files(reader.take([line := running.stdout.readline()])).get("evidence.jsonl"):
        assert line, "the courier ended"
    running.send_signal(signal.SIGTERM)
    reader.take(running.stdout)  # not communicate(): that loses what was read ahead
    running.wait(timeout=30)
    assert reader.ended is not None
    assert reader.ended.reason == "the pod was told to end"


def test_a_suite_that_is_killed_was_ended_from_outside(project: Settings, tmp_path: Path) -> None:
    """As with a suite of this machine, the signal is named."""
    output, _ = started(project, tmp_path, "import os; os.kill(os.getpid(), 9)").communicate(timeout=30)
    reader = Reader()
    reader.take(output.splitlines())
    assert reader.ended is not None
    assert (reader.ended.status, reader.ended.reason) == (-9, "killed by signal 9")


def names(packed: bytes) -> list[str]:
    """The files of a bundle."""
    with tarfile.open(fileobj=BytesIO(packed)) as tar:
        return tar.getnames()


def test_a_bundle_has_what_suites_need_and_nothing_else(project: Settings) -> None:
    """Settings, suites, conftest, and what is named; no compiled files, no other source, twice the same bytes."""
    expected = ["conftest.py", "environments.toml", "smoke/test_it.py"]
    assert names(bundle(project, "far")) == expected
    assert names(bundle(project, "far", ["other.py"])) == [*expected[:2], "other.py", expected[2]]
    assert bundle(project, "far") == bundle(project, "far")


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "/etc/hostname"])
def test_a_file_that_is_not_there_or_outside_is_refused(project: Settings, name: str) -> None:
    """Before anything is touched, with its name."""
    (project.root.parent / "outside.txt").write_text("not yours")
    with pytest.raises(SettingsError, match=name):
        bundle(project, "far", [name])


def test_a_bundle_that_no_configmap_holds_is_refused(project: Settings) -> None:
    """The message has both sizes, and where large files belong."""
    (project.root / "smoke" / "data.bin").write_bytes(os.urandom(LIMIT + 1))
    with pytest.raises(SettingsError, match=r"a Job takes at most 900,000: put what is large into the image"):
        bundle(project, "far")


def test_runner_job_needs_a_cluster_and_an_image(project: Settings) -> None:
    """Both are refused as usage, the second with the line to add."""
    with pytest.raises(UsageError, match="local is on the platform local; only a cluster runs Jobs"):
        with_runner(project, "local", "job")
    with pytest.raises(UsageError, match=r"environments\.far\.kubernetes\.job = "):
        with_runner(project, "far", "job")


def test_the_option_is_stronger_than_the_settings(project: Settings) -> None:
    """--runner job where they say nothing, --runner local where they say job; without it they hold."""
    path = project.path
    path.write_text(SETTINGS + JOB)
    runners = [with_runner(load(path), "far", word).environment("far").kubernetes for word in (None, "job", "local")]
    assert [table.runner for table in runners if table] == ["local", "job", "local"]
    path.write_text(SETTINGS + JOB + 'runner = "job"\n')
    runners = [with_runner(load(path), "far", word).environment("far").kubernetes for word in (None, "job", "local")]
    assert [table.runner for table in runners if table] == ["job", "job", "local"]


def test_a_runner_without_an_image_is_refused(project: Settings) -> None:
    """The settings are read whole: runner = "job" without a table "job" is an error of the file."""
    project.path.write_text(SETTINGS + 'runner = "job"\n')
    with pytest.raises(SettingsError, match='runner = "job" needs a table "job"'):
        load(project.path)


SHOWS = """
import json, os, subprocess, sys
print(json.dumps(dict(os.environ)))
"""
HOSTILE = {
    "PYTEST_ADDOPTS": "--ignore=smoke",
    "PYTEST_PLUGINS": "other",
    "PYTHONOPTIMIZE": "1",
    "PYTHONSTARTUP": "/other.py",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(Path(pod_agent.__file__).parents[3]) + ":/other",
    "COVERAGE_PROCESS_START": "x",
}
WANTED = {"DATABASE_URL": "postgresql://x", "VERDIGRIS_EXPECT": "color=blue", "HOME": "/home"}


def test_the_suite_in_a_pod_gets_the_variables_of_an_allow_list(
    project: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an image or a manifest sets for pytest or Python does not reach it; what the settings name does."""
    for name, value in {**HOSTILE, **WANTED}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(pod_agent.VARIABLES, "DATABASE_URL,VERDIGRIS_EXPECT,NOT_THERE")
    output, _ = started(project, tmp_path, SHOWS).communicate(timeout=60)
    seen = json.loads(files(Reader().take(output.splitlines()))["output.log"])
    assert {name: seen.get(name) for name in WANTED} == WANTED
    assert seen["PYTHONPATH"] == str(Path(pod_agent.__file__).parents[3])
    assert not {name for name in seen if name.startswith(("PYTEST", "COVERAGE"))}
    assert {name for name in seen if name.startswith("PYTHON")} == {"PYTHONPATH"}


def test_a_secret_names_what_a_suite_knows_and_nothing_that_changes_python() -> None:
    """Its keys and the database's variable are passed on, beside what the run has itself."""
    secret = {
        "data": {"DATABASE_URL": "eA==", "PYTEST_ADDOPTS": "eA==", "PYTHONOPTIMIZE": "MQ==", "LD_PRELOAD": "eA=="}
    }
    given = variables({"VERDIGRIS_EXPECT": "color=blue"}, secret, {"SHOP_DB"})
    assert given == {"VERDIGRIS_EXPECT": "color=blue", pod_agent.VARIABLES: "DATABASE_URL,SHOP_DB,VERDIGRIS_EXPECT"}
    assert variables({"A": "b"}, None, set()) == {"A": "b", pod_agent.VARIABLES: "A"}


LEAVES = """
import os, pathlib, subprocess, sys, time
path = pathlib.Path(os.environ["VERDIGRIS_EVIDENCE"])
os.mkfifo(path)
os.mkfifo(path.with_name("junit.xml"))
nap = f"import os, time; open({str(path.with_name('pid'))!r}, 'w').write(str(os.getpid())); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", nap], start_new_session=True)
while not path.with_name("pid").exists() or not path.with_name("pid").read_text():
    time.sleep(0.01)
"""


def test_what_a_suite_in_a_pod_leaves_is_ended_and_no_pipe_is_waited_for(project: Settings, tmp_path: Path) -> None:
    """A process in a session of its own, and a named pipe in the place of the evidence: it ends, and says so."""
    output, _ = started(project, tmp_path, LEAVES).communicate(timeout=60)
    reader = Reader()
    told = files(reader.take(output.splitlines()))
    assert reader.ended == Frame(kind="ended", status=0, left=("evidence.jsonl",))
    assert not psutil.pid_exists(int(told["pid"]))
