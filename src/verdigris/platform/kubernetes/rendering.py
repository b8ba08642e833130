"""What a release puts into a color, rendered once and kept, so that a color which was deleted comes back as it was."""

import json
from typing import Any

from verdigris.errors import Conflict
from verdigris.model import Color, Release
from verdigris.platform.kubernetes.annotations import release_label
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.configuration import PART, Configuration
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.pods import RELEASE_LABEL
from verdigris.platform.kubernetes.transport import Object

KEY = "deployments.json"
COLOR = "verdigris.dev/color"
KEPT = 5
"""Renderings of a color that are kept, the newest; each needs its copies of ConfigMaps and Secrets."""


class Renderings:
    """The renderings of one environment."""

    def __init__(self, cluster: Cluster, manifests: Manifests) -> None:
        self.cluster = cluster
        self.manifests = manifests

    def of(self, release: Release, place: Color) -> list[Object]:
        """The Deployments of a release in a color, the application's first, then those that run once.

        Raises:
            Conflict: where the files or the Secret changed since the release was prepared.
        """
        kept = self.cluster.get("ConfigMap", self._name(release, place))
        if kept is None:
            configuration = self.configuration(place)
            if configuration.hash != release.config:
                raise Conflict(
                    f"the configuration changed since the release was prepared: it was {release.config}, "
                    f"now it is {configuration.hash}"
                )
            for made in configuration.copies.values():
                self.cluster.create(made)
            bases = self.manifests.together(place)
            kept = self.keep(release, place, [
                {**base, "spec": {**base["spec"], "template": template}}
                for base, template in zip(bases, configuration.rendered(release.artifact), strict=True)
            ])  # fmt: skip
        deployments = list(json.loads(kept["data"][KEY]))
        for one in deployments:
            one["metadata"].pop("namespace", None)
            one["spec"]["template"]["metadata"].setdefault("labels", {})[RELEASE_LABEL] = release_label(release)
        return deployments

    def keep(self, release: Release, place: Color, deployments: list[Object]) -> Object:
        """Keep what a release is in a color."""
        metadata = {"name": self._name(release, place), "labels": {PART: "rendering", COLOR: str(place)}}
        return self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "immutable": True,
                "data": {KEY: json.dumps(deployments, sort_keys=True)},
            }
        )

    def configuration(self, place: Color) -> Configuration:
        """The configuration that a release into a color would have now.

        Raises:
            SettingsError: where a ConfigMap or a Secret that the pods need is not there.
        """

        def found(kind: str, name: str) -> Object | None:
            return self.manifests.named(kind, name) if kind == "ConfigMap" else self.cluster.get(kind, name)

        return Configuration([one["spec"]["template"] for one in self.manifests.together(place)], found)

    def prune(self, needed: set[str]) -> None:
        """Delete renderings beyond the newest :data:`KEPT` of each color, and the copies that none of the rest names.

        Args:
            needed: labels of releases (:func:`release_label`) that are kept whatever their age.
        """
        left: list[Object] = []
        for place in self.manifests.deployments:
            found = self.cluster.list("ConfigMap", f"{PART}=rendering,{COLOR}={place}")
            found.sort(key=_age, reverse=True)
            for number, one in enumerate(found):
                if number < KEPT or one["metadata"]["name"].rpartition("-")[2] in needed:
                    left.append(one)
                else:
                    self.cluster.delete("ConfigMap", one["metadata"]["name"])
        named = "".join(one["data"][KEY] for one in left)
        for kind in ("ConfigMap", "Secret"):
            for one in self.cluster.list(kind, f"{PART}=configuration"):
                if f'"{one["metadata"]["name"]}"' not in named:
                    self.cluster.delete(kind, one["metadata"]["name"])

    def _name(self, release: Release, place: Color) -> str:
        return f"{self.manifests.deployments[place]['metadata']['name']}-{release_label(release)}"


def _age(found: Object) -> Any:
    return found["metadata"]["creationTimestamp"]
