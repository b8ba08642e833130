"""The Deployments of the colors: what stands where, how it got there, and whether it can serve.

What is known of a color stands on its Deployment, in annotations, so that every machine sees the same. The rendered
Deployment of each release is kept in an immutable ConfigMap, so that a color which was deleted comes back as it was.
"""

import time

from verdigris.errors import Conflict, NotReady, PlatformError
from verdigris.model import Color, Deployment, Release, now
from verdigris.platform.base import Health
from verdigris.platform.kubernetes import pods as pods_module
from verdigris.platform.kubernetes.annotations import (
    GENERATION,
    STANDING,
    TEMPLATE,
    annotations,
    intact,
    labels,
    release_label,
    require_present,
    stamping,
    standing,
    template_digest,
)
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.image import running_digest
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.pods import RELEASE_LABEL, current, is_ready
from verdigris.platform.kubernetes.rendering import Renderings
from verdigris.platform.kubernetes.rollout import POLL, Rollout
from verdigris.platform.kubernetes.singletons import Workers
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings.kubernetes import KubernetesSettings

FRESH_SECONDS = 0.4
"""For how long what was seen of pods counts as the present; a watch asks more often than that."""


class Colors:
    """The colors of one environment in its cluster."""

    def __init__(self, cluster: Cluster, manifests: Manifests, settings: KubernetesSettings) -> None:
        self.cluster = cluster
        self.manifests = manifests
        self.settings = settings
        self.renderings = Renderings(cluster, manifests)
        self.workers = Workers(cluster, manifests, settings, self._require_present)
        self.generation: int | None = None
        """The generation this process acts with, where it took one."""
        self._seen: dict[Color, tuple[float, list[Object]]] = {}

    def name(self, place: Color) -> str:
        """The name of a color's Deployment."""
        return str(self.manifests.deployments[place]["metadata"]["name"])

    def deployment(self, place: Color) -> Object | None:
        """A color's Deployment as the cluster has it."""
        return self.cluster.get("Deployment", self.name(place))

    def pods(self, place: Color) -> list[Object]:
        """Every pod of a color, of an old release and on its way out included."""
        return self.cluster.list("Pod", labels(self.manifests.deployments[place]["spec"]["selector"]["matchLabels"]))

    def mine(self, place: Color) -> list[Object]:
        """The pods of what stands in a color now, as seen within :data:`FRESH_SECONDS`."""
        at, seen = self._seen.get(place, (0.0, []))
        if time.monotonic() - at > FRESH_SECONDS:
            found = self.deployment(place)
            label = found["spec"]["template"]["metadata"]["labels"].get(RELEASE_LABEL, "") if found else ""
            seen = current(self.pods(place), label) if found else []
            self._seen[place] = (time.monotonic(), seen)
        return seen

    # --- what stands there -------------------------------------------------------------------------------------

    def standing(self, place: Color) -> Deployment | None:
        """What stands in a color; ``None`` where nothing does that a release put there."""
        return standing(self.deployment(place), self.container(place)["name"])

    def container(self, place: Color) -> Object:
        """The application's container in the manifest of a color: the first."""
        return dict(self.manifests.deployments[place]["spec"]["template"]["spec"]["containers"][0])

    def remember(self, deployment: Deployment) -> None:
        """Write what is known of a deployment onto its Deployment.

        Raises:
            Conflict: where it is gone, or a newer generation acts on it.
        """
        text = deployment.model_dump_json()

        def decide(present: Object | None) -> Object | None:
            if present is None:
                raise Conflict(f"{deployment.color} is gone: somebody deleted its Deployment")
            self._require_present(present)
            if annotations(present).get(STANDING) == text:
                return None
            return {"metadata": {"annotations": {STANDING: text}}}

        self.cluster.change("Deployment", self.name(deployment.color), decide)

    def health(self, place: Color) -> Health:
        """Whether a color can serve: a pod is ready and none ends again and again."""
        mine = self.mine(place)
        ready = [pod for pod in mine if is_ready(pod)]
        broken = next((said for pod in mine if (said := pods_module.broken(pod))), "")
        instance = pods_module.instance(mine, self.container(place)["name"])
        if ready and not broken:
            return Health(running=True, instance=instance)
        return Health(running=False, reason=broken or f"no pod of {len(mine)} is ready")

    # --- a color comes and goes --------------------------------------------------------------------------------

    def stand_up(self, release: Release, place: Color, generation: int, replicas: int) -> Deployment:
        """Bring a release into a color and wait until every pod of it is ready, stays so, and none is of another.

        Raises:
            Conflict: where a newer generation acts on the color.
            NotReady: at once where it cannot become ready, else at the deadline; the message has the reason.
        """
        self._seen.pop(place, None)
        rendered, *workers = self.renderings.of(release, place)
        deployment = Deployment(color=place, release=release, generation=generation, deployed=now())
        applied = self._apply(rendered, deployment, replicas)
        self._await_ready(deployment)
        self.workers.bring(workers, place, generation)  # not before: where it rolls they run at once
        self._stamp_template(deployment, template_digest(applied))
        return deployment

    def scale(self, place: Color, size: int) -> None:
        """Bring a color to at least ``size`` ready pods.

        Raises:
            NotReady: where they are not ready in time.
        """

        def decide(present: Object | None) -> Object | None:
            if present is None:
                raise Conflict(f"{place} is gone: somebody deleted its Deployment")
            self._require_present(present)
            return {"spec": {"replicas": size}} if present["spec"].get("replicas", 1) < size else None

        self.cluster.change("Deployment", self.name(place), decide)
        deadline = time.monotonic() + self.settings.ready_seconds
        while (ready := sum(map(is_ready, self.mine(place)))) < size:
            if time.monotonic() > deadline:
                raise NotReady(f"{place} has {ready} ready pods; who has the users has {size}")
            time.sleep(POLL)

    def retire(self, place: Color) -> None:
        """Delete a color's Deployment; its pods drain by themselves. What it was stays in its rendering."""
        self.cluster.remove("Deployment", self.name(place), self._require_present)
        self.workers.take_away(place)
        self._await_gone(place)

    def _await_gone(self, place: Color) -> None:
        """Wait until every pod of a color is on its way out, and with that out of every Service."""
        self._seen.pop(place, None)
        deadline = time.monotonic() + self.cluster.patience
        while any(not pod["metadata"].get("deletionTimestamp") for pod in self.pods(place)):
            if time.monotonic() > deadline:
                raise PlatformError(f"the pods of {place} do not go away; look at them with kubectl")
            time.sleep(POLL / 4)

    def _apply(self, wanted: Object, deployment: Deployment, replicas: int) -> Object:
        """Server-side apply of the whole Deployment; what a person edited there is swept away first."""
        place, text = deployment.color, deployment.model_dump_json()
        wanted["metadata"].setdefault("annotations", {}).update(
            {STANDING: text, GENERATION: str(deployment.generation)}
        )
        wanted["spec"]["replicas"] = replicas
        for _ in range(20):
            present = self.deployment(place)
            if present is not None:
                self._require_present(present, deployment.generation)
            try:
                if present is not None and not intact(present):
                    # apply would leave what a person added there; users' pods are replaced, a candidate's begun anew
                    if place is Color.LIVE:
                        return self.cluster.replace(wanted, present)
                    self.cluster.delete("Deployment", self.name(place), present["metadata"]["resourceVersion"])
                    present = None
                return self.cluster.apply(wanted, present)
            except Conflict:
                continue  # its status moves while pods come and go; judged anew
        raise PlatformError(f"the Deployment of {place} is being changed all the time; it was not applied")

    def _stamp_template(self, deployment: Deployment, digest: str) -> None:
        """Remember the template as it was released, so that an edit of it is seen."""
        place, value = deployment.color, f"{release_label(deployment.release)}:{digest}"

        def decide(present: Object | None) -> Object | None:
            if present is None or template_digest(present) != digest:
                raise Conflict(f"the Deployment of {place} was changed by somebody while it started")
            self._require_present(present)
            if annotations(present).get(TEMPLATE) == value:
                return None
            return {"metadata": {"annotations": {TEMPLATE: value}}}

        self.cluster.change("Deployment", self.name(place), decide)

    def _await_ready(self, deployment: Deployment) -> None:
        place, what = deployment.color, f"{deployment.release.version} in {deployment.color}"
        Rollout(
            self.cluster, self.settings, what, lambda: self.deployment(place), lambda: self.pods(place)
        ).await_ready()
        self._require_digest(deployment)

    def _require_digest(self, deployment: Deployment) -> None:
        """What the nodes really run must be the digest that is released (fault 40)."""
        self._seen.pop(deployment.color, None)
        digest = deployment.release.artifact.partition("@")[2]
        running = pods_module.images(self.mine(deployment.color), self.container(deployment.color)["name"])
        wrong = [one for one in running if not running_digest(one, digest)]
        if wrong or not running:
            raise NotReady(f"{deployment.color} runs {', '.join(wrong) or 'no image'}, released is {digest}")

    def _require_present(self, present: Object, generation: int | None = None) -> None:
        require_present(present, generation if generation is not None else self.generation)

    def stamp(self, generation: int, places: tuple[Color, ...]) -> None:
        """Keep older generations out of the colors."""
        self.generation = generation
        for place in places:
            self.cluster.change("Deployment", self.name(place), stamping(generation))
            self.workers.stamp(place, generation)
