"""``verdigris drift``: two environments on Kubernetes side by side, by their files and by what stands in a cluster."""

from typing import Any
from urllib.parse import urlsplit

from verdigris.drift.compare import Difference, Object, Side, compared, facts, unused
from verdigris.errors import ExitStatus, UsageError, VerdigrisError
from verdigris.model import Color
from verdigris.platform.kubernetes import KubernetesPlatform
from verdigris.platform.kubernetes.configuration import references
from verdigris.settings import Settings
from verdigris.settings.drift_paths import Path

_LOOKED_AT = (
    "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ResourceQuota",
    "LimitRange",
)  # fmt: skip


def drifted(settings: Settings, one: str, other: str) -> tuple[dict[str, Any], int]:
    """How two environments differ, for printing, and the exit status.

    Raises:
        UsageError: where one of them is not on the platform ``kubernetes``.
    """
    first, second = _platform(settings, one), _platform(settings, other)
    allow = settings.drift.allow
    found = list(compared(facts(_files(first)), facts(_files(second)), allow))
    looked = f"{one} and {other}"
    try:
        standing = compared(_standing(first), _standing(second), allow)
    except VerdigrisError as error:
        looked = f"not looked at: {error}"
    else:
        found += [difference for difference in standing if difference not in found]
    drift = [_shown(difference, one, other) for difference in found if not difference.allowed]
    content = {
        "environments": f"{one}, {other}",
        "files": f"{first.kubernetes.manifests} and {second.kubernetes.manifests}",
        "cluster": looked,
        "drift": drift,
        "allowed": [difference.path for difference in found if difference.allowed],
        "allowances without use": list(unused(found, allow)),
        "verdict": f"{len(drift)} differences are not allowed" if drift else "no drift beyond what is allowed",
    }
    return content, int(ExitStatus.HELD_FAILED if drift else ExitStatus.CONFIRMED)


def _platform(settings: Settings, name: str) -> KubernetesPlatform:
    if settings.environment(name).platform != "kubernetes":
        raise UsageError(f"{name} is not on the platform kubernetes; only what has manifests can drift")
    return KubernetesPlatform(settings, name)


def _shown(difference: Difference, one: str, other: str) -> dict[str, str]:
    return {"path": difference.path, one: difference.one, other: difference.other}


def _words(platform: KubernetesPlatform) -> dict[str, str]:
    """What only this environment is called."""
    words = {platform.namespace: "NAMESPACE", urlsplit(str(platform.environment.url)).hostname or "": "HOST"}
    for color in platform.places:
        if platform.kubernetes.preview is not None:
            words[urlsplit(platform.kubernetes.preview.format(color=color)).hostname or ""] = "PREVIEW"
    return {word: instead for word, instead in words.items() if word}


def _files(platform: KubernetesPlatform) -> Side:
    """What the manifests say of one color: each color's are alike, which is a test's business."""
    color = None if platform.rolling else str(platform.places[0])
    return Side(words=_words(platform), color=color, objects=tuple(platform.manifests.objects))


def _standing(platform: KubernetesPlatform) -> dict[Path, Any]:
    """What stands in the cluster: the live Deployment, its configuration, and what is around it.

    Raises:
        VerdigrisError: where it cannot be seen, or nobody is live.
    """
    live = platform.live().color
    deployment = platform.colors.deployment(live) if live is not None else None
    if live is None or deployment is None:
        raise UsageError(f"nobody is live in {platform.name}")
    objects = [*_configuration(platform, deployment), deployment]
    for kind in _LOOKED_AT:
        names = [wanted["metadata"]["name"] for wanted in platform.manifests.of(kind)]
        objects += [found for name in names if (found := platform.cluster.get(kind, name)) is not None]
    color = str(live) if live is not Color.LIVE else None
    known = facts(Side(words=_words(platform), color=color, objects=tuple(objects)))
    if (stands := platform.standing(live)) is not None:
        digest = stands.release.artifact.partition("@")[2]
        known |= {("standing", "version"): stands.release.version, ("standing", "digest"): digest}
    return known


def _configuration(platform: KubernetesPlatform, deployment: Object) -> list[Object]:
    """The ConfigMaps that the pods name, under the names that the files give them; the pods' references too."""
    found, cluster = [], platform.cluster
    wanted = {one["metadata"]["name"] for one in platform.manifests.objects if one["kind"] in ("ConfigMap", "Secret")}
    for kind, holder, key in references(deployment["spec"]["template"]):
        name = holder[key]
        base = name if name in wanted else name.rpartition("-")[0] or name
        if kind == "ConfigMap" and (there := cluster.get(kind, name)) is not None:
            found.append({**there, "metadata": {**there["metadata"], "name": base}})
        holder[key] = base
    return found
