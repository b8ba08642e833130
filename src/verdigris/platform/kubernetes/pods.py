"""What the pods of a color say: ready, not yet, or never, and why. Pure: objects in, words out."""

from collections.abc import Sequence

from verdigris.model import Value
from verdigris.platform.kubernetes.transport import Object

RELEASE_LABEL = "verdigris.dev/release"
"""The label of a pod that says which release it was started for."""
TEMPLATE_LABEL = "pod-template-hash"
"""The Deployment controller's own label of the template that a pod was made from."""
NEVER_WAITING = {
    "ImagePullBackOff": "its image cannot be pulled",
    "ErrImageNeverPull": "its image is not on the node",
    "InvalidImageName": "its image has no valid name",
    "CreateContainerConfigError": "its configuration cannot be given to it",
    "CreateContainerError": "its container cannot be created",
    "RunContainerError": "its container cannot be started",
    "CrashLoopBackOff": "it ends again and again",
}
"""Reasons for which a container waits that time does not heal."""
PASSING = "failed to sync"
"""What a node says whose cache has not seen a new ConfigMap or Secret yet; it tries again by itself."""
RESTARTS = 2
"""Restarts during a start that count as ending again and again."""


class Judged(Value):
    """What was seen of a color's pods at one moment."""

    ready: bool = False
    never: str = ""
    """Why it cannot become ready, or nothing."""
    pod: str = ""
    """The pod that the reason is about."""
    waiting: str = ""
    """What it waits for, for a message at the deadline."""


def current(pods: Sequence[Object], label: str) -> list[Object]:
    """The pods of a release that are not on their way out."""
    return [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and (pod["metadata"].get("labels") or {}).get(RELEASE_LABEL, "") == label
        and not is_over(pod)
    ]


def judged(
    deployment: Object, pods: Sequence[Object], events: Sequence[Object], unscheduled: float, limit: float
) -> Judged:
    """Whether a Deployment's rollout is complete, still on its way, or cannot be completed.

    Args:
        pods: of its selector, old ones and those on their way out included.
        events: of the namespace's pods.
        unscheduled: seconds since a pod was first seen without a node.
        limit: seconds for which that is borne.
    """
    label = deployment["spec"]["template"]["metadata"]["labels"].get(RELEASE_LABEL, "")
    mine = current(pods, label)
    for pod in mine:
        if why := never(pod, unscheduled, limit):
            return Judged(never=why, pod=pod["metadata"]["name"])
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Judged(never=f"its pods cannot be made: {condition.get('message', '')}")
        if condition.get("reason") == "ProgressDeadlineExceeded" and observed(deployment):
            return Judged(never=f"the rollout does not get on: {condition.get('message', '')}")
    wanted = deployment["spec"].get("replicas", 1)
    ready = [pod for pod in mine if is_ready(pod)]
    others = [pod for pod in pods if pod not in mine and not pod["metadata"].get("deletionTimestamp")]
    if observed(deployment) and len(ready) == len(mine) == wanted and not others:
        return Judged(ready=True)
    said = _waiting(mine, wanted, len(others), events)
    unseen = "" if observed(deployment) else "; the cluster's controller has not acted on the Deployment yet"
    return Judged(waiting=f"{said}{unseen}")


def observed(deployment: Object) -> bool:
    """Whether the cluster's controller has acted on the Deployment as it is now."""
    return bool(deployment.get("status", {}).get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def is_over(pod: Object) -> bool:
    """Whether nothing of a pod runs any more, though it is still listed: it was evicted, or ended by itself."""
    return pod["status"].get("phase") in ("Failed", "Succeeded")


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready, as its endpoints see it."""
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def never(pod: Object, unscheduled: float, limit: float) -> str:
    """Why a pod cannot become ready, or nothing."""
    for status in (*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in NEVER_WAITING and PASSING not in waiting.get("message", ""):
            said = f": {waiting['message']}" if waiting.get("message") else ""
            return f"{NEVER_WAITING[waiting['reason']]} ({waiting['reason']}){ended(status)}{said}"
        if status.get("restartCount", 0) >= RESTARTS:
            return f"it ends again and again ({status['restartCount']} restarts){ended(status)}"
    for condition in pod["status"].get("conditions", ()):
        if condition.get("reason") == "Unschedulable" and condition["status"] == "False" and unscheduled >= limit:
            return f"no node takes it: {condition.get('message', '')}"
    return ""


def unschedulable(pods: Sequence[Object]) -> bool:
    """Whether a pod finds no node at present."""
    return any(
        condition.get("reason") == "Unschedulable" and condition["status"] == "False"
        for pod in pods
        for condition in pod["status"].get("conditions", ())
    )


def ended(status: Object) -> str:
    """How a container ended last, in words."""
    for state in (status.get("state", {}), status.get("lastState", {})):
        if over := state.get("terminated"):
            reason = f" {over['reason']}" if over.get("reason") not in (None, "Error", "Completed") else ""
            return f", last with exit code {over.get('exitCode')}{reason}"
    return ""


def _waiting(mine: Sequence[Object], wanted: int, others: int, events: Sequence[Object]) -> str:
    ready = sum(map(is_ready, mine))
    said = f"{ready} of {wanted} pods are ready"
    if others:
        said += f", {others} of another release are still there"
    names = {pod["metadata"]["name"] for pod in mine if not is_ready(pod)}
    warnings = [
        event
        for event in events
        if event.get("type") == "Warning" and event.get("involvedObject", {}).get("name") in names
    ]
    warnings.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    return f"{said}; {warnings[-1].get('message', '').strip()}" if warnings else said


def instance(pods: Sequence[Object], container: str) -> str:
    """What runs, in words that change when it is replaced or restarted, and not when more of the same is added."""
    templates = sorted({(pod["metadata"].get("labels") or {}).get(TEMPLATE_LABEL, "") for pod in pods})
    restarted = [
        status for pod in pods for status in pod["status"].get("containerStatuses", ()) if status.get("restartCount")
    ]
    last = next((said for status in restarted if (said := ended(status))), "")
    runs = f"{'+'.join(sorted(images(pods, container)))} (template {'+'.join(templates)})"
    return f"{runs}, {restarts(pods)} restarts{last}"


def restarts(pods: Sequence[Object]) -> int:
    """How often containers of these pods were restarted."""
    return sum(status.get("restartCount", 0) for pod in pods for status in pod["status"].get("containerStatuses", ()))


def images(pods: Sequence[Object], container: str) -> set[str]:
    """What the container of that name really runs, by the node's word."""
    return {
        str(status.get("imageID", ""))
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if status["name"] == container and status.get("imageID")
    }


def broken(pod: Object) -> str:
    """Why a pod that ran ends again and again, or nothing."""
    for status in pod["status"].get("containerStatuses", ()):
        waiting = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            return (
                f"pod {pod['metadata']['name']} ends again and again ({status['restartCount']} restarts){ended(status)}"
            )
    return ""
