"""The Job in which a suite runs: what it is, where it finds its target, and how those of a dead run are removed."""

from collections.abc import Callable, Mapping

from verdigris.model import Color
from verdigris.platform.base import Address
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.configuration import PART
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings.kubernetes import JobSettings

SUITE = "suite"
HOLDER = "verdigris.dev/holder"
"""The label that says whose a Job is; those of a release are removed by whoever recovers it."""
WORK, BUNDLE, FILE = "/verdigris-work", "/verdigris-bundle", "project.tar.gz"
KEPT = 600
"""Seconds that a Job is kept whose starter died and that nobody tidied."""


def labels(holder: str) -> dict[str, str]:
    """The labels of a suite's Job, pod and ConfigMap."""
    return {PART: SUITE, HOLDER: holder, "app.kubernetes.io/managed-by": "verdigris"}


def tidy(cluster: Cluster) -> None:
    """Remove what the suites of a dead release left; others' Jobs end by themselves."""
    for kind in ("Job", "ConfigMap"):
        for left in cluster.list(kind, f"{PART}={SUITE},{HOLDER}=release"):
            cluster.delete(kind, left["metadata"]["name"])


def owned_by(job: Object) -> Callable[[Object | None], Object | None]:
    """A change by which an object goes with its Job."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}

    def decide(present: Object | None) -> Object | None:
        if present is None or present["metadata"].get("ownerReferences"):
            return None
        return {"metadata": {"ownerReferences": [owner]}}

    return decide


def service_address(manifests: Manifests, namespace: str, target: str) -> Address | None:
    """The users' Service of ``live``, or the one that selects exactly a color; ``None`` where there is none."""
    found: Object | None = manifests.service
    if target != "live":
        wanted = manifests.deployments[Color(target)]["spec"]["template"]["metadata"]["labels"]
        found = next((one for one in manifests.of("Service") if _only(one, wanted, target)), None)
    if found is None:
        return None
    port = found["spec"]["ports"][0]["port"]
    return Address(url=f"http://{found['metadata']['name']}.{namespace}.svc" + ("" if port == 80 else f":{port}"))


def _only(service: Object, wanted: Mapping[str, str], color: str) -> bool:
    selector = service["spec"].get("selector") or {}
    return selector.get("color") == color and selector.items() <= wanted.items()


def job(settings: JobSettings, name: str, holder: str, args: list[str], env: Mapping[str, str], seconds: int) -> Object:
    """The Job: one pod, never a second one, that may do what its account may and write to its own folders only.

    Args:
        args: what the courier is given.
        env: the variables of the suite.
        seconds: after which the cluster ends it, whoever is still there to see it.
    """
    metadata = {"name": name, "labels": labels(holder)}
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": settings.account,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings, args, env)],
        "volumes": [
            {"name": "project", "configMap": {"name": name}},
            {"name": "work", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
        ],
    }
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": seconds,
        "ttlSecondsAfterFinished": KEPT,
        "template": {"metadata": {"labels": labels(holder)}, "spec": pod},
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _container(settings: JobSettings, args: list[str], env: Mapping[str, str]) -> Object:
    variables = {"HOME": WORK, "TMPDIR": WORK, **env}
    container: Object = {
        "name": "suite",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "verdigris.suites.job.pod_agent"],
        "args": args,
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [
            {"name": "project", "mountPath": BUNDLE, "readOnly": True},
            {"name": "work", "mountPath": WORK},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - Chromium's, in the pod
        ],
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": settings.memory},
            "limits": {"cpu": settings.cpu_limit, "memory": settings.memory_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if settings.secret is not None:
        container["envFrom"] = [{"secretRef": {"name": settings.secret}}]
    return container
