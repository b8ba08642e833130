"""What runs in the pod of a suite: it unpacks the project, runs the suite, and tells its files to the pod's log.

    python -m verdigris.suites.job.pod_agent FOLDER BUNDLE COMMAND...

The evidence and the output are told as they grow, so that a pod that dies leaves what was known until then; everything
else follows at the end, the smallest first, as far as there is room.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

from verdigris import __version__
from verdigris.suites import parent_watch, plain_files
from verdigris.suites.job import log_frames
from verdigris.suites.job.log_frames import Frame

EVIDENCE = "evidence.jsonl"
OUTPUT = "output.log"
PROJECT, RECORDS = "project", "records"
"""Folders in the pod's work folder."""
ROOM = 4_000_000
"""Bytes of files that are told at most, without the evidence; a node keeps 10 MiB of a log by default."""
EVIDENCE_ROOM = 64 * 1024 * 1024
"""Bytes of evidence that are told at most; a larger file proves nothing."""
POLL = 0.1
VARIABLES = "VERDIGRIS_SUITE_VARIABLES"
"""The variable that names those which the suite is given beside those that are always passed on, with commas."""
_OF_THE_CLUSTER = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


class Courier:
    """Tells what stands in a folder, a frame a line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.told: dict[str, int] = {}
        self.room = ROOM
        self.left: list[str] = []

    def tell(self, frame: Frame) -> None:
        """Write a frame."""
        sys.stdout.write(log_frames.line(self.number, frame) + "\n")
        sys.stdout.flush()
        self.number += 1

    def grow(self, name: str) -> None:
        """Tell what was added to a file since it was last told."""
        path = self.folder / name
        at = self.told.get(name, 0)
        try:
            added = plain_files.read(path, EVIDENCE_ROOM - at if name == EVIDENCE else max(0, self.room), at)
        except FileNotFoundError:
            return
        except OSError:  # too large, or no plain file: a suite may put anything there
            if name not in self.left:
                self.left.append(name)
            return
        if added or name not in self.told:
            self.told[name] = at + len(added)
            self.room -= 0 if name == EVIDENCE else len(added)
            for frame in log_frames.grown(name, added):
                self.tell(frame)

    def rest(self) -> None:
        """Tell every other file."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        for path in sorted(found, key=lambda one: (one.stat().st_size, str(one))):
            self.grow(path.relative_to(self.folder).as_posix())


def unpack(bundle: Path, project: Path) -> None:
    """Write the plain files of the bundle."""
    with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as tar:
        for member in tar:
            content = tar.extractfile(member) if log_frames.harmless(member.name) else None
            if content is not None:
                path = project / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def variables() -> dict[str, str]:
    """What the suite is given: an allow-list, whatever the image, the manifest or the Secret set beside it.

    ``PYTEST_ADDOPTS`` may select tests, ``PYTHONOPTIMIZE`` switches asserts off: neither is a person's decision about a
    release. The harness is found where it is, which in an image may be by ``PYTHONPATH`` only.
    """
    named = os.environ.get(VARIABLES, "").split(",")
    passed = (*parent_watch.PASSED_ON, *_OF_THE_CLUSTER, *named)
    given = {name: os.environ[name] for name in passed if name in os.environ}
    return given | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}


def run(work: Path, bundle: Path, command: list[str]) -> int:
    """Run the command to its end, or to the pod's; its exit status."""
    project, records = work / PROJECT, work / RECORDS
    records.mkdir(parents=True)
    unpack(bundle, project)
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: told_to_end.set())
    parent_watch.adopt()
    courier = Courier(records)
    courier.tell(Frame(kind="begun", name=__version__))
    with (records / OUTPUT).open("wb") as output:
        child = subprocess.Popen(
            command, cwd=project, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**variables(), "VERDIGRIS_EVIDENCE": str(records / EVIDENCE)}, start_new_session=True,
        )  # fmt: skip
    while not told_to_end.is_set():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL)
            break
        courier.grow(EVIDENCE)
        courier.grow(OUTPUT)
    reason = "the pod was told to end" if child.poll() is None else ""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    status = child.wait()
    parent_watch.end_all()
    if status < 0 and not reason:
        reason = f"killed by signal {-status}"
    courier.grow(EVIDENCE)
    courier.grow(OUTPUT)
    courier.rest()
    courier.tell(Frame(kind="ended", status=status, reason=reason, left=tuple(courier.left)))
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
