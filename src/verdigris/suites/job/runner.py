"""A suite as a Job of the cluster, for an environment whose colors nobody outside can reach.

The pod has the account that verifies and no other credential. The project comes to it in a ConfigMap, and what it wrote
comes back over its log. A pod that was killed, evicted or ran out of memory ended from outside: that is never a pass.
"""

import base64
import contextlib
import math
import re
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from verdigris import __version__
from verdigris.errors import PlatformError, SettingsError, UsageError, VerdigrisError
from verdigris.model import Color
from verdigris.platform import Address, Platform
from verdigris.platform.kubernetes import KubernetesPlatform, secrets, suite_job
from verdigris.platform.kubernetes import pods as pods_module
from verdigris.platform.kubernetes.addresses import port_of
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.suite_job import BUNDLE, FILE, WORK
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings import SecretReference, Settings
from verdigris.suites.job.bundle import bundle
from verdigris.suites.job.log_frames import MARK, Frame, Reader
from verdigris.suites.job.pod_agent import PROJECT, RECORDS, VARIABLES
from verdigris.suites.runner import OUTPUT, Place, Task

LEFT = "left-in-the-pod.txt"
POLL = 0.3
"""Seconds between two looks at a log."""
LOOK = 1.0
"""Seconds between two looks at a pod."""
_OF_PYTHON = ("PYTEST", "PYTHON", "LD_")
"""How variables begin that a Secret does not set for a suite: they change what runs, not what it knows."""
SPARE = 60
"""Seconds that a Job may take beside its start and its suite, where nobody ends it."""


class JobRunner:
    """Runs suites as Jobs; implements :class:`verdigris.suites.runner.Runner`.

    Args:
        holder: whose Jobs they are; a release's are removed by whoever recovers it.

    Raises:
        UsageError: where the environment is not on the platform ``kubernetes``.
    """

    def __init__(self, settings: Settings, environment: str, platform: Platform, holder: str) -> None:
        if not isinstance(platform, KubernetesPlatform) or platform.kubernetes.job is None:
            raise UsageError(f"the suites of {environment} cannot run as a Job: it names no kubernetes.job")
        self.settings = settings
        self.environment = environment
        self.platform = platform
        self.job = platform.kubernetes.job
        self.holder = holder

    @cached_property
    def _bundle(self) -> bytes:
        """The project; packed when the first suite runs, so that no rollback waits for it."""
        return bundle(self.settings, self.environment, self.job.files)

    def address(self, target: str) -> Address:
        """The Service of ``live``, or of exactly that color; without one, a pod of the color."""
        found = suite_job.service_address(self.platform.manifests, self.platform.namespace, target)
        if found is not None:
            return found
        color = Color(target)
        ready = [pod for pod in self.platform.colors.mine(color) if pods_module.is_ready(pod)]
        if not ready:
            raise PlatformError(f"no pod of {color} is ready")
        port = port_of(self.platform.colors.container(color))
        return Address(url=f"http://{ready[0]['status']['podIP']}:{port}")

    def secrets(self) -> frozenset[str]:
        """The values of the Secret that the suites are given.

        Raises:
            SettingsError: where there is no such Secret.
        """
        return secrets.known(self._secret) if self._secret else frozenset()

    @cached_property
    def _secret(self) -> Object | None:
        if self.job.secret is None:
            return None
        found = self.platform.cluster.get("Secret", self.job.secret)
        if found is None:
            raise SettingsError(f"kubernetes.job.secret: {self.platform.namespace} has no Secret {self.job.secret!r}")
        return found

    def _variables(self, env: Mapping[str, str]) -> dict[str, str]:
        database = self.settings.environment(self.environment).database
        url = database.url if database is not None else None
        named = {url.from_env} if isinstance(url, SecretReference) and url.from_env else set()
        return variables(env, self._secret, named)

    @contextlib.contextmanager
    def start(self, task: Task) -> "Iterator[JobRun]":
        """Create the Job; it and its ConfigMap are gone at the end of the block."""
        cluster = self.platform.cluster
        name = f"verdigris-{re.sub('[^a-z0-9]+', '-', task.suite.lower())[:30].strip('-')}-{uuid.uuid4().hex[:8]}"
        run = JobRun(cluster, name, task.folder, self.job.start_seconds, self.platform.kubernetes.unschedulable_seconds)
        place = Place(python="python", root=Path(WORK) / "run" / PROJECT, folder=Path(WORK) / "run" / RECORDS)
        args = [f"{WORK}/run", f"{BUNDLE}/{FILE}", *task.command(place)]
        seconds = math.ceil(self.job.start_seconds + task.seconds + SPARE)
        metadata = {"name": name, "labels": suite_job.labels(self.holder)}
        packed = {FILE: base64.b64encode(self._bundle).decode()}
        try:
            cluster.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": packed, "immutable": True}
            )
            made = cluster.create(suite_job.job(self.job, name, self.holder, args, self._variables(task.env), seconds))
            cluster.change("ConfigMap", name, suite_job.owned_by(made))
            yield run
        finally:
            run.end()


class JobRun:
    """A Job under way; implements :class:`verdigris.suites.runner.Running`.

    Args:
        folder: where its files are brought.
        start_seconds: how long its pod may take to begin.
        unschedulable_seconds: how long of that it may find no node.
    """

    def __init__(
        self, cluster: Cluster, name: str, folder: Path, start_seconds: float, unschedulable_seconds: float
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.folder = folder
        self.limits = start_seconds, unschedulable_seconds
        self.created = time.monotonic()
        self.began: float | None = None
        self.exit_status: int | None = None
        self.ended = ""
        self.pod = ""
        self.reader = Reader()
        self._since = ""
        self._others: deque[str] = deque(maxlen=5)
        """The last lines of its log that were no frames: what Python said where it could not even begin."""
        self._looked = 0.0

    def wait(self, seconds: float) -> bool:
        """Bring what the pod told; whether it is over."""
        time.sleep(max(seconds, POLL))
        try:
            if self.pod:
                self._bring()
            over = self.reader.ended is not None or self._look()
        except (VerdigrisError, OSError) as error:
            self.ended = f"it could not be followed: {error}"
            return True
        if (last := self.reader.ended) is not None:
            self.exit_status, self.ended = last.status, self.ended or last.reason
            self._say_left(last)
            return True
        return over or bool(self.ended)

    def end(self) -> None:
        """Remove the Job, its pod and its ConfigMap; what is still there is named, and ``recover`` removes it."""
        try:
            self.cluster.delete("Job", self.name)
            self.cluster.delete("ConfigMap", self.name)
        except VerdigrisError as error:
            with (self.folder / OUTPUT).open("a", encoding="utf-8") as output:
                output.write(f"\nverdigris: the Job {self.name} is still there: {error}\n")

    # --- what the pod told -------------------------------------------------------------------------------------

    def _bring(self, *, whole: bool = False) -> None:
        """Read the log from where it was last read, a little before it, or from its begin; write what is new."""
        query = {
            "timestamps": "true",
            **({"sinceTime": self._since} if self._since and not (whole or self.reader.trouble) else {}),
        }
        stamped = [line.partition(" ") for line in self.cluster.text(f"pods/{self.pod}/log", **query).splitlines()]
        lines = [text for _, _, text in stamped]
        self._others.extend(text for at, _, text in stamped if at > self._since and not text.startswith(MARK))
        self._since = stamped[-1][0] if stamped else self._since
        for frame in self.reader.take(lines):
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.kind == "begun":
            self.began = time.monotonic()
            if frame.name != __version__:
                self.ended = f"its image has Verdigris {frame.name}, this is {__version__}: build the image again"
        elif frame.kind == "grown":
            path = self.folder / frame.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(frame.content)

    def _say_left(self, last: Frame) -> None:
        if last.left:
            text = "Too large to be brought back over the log:\n" + "".join(f"{name}\n" for name in last.left)
            (self.folder / LEFT).write_text(text, encoding="utf-8")

    # --- what became of the pod --------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Look at the pod now and then; whether it is over, by its own end or from outside."""
        if time.monotonic() - self._looked < LOOK and self.pod:
            return False
        self._looked, passed = time.monotonic(), time.monotonic() - self.created
        pods = self.cluster.list("Pod", f"job-name={self.name}")
        pod = next((one for one in pods if self.pod in ("", one["metadata"]["name"])), None)
        if pod is None:
            self.ended = self._without_pod(passed)
            return bool(self.ended)
        self.pod = pod["metadata"]["name"]
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            self._bring()
            if self.reader.ended is None:
                self._bring(whole=True)
            if self.reader.ended is None:
                said = [_outcome(pod), self.reader.trouble, " ".join(self._others)[-300:]]
                self.ended = "; ".join(filter(None, said))
            return True
        if self.began is None:
            self.ended = self._waiting(pod, passed)
        return bool(self.ended)

    def _without_pod(self, passed: float) -> str:
        if self.pod:
            return f"its pod {self.pod} was deleted"
        job = self.cluster.get("Job", self.name)
        if job is None:
            return "its Job was deleted"
        failed = [one for one in job.get("status", {}).get("conditions", ()) if one["type"] == "Failed"]
        if failed:
            return f"its Job failed: {failed[0].get('reason', '')} {failed[0].get('message', '')}".strip()
        if passed > self.limits[0]:
            return f"no pod of its Job was made within {self.limits[0]:g} s{self._events(self.name)}"
        return ""

    def _waiting(self, pod: Object, passed: float) -> str:
        if said := pods_module.never(pod, passed, self.limits[1]):
            return f"its pod cannot start: {said}"
        if passed > self.limits[0]:
            return f"its pod did not start within {self.limits[0]:g} s{self._events(self.pod)}"
        return ""

    def _events(self, name: str) -> str:
        found = self.cluster.list("Event", fields=f"involvedObject.name={name}")
        said = [event.get("message", "") for event in found if event.get("type") == "Warning"]
        return f": {said[-1]}" if said else ""


def variables(env: Mapping[str, str], secret: Object | None, named: set[str]) -> dict[str, str]:
    """The variables of a run, and among them the names of those that the courier passes on to the suite."""
    known = {key for key in (secret or {}).get("data") or () if not key.startswith(_OF_PYTHON)}
    return {**env, VARIABLES: ",".join(sorted({*env, *named, *known}))}


def _outcome(pod: Object) -> str:
    """How a pod ended that did not say so itself."""
    status = pod["status"]
    said = [word for word in (status.get("reason"), status.get("message")) if word]
    ends = [one.get("state", {}).get("terminated") for one in status.get("containerStatuses", ())]
    said += [f"{over.get('reason', 'ended')}, exit code {over.get('exitCode')}" for over in ends if over]
    return f"its pod ended before it said so ({'; '.join(said) or status.get('phase', '')})"
