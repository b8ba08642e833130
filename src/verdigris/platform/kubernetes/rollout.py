"""A Deployment on its way to readiness: waited for, or given up at once where it cannot get there, with the reason."""

import time
from collections.abc import Callable

from verdigris.errors import Conflict, NotReady
from verdigris.platform.kubernetes import pods as pods_module
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.pods import Judged, is_ready, judged
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings.kubernetes import KubernetesSettings

POLL = 0.2
LOG_LINES = 15


class Rollout:
    """One Deployment and its pods.

    Args:
        what: who stands up where, for messages.
        deployment: the Deployment as the cluster has it.
        pods: of its selector, old ones and those on their way out included.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: KubernetesSettings,
        what: str,
        deployment: Callable[[], Object | None],
        pods: Callable[[], list[Object]],
    ) -> None:
        self.cluster = cluster
        self.settings = settings
        self.what = what
        self.deployment = deployment
        self.pods = pods

    def await_ready(self) -> None:
        """Wait until every pod is ready, stays so, and none is of another release.

        Raises:
            Conflict: where the Deployment was deleted meanwhile.
            NotReady: at once where it cannot become ready, else at the deadline; the message has the reason.
        """
        limit = self.settings.unschedulable_seconds
        began, ready_since, homeless = time.monotonic(), 0.0, 0.0
        while True:
            present, passed = time.monotonic(), time.monotonic() - began
            found = self.deployment()
            if found is None:
                raise Conflict(f"the Deployment of {self.what} was deleted by somebody while it started")
            pods = self.pods()
            homeless = (homeless or present) if pods_module.unschedulable(pods) else 0.0
            seen = judged(found, pods, (), present - homeless if homeless else 0.0, limit)
            if seen.never:
                raise NotReady(f"{self.what} cannot become ready ({passed:.1f} s): {self._told(seen)}")
            if not seen.ready:
                ready_since = 0.0
            else:
                ready_since = ready_since or present
                if present - ready_since >= self.settings.stable_seconds:
                    return
            if passed > self.settings.ready_seconds and not seen.ready:  # whoever is ready shows whether it stays so
                seen = judged(found, pods, self.cluster.list("Event"), 0.0, limit)
                raise NotReady(
                    f"{self.what} was not ready within {self.settings.ready_seconds:g} s: {seen.waiting}"
                    + self._last_lines(next((one["metadata"]["name"] for one in pods if not is_ready(one)), ""))
                )
            time.sleep(POLL)

    def _told(self, seen: Judged) -> str:
        return f"pod {seen.pod}: {seen.never}{self._last_lines(seen.pod)}" if seen.pod else seen.never

    def _last_lines(self, pod: str) -> str:
        """The end of a pod's log, of the container before where it was restarted."""
        if not pod:
            return ""
        query = {"tailLines": LOG_LINES}
        said = self.cluster.text(f"pods/{pod}/log", **query, previous="true") or self.cluster.text(
            f"pods/{pod}/log", **query
        )
        return f"; it logged last:\n{said.strip()}" if said.strip() else ""
