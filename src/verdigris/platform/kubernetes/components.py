"""What the platform is made of, and how the parts of one environment know each other."""

from collections.abc import Callable
from functools import cached_property

from verdigris.errors import PlatformError, Refused, UsageError
from verdigris.model import COLORS, Color
from verdigris.platform.base import STATE
from verdigris.platform.kubernetes.addresses import Reach
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.audit import ClusterAudit
from verdigris.platform.kubernetes.colors import Colors
from verdigris.platform.kubernetes.database import Schema
from verdigris.platform.kubernetes.journal import ClusterJournal
from verdigris.platform.kubernetes.logs import Logs
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.migration import Migrations
from verdigris.platform.kubernetes.namespace import Environs
from verdigris.platform.kubernetes.rehearsal import Rehearsals
from verdigris.platform.kubernetes.users_service import UsersService
from verdigris.platform.observer import Observer, Observing
from verdigris.settings import Settings


class Parts(Observing):
    """The parts of one environment, each made where it is first asked for.

    Nothing of the cluster is asked before a verb needs it: a suite that knows its address needs no kubeconfig.
    """

    def __init__(self, settings: Settings, environment: str) -> None:
        chosen = settings.environment(environment)
        if chosen.kubernetes is None or chosen.namespace is None:
            raise UsageError(f"environment {environment!r} is not on the platform kubernetes")
        self.settings = settings
        self.name = environment
        self.environment = chosen
        self.namespace = chosen.namespace
        self.kubernetes = chosen.kubernetes
        self.root = settings.root / STATE / environment
        self.rolling = chosen.strategy == "rolling"
        self.places = (Color.LIVE,) if self.rolling else COLORS
        self.told: Callable[[str], None] = lambda _text: None

    @cached_property
    def manifests(self) -> Manifests:
        """The environment's manifests."""
        return Manifests(self.settings.root / self.kubernetes.manifests, self.places)

    @cached_property
    def cluster(self) -> Cluster:
        """The environment's namespace, once it is sure to be the right one (fault 48).

        Raises:
            Refused: where it is another cluster, or the namespace belongs to another environment.
        """
        cluster = Cluster(
            self.namespace, self.kubernetes.context, self.kubernetes.api_seconds, lambda text: self.told(text)
        )
        try:
            Environs(cluster, self.settings, self.name).require_right()
        except PlatformError as error:  # whoever asks did nothing yet (fault 7)
            raise Refused(f"{error}; nothing was touched") from None
        return cluster

    @cached_property
    def colors(self) -> Colors:
        """The Deployments."""
        return Colors(self.cluster, self.manifests, self.kubernetes)

    @cached_property
    def environs(self) -> Environs:
        """What stands around the Deployments."""
        return Environs(self.cluster, self.settings, self.name)

    @cached_property
    def schema(self) -> Schema:
        """The database, as this process reaches it."""
        return Schema(self.settings, self.name)

    @cached_property
    def migrations(self) -> Migrations:
        """The migration Jobs."""
        return Migrations(self.cluster, self.schema, self.manifests.migration, self.kubernetes.migrate_seconds)

    @cached_property
    def rehearsals(self) -> Rehearsals:
        """The proof of a migration."""
        return Rehearsals(self.schema, self.colors, self.migrations, lambda text: self.told(text))

    @cached_property
    def reach(self) -> Reach:
        """Where users and colors are reached."""
        return Reach(self.settings, self.name, lambda: self.colors)

    def _new_observer(self) -> Observer:
        return self.reach.observer()

    @cached_property
    def logs(self) -> Logs:
        """What the pods log."""
        return Logs(self.cluster)

    @cached_property
    def gate(self) -> UsersService:
        """The Service that users come through."""
        return UsersService(self.cluster, self.manifests, self.colors.standing)

    @cached_property
    def journal(self) -> ClusterJournal:
        """The journal and the lock, in the namespace."""
        return ClusterJournal(self.cluster, self.kubernetes.lease_seconds, self.stamp)

    @cached_property
    def audit(self) -> ClusterAudit:
        """The audit log, in the namespace."""
        return ClusterAudit(self.cluster)

    def stamp(self, generation: int) -> None:
        """Keep older generations out of everything that a release writes.

        Raises:
            Refused: where this account may not; the message has all that it lacks.
        """
        try:
            self.gate.stamp(generation)
            self.colors.stamp(generation, self.places)
            self.environs.stamp(self.manifests, generation, self.places)
        except Refused:
            self.environs.require_permissions()
            raise
