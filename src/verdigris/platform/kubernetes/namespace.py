"""What stands around the Deployments of an environment: its namespace, roles, autoscalers."""

import re
from collections.abc import Callable, Sequence

from verdigris.errors import PlatformError, Refused
from verdigris.model import Color
from verdigris.platform.kubernetes.annotations import annotations, require_present, stamping
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.colors import Colors
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings import SecretReference, Settings

ENVIRONMENT_LABEL = "verdigris.dev/environment"
"""The label by which a namespace says which environment it is."""
HELD = "verdigris.dev/held-minimum"
"""The annotation of an autoscaler whose minimum a release raised."""
NEEDED = (
    ("apps", "deployments", ("get", "create", "patch", "delete")),
    ("", "services", ("get", "patch")),
    ("", "configmaps", ("get", "list", "create", "patch", "delete")),
    ("", "secrets", ("get", "list", "create", "delete")),
    ("", "pods", ("list",)),
    ("", "pods/log", ("get",)),
    ("", "pods/portforward", ("get",)),
    ("", "events", ("list",)),
    ("batch", "jobs", ("get", "create", "delete")),
    ("coordination.k8s.io", "leases", ("get", "create", "patch")),
    ("autoscaling", "horizontalpodautoscalers", ("get", "patch")),
)
"""What the account that releases must be allowed in the namespace."""
UNCOUNTED = 1
"""Open requests that a pod counts for which does not say how many it has."""


class Environs:
    """The namespace of one environment."""

    def __init__(self, cluster: Cluster, settings: Settings, name: str) -> None:
        chosen = settings.environment(name)
        if chosen.kubernetes is None:
            raise PlatformError(f"environment {name!r} is not on kubernetes")
        self.cluster = cluster
        self.settings = settings
        self.name = name
        self.kubernetes = chosen.kubernetes
        self.generation: int | None = None
        """The generation this process acts with, where it took one."""

    # --- whether it is the right one ---------------------------------------------------------------------------

    def require_right(self) -> None:
        """Refuse another cluster than the settings', and a namespace that is not this environment's."""
        wanted = self.kubernetes.cluster
        if isinstance(wanted, SecretReference):
            wanted = wanted.read(self.settings.root)
        if wanted is not None:
            uid, _ = self.cluster.namespace_facts("kube-system")
            if uid != wanted:
                raise Refused(
                    f"this is another cluster: its UID is {uid}, {self.name} is on {wanted} "
                    "(kubernetes.cluster in the settings); is the context of the kubeconfig right?"
                )
        namespace = self.cluster.namespace
        _, labels = self.cluster.namespace_facts(namespace)
        if labels.get(ENVIRONMENT_LABEL) != self.name:
            raise Refused(
                f"the namespace {namespace} does not say that it is {self.name}: its label {ENVIRONMENT_LABEL} is "
                f"{labels.get(ENVIRONMENT_LABEL)!r}; where it is the right one: "
                f"kubectl label namespace {namespace} {ENVIRONMENT_LABEL}={self.name}"
            )

    def require_permissions(self) -> None:
        """Refuse now what the API server would refuse in the middle of a release (fault 12)."""
        missing = [
            f"{verb} {resource}"
            for group, resource, verbs in NEEDED
            for verb in verbs
            if not self.cluster.may(group, resource, verb)
        ]
        if missing:
            raise Refused(
                f"this account may not release to {self.cluster.namespace}; it lacks {', '.join(missing)}: see k8s/rbac"
            )

    def problems(self, manifests: Manifests) -> list[str]:
        """What a release needs around it and is not there."""
        kinds = [("Service", manifests.service["metadata"]["name"])]
        kinds += [("Ingress", one["metadata"]["name"]) for one in manifests.of("Ingress")]
        return [
            f"there is no {kind} {name}: run 'verdigris up'" for kind, name in kinds if not self.cluster.get(kind, name)
        ]

    # --- how large a color is ----------------------------------------------------------------------------------

    def size(self, manifests: Manifests, colors: Colors, place: Color, live: Color | None) -> int:
        """Pods for a release into a color: as many as who has the users, at least what the files say."""
        least = int(manifests.deployments[place]["spec"].get("replicas", 1))
        present = colors.deployment(live) if live is not None else None
        return max(least, int(present["spec"].get("replicas", 1))) if present else least

    def stamp(self, manifests: Manifests, generation: int, places: Sequence[Color]) -> None:
        """Keep older generations out of the colors' autoscalers."""
        self.generation = generation
        for place in places:
            if (scaler := manifests.colored(place, "HorizontalPodAutoscaler")) is not None:
                self.cluster.change("HorizontalPodAutoscaler", scaler["metadata"]["name"], stamping(generation))

    def hold(self, manifests: Manifests, place: Color, size: int) -> None:
        """Keep a color's autoscaler from going below ``size`` until the release is settled."""
        scaler = manifests.colored(place, "HorizontalPodAutoscaler")
        if scaler is None:
            return
        minimum = max(size, int(scaler["spec"].get("minReplicas", 1)))

        def decide(present: Object | None) -> Object | None:
            if present is None:
                return None
            require_present(present, self.generation)
            if present["spec"].get("minReplicas", 1) >= minimum:
                return None
            return {
                "metadata": {"annotations": {HELD: str(minimum)}},
                "spec": {"minReplicas": minimum, "maxReplicas": max(minimum, present["spec"]["maxReplicas"])},
            }

        self.cluster.change("HorizontalPodAutoscaler", scaler["metadata"]["name"], decide)

    def release_hold(self, manifests: Manifests, place: Color) -> None:
        """Give a color's autoscaler the limits of the files again."""
        scaler = manifests.colored(place, "HorizontalPodAutoscaler")
        if scaler is None:
            return
        limits = {key: scaler["spec"][key] for key in ("minReplicas", "maxReplicas") if key in scaler["spec"]}

        def decide(present: Object | None) -> Object | None:
            if present is None or HELD not in annotations(present):
                return None
            require_present(present, self.generation)
            return {"metadata": {"annotations": {HELD: None}}, "spec": limits}

        self.cluster.change("HorizontalPodAutoscaler", scaler["metadata"]["name"], decide)

    def gauge(self, name: str, path: str, pods: Sequence[Object], port: int) -> int:
        """The sum of a gauge over pods; one that does not say counts :data:`UNCOUNTED`."""
        pattern = re.compile(rf"^{re.escape(name)}(?:{{[^}}]*}})? ([0-9.e+]+)$", re.MULTILINE)
        total = 0
        for pod in pods:
            text = self.cluster.text(f"pods/{pod['metadata']['name']}:{port}/proxy{path}")
            found = [float(value) for value in pattern.findall(text)]
            total += int(sum(found)) if found else UNCOUNTED
        return total

    # --- the environment itself --------------------------------------------------------------------------------

    def up(self, manifests: Manifests, rendered: Callable[[Object, Object | None], Object]) -> list[str]:
        """Apply every manifest but those that releases write; says what changed.

        Args:
            rendered: an object as it is applied, given the one that is there.
        """
        did = []
        for wanted in manifests.objects:
            kind, name = wanted["kind"], wanted["metadata"]["name"]
            present = self.cluster.get(kind, name) if kind not in ("Deployment", "Job") else None
            if kind in ("Deployment", "Job") or (present is not None and HELD in annotations(present)):
                continue  # what a release made, or holds and gives back
            applied = self.cluster.apply(rendered(wanted, present), present)
            if present is None or applied["metadata"]["resourceVersion"] != present["metadata"]["resourceVersion"]:
                did.append(f"{kind} {name} {'changed' if present else 'created'}")
        return did
