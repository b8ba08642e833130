"""What must run once, such as a scheduler: it belongs to the live color, and moves with the switch and the rollback.

Each is a Deployment of a color with the annotation ``verdigris.dev/once``. A candidate's has no pods. When the users
have moved, the old color's are stopped, and only when they are gone the new color's are started: none for a moment
rather than two.
"""

import time
from collections.abc import Callable

from verdigris.errors import NotReady, PlatformError
from verdigris.model import Color
from verdigris.platform.kubernetes.annotations import GENERATION, labels, stamping
from verdigris.platform.kubernetes.api import Cluster, Stale
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.pods import is_over, judged, observed
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings.kubernetes import KubernetesSettings

PAUSE = 0.1
TRIES = 20
"""How often one is applied whose status moves at the same moment."""
GRACE = 30
"""Seconds that a pod has to end where its manifest names none, as Kubernetes has it."""


class Workers:
    """What must run once in one environment.

    Args:
        settings: say how long one may take to start.
        judge: raises :class:`verdigris.errors.Conflict` where a newer generation acts on an object.
    """

    def __init__(
        self, cluster: Cluster, manifests: Manifests, settings: KubernetesSettings, judge: Callable[[Object], None]
    ) -> None:
        self.cluster = cluster
        self.manifests = manifests
        self.settings = settings
        self.judge = judge
        self._starting: dict[str, float] = {}
        """Until when each is waited for that was started here."""
        self._leaving: dict[str, float] = {}
        """Until when the pods of each are waited for."""

    def stamp(self, place: Color, generation: int) -> None:
        """Keep older generations out of a color's."""
        for one in self.manifests.workers[place]:
            self.cluster.change("Deployment", one["metadata"]["name"], stamping(generation))

    def bring(self, rendered: list[Object], place: Color, generation: int) -> None:
        """Bring a release's into its color, without pods; where users are on it already, as many as it had."""
        for wanted in rendered:
            wanted["metadata"].setdefault("annotations", {})[GENERATION] = str(generation)
            self._apply(wanted, place)
            if wanted["spec"]["replicas"]:
                self._await(wanted)

    def follow(self, live: Color | None) -> bool:
        """Stop those of any other color; where they are gone, start the live color's. Whether they run.

        One that a release does not have is not missed: a color that users go back to may be older than its manifest.

        Raises:
            PlatformError: where one does not go away, its grace period long over.
            NotReady: where one that was started here does not run.
        """
        others = [one for place, workers in self.manifests.workers.items() if place is not live for one in workers]
        for one in others:
            self._scale(one, 0)
        wanted = self.manifests.workers[live] if live is not None else []
        stopped = [one for one in wanted if self._stands_stopped(one)]
        if wanted and any(self._still_there(one) for one in (*others, *stopped)):
            return False
        for one in stopped:
            self._scale(one, int(one["spec"].get("replicas", 1)))
            self._await(one)
        return all(self._runs(one) for one in wanted)

    def settle(self, live: Color | None) -> None:
        """The same, to its end."""
        while not self.follow(live):
            time.sleep(PAUSE)

    def present(self, place: Color) -> list[Object]:
        """A color's, as far as they are there."""
        found = (self.cluster.get("Deployment", one["metadata"]["name"]) for one in self.manifests.workers[place])
        return [one for one in found if one is not None]

    def take_away(self, place: Color) -> None:
        """Delete a color's."""
        for one in self.manifests.workers[place]:
            self.cluster.remove("Deployment", one["metadata"]["name"], self.judge)

    def _apply(self, wanted: Object, place: Color) -> None:
        for _ in range(TRIES):
            present = self.cluster.get("Deployment", wanted["metadata"]["name"])
            if present is not None:
                self.judge(present)
            size = present["spec"].get("replicas", 1) if present is not None and place is Color.LIVE else 0
            wanted["spec"]["replicas"] = size
            try:
                self.cluster.apply(wanted, present)
            except Stale:
                continue  # its status moves while pods come and go; judged anew
            return
        raise PlatformError(f"{wanted['metadata']['name']} is being changed all the time; it was not applied")

    def _scale(self, worker: Object, size: int) -> None:
        def decide(present: Object | None) -> Object | None:
            if present is None:
                return None
            self.judge(present)
            if present["spec"].get("replicas", 1) == size:
                return None
            return {"spec": {"replicas": size}}

        self.cluster.change("Deployment", worker["metadata"]["name"], decide)

    def _stands_stopped(self, worker: Object) -> bool:
        present = self.cluster.get("Deployment", worker["metadata"]["name"])
        return present is not None and not present["spec"].get("replicas", 1)

    def _still_there(self, worker: Object) -> bool:
        """Whether it has pods, or may get one yet; how long that is waited for counts from the first look."""
        name, spec = worker["metadata"]["name"], worker["spec"]
        present = self.cluster.get("Deployment", name)
        pods = self.cluster.list("Pod", labels(spec["selector"]["matchLabels"]))
        acted_on = present is None or (observed(present) and not present["status"].get("replicas"))
        if acted_on and all(is_over(pod) for pod in pods):
            self._leaving.pop(name, None)
            return False
        grace = spec["template"]["spec"].get("terminationGracePeriodSeconds", GRACE)
        limit = self._leaving.setdefault(name, time.monotonic() + grace + self.cluster.patience)
        if time.monotonic() > limit:
            raise PlatformError(f"the pods of {name} do not go away; two must not run at once")
        return True

    def _await(self, worker: Object) -> None:
        self._starting[worker["metadata"]["name"]] = time.monotonic() + self.settings.ready_seconds

    def _runs(self, worker: Object) -> bool:
        """Whether one that was started here has its pods; one that was there before is left to whoever watches it."""
        name = worker["metadata"]["name"]
        present = self.cluster.get("Deployment", name) if name in self._starting else None
        if present is None:
            return True
        pods = self.cluster.list("Pod", labels(worker["spec"]["selector"]["matchLabels"]))
        seen = judged(present, pods, (), 0.0, self.settings.unschedulable_seconds)
        if seen.ready:
            del self._starting[name]
            return True
        late = time.monotonic() > self._starting[name]
        if seen.never or late:
            del self._starting[name]
            text = seen.never or f"it was not ready within {self.settings.ready_seconds:g} s: {seen.waiting}"
            raise NotReady(f"{name}, which must run once, does not run: {text}")
        return False
