"""The database of an environment in a cluster, as the controller reaches it: its level, and what connections it has."""

import math

from verdigris.errors import PlatformError
from verdigris.model import Color, Release
from verdigris.platform import database
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.transport import Object
from verdigris.settings import DatabaseSettings, EnvValue, SecretReference, Settings

SURGE = "25%"
"""Kubernetes' own: how many pods more than wanted a rolling update may start, where a Deployment does not say."""


class Schema:
    """The database that the settings name, or none."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.root = settings.root
        self.settings: DatabaseSettings | None = settings.environment(name).database

    def url(self) -> str | None:
        """Where the suites and this process read; ``None`` where the settings name no database."""
        return self._read(self.settings.url) if self.settings is not None else None

    def admin(self) -> str | None:
        """The same server by an account that may create databases, where the settings name one."""
        return self._read(self.settings.admin) if self.settings is not None else None

    def _read(self, value: EnvValue | None) -> str | None:
        return value.read(self.root) if isinstance(value, SecretReference) else value

    def level(self) -> str | None:
        """The database's migration level; ``None`` where it has none.

        Raises:
            PlatformError: where it does not answer, or the settings do not say how to ask.
        """
        url = self.url()
        if self.settings is None or url is None or self.settings.revision_query is None:
            raise PlatformError("the settings do not say how the database's level is read")
        return database.revision(url, self.settings.revision_query)

    def needs(self, release: Release) -> bool:
        """Whether a release asks for another level than the database has.

        Raises:
            PlatformError: where the database does not answer.
        """
        if self.settings is None or release.migration is None:
            return False
        return self.settings.revision_query is None or self.level() != release.migration

    def shortage(self, cluster: Cluster, manifests: Manifests) -> str | None:
        """Where the pods that may stand side by side need more connections than the server has left (fault 23)."""
        url = self.url()
        if self.settings is None or url is None or self.settings.connections is None:
            return None
        pods, each = (
            sum(largest(cluster, manifests, place) for place in manifests.deployments),
            self.settings.connections,
        )
        try:
            accepted, others = database.connections(url)
        except PlatformError as error:
            return f"nobody knows whether there are connections for two releases: {error}"
        if pods * each <= accepted - others:
            return None
        who = "a release and the one it replaces" if Color.LIVE in manifests.deployments else "two colors"
        return (
            f"{who} may have {pods} pods, which may need {pods * each} database connections (database.connections = "
            f"{each} each); the server accepts {accepted}, of which {others} are taken by others"
        )


def largest(cluster: Cluster, manifests: Manifests, place: Color) -> int:
    """The most pods that a place can have: by its autoscaler, by its size now, and by what must run once in it."""
    wanted = manifests.deployments[place]
    sizes = [_replicas(wanted), _replicas(cluster.get("Deployment", wanted["metadata"]["name"]))]
    scaler = manifests.colored(place, "HorizontalPodAutoscaler")
    if scaler is not None:
        present = cluster.get("HorizontalPodAutoscaler", scaler["metadata"]["name"])
        sizes += [int(one["spec"]["maxReplicas"]) for one in (scaler, present) if one is not None]
    surge = _surge(wanted, max(sizes)) if place is Color.LIVE else 0
    return max(sizes) + surge + sum(map(_replicas, manifests.workers[place]))


def _replicas(deployment: Object | None) -> int:
    return int(deployment["spec"].get("replicas", 1)) if deployment is not None else 0


def _surge(deployment: Object, size: int) -> int:
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    surge = str((strategy.get("rollingUpdate") or {}).get("maxSurge", SURGE))
    return math.ceil(size * int(surge[:-1]) / 100) if surge.endswith("%") else int(surge)
