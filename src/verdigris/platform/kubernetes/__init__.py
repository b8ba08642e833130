"""The platform ``kubernetes``: Deployments behind a Service, in one namespace of any cluster.

Users reach whoever the Service's selector names. A release writes its own Deployments, immutable copies of their
configuration, and that one selector; Service and Ingress themselves are applied by ``verdigris up`` alone.
"""

import time
from contextlib import AbstractContextManager

from verdigris.errors import Conflict, NotReady
from verdigris.model import Color, Deployment, Release, Traffic
from verdigris.platform.base import Address, Answer, Health, Rehearsed
from verdigris.platform.kubernetes import adoption, image, secrets, suite_job
from verdigris.platform.kubernetes.addresses import port_of
from verdigris.platform.kubernetes.annotations import release_label
from verdigris.platform.kubernetes.components import Parts
from verdigris.platform.kubernetes.configuration import require_named


class KubernetesPlatform(Parts):
    """One environment in a cluster; implements :class:`verdigris.platform.base.Platform`."""

    # --- what a release is -------------------------------------------------------------------------------------

    def prepare(self, version: str) -> Release:
        """The release of ``version``, its image made where it is not there yet; what the account may is asked first."""
        self.environs.require_permissions()
        return self._release(image.make(version, self.kubernetes, self.settings.root))

    def known(self, version: str) -> Release | None:
        """The release of ``version`` where its image was made already."""
        found = image.find(version, self.kubernetes, self.settings.root)
        return self._release(found) if found else None

    def _release(self, found: image.Image) -> Release:
        place = Color.LIVE if self.rolling else self.live().idle
        require_named(self.manifests.deployments[place]["spec"]["template"], found.image)
        config = self.colors.renderings.configuration(place).hash
        return Release(
            version=found.version, build=found.build, config=config, migration=found.migration, artifact=found.image
        )

    def secrets(self) -> frozenset[str]:
        """The values of the Secrets that the manifests and what stands name, and of their copies."""
        job = self.kubernetes.job
        more = [job.secret] if job is not None and job.secret is not None else []
        return secrets.values(self.cluster, self.manifests.objects, more)

    def problems(self) -> list[str]:
        """What does not run though it should, and what a person changed by hand."""
        found = self.environs.problems(self.manifests)
        for place in self.places:
            if self.standing(place) is not None and not (health := self.health(place)).running:
                found.append(f"{place} does not run: {health.reason}")
        live = self.live().color
        if live is not None and self.standing(live) is None:
            found.append(
                f"{live} has the users and no release put it there: run 'verdigris recover' to take it as it is"
            )
        return found

    @property
    def migrates(self) -> bool:
        """Whether the manifests have a migration Job."""
        return self.manifests.migration is not None

    def migrate(self, release: Release) -> str:
        """Run the manifests' migration Job with the release's image, where the database is at another level."""
        return self.migrations.migrate(release)

    def rehearsal(self, release: Release, live: Deployment) -> AbstractContextManager[Rehearsed | None]:
        """The live version once more, on a migrated copy of the database."""
        return self.rehearsals.rehearse(release, live)

    def shortage(self) -> str | None:
        """Where the pods of two colors may need more database connections than the server has left."""
        return self.schema.shortage(self.cluster, self.manifests)

    def tidy(self) -> None:
        """Remove what a killed run left that stands in no color: a migration, a rehearsal, a suite's Job."""
        self.migrations.tidy()
        self.rehearsals.clear()
        suite_job.tidy(self.cluster)

    # --- who is where ------------------------------------------------------------------------------------------

    def live(self) -> Traffic:
        """Who the Service's selector names; where the strategy is rolling, whoever stands there.

        Raises:
            Refused: where the Service is not there, or names no color and so would send users to both.
        """
        return self.gate.traffic()

    def standing(self, color: Color) -> Deployment | None:
        """What stands in a color, by its Deployment's annotations."""
        return self.colors.standing(color)

    def health(self, color: Color) -> Health:
        """Whether a color's pods can serve."""
        return self.colors.health(color)

    def remember(self, deployment: Deployment) -> None:
        """Keep what is known of a deployment on its Deployment."""
        self.colors.remember(deployment)

    def address(self, color: Color) -> Address:
        """A color's preview host, or a port-forward to its pods where it has none."""
        return self.reach.users() if self.rolling else self.reach.color(color)

    def users(self) -> Address:
        """The environment's own address."""
        return self.reach.users()

    def answer(self, color: Color | None) -> Answer:
        """Ask the ready path once."""
        return self.reach.answer(self.users() if color is None else self.address(color))

    # --- a color comes and goes --------------------------------------------------------------------------------

    def stand_up(self, release: Release, color: Color, generation: int) -> Deployment:
        """Bring a release into a color, as large as who has the users now, and wait until it is ready as itself."""
        if color not in self.places:
            raise Conflict(f"{color} is no place of {self.name}: it has {' and '.join(self.places)}")
        traffic = self.live()
        if traffic.color is color and not self.rolling:
            raise Conflict(f"{color} has the users; a release never stands up there")
        size = self.environs.size(self.manifests, self.colors, color, traffic.color)
        self.environs.hold(self.manifests, color, size)
        deployment = self.colors.stand_up(release, color, generation, size)
        self._require_identity(deployment)
        return deployment

    def _require_identity(self, deployment: Deployment) -> None:
        """The color must answer as what was deployed, at its own address (fault 40)."""
        color, deadline = deployment.color, time.monotonic() + self.environment.switch_seconds
        while True:
            answer = self.answer(color)
            if answer.status == 200 and answer.identity == deployment.identity:
                return
            stranger = answer.status is not None and answer.status < 500 and answer.identity is not None
            if (stranger and not self.rolling) or time.monotonic() > deadline:
                raise NotReady(
                    f"{color} answers {answer.seen}, expected is {deployment.identity}: not what was deployed"
                )
            time.sleep(0.1)

    def retire(self, color: Color) -> None:
        """Delete a color's Deployment; its pods drain by themselves."""
        if self.live().color is color and not self.rolling:
            raise Conflict(f"{color} has the users; it is never retired")
        self.tidy()
        self.environs.release_hold(self.manifests, color)
        self.colors.retire(color)
        deadline = time.monotonic() + self.environment.switch_seconds
        while self.rolling and self.answer(None).status == 200 and time.monotonic() < deadline:
            time.sleep(0.05)  # the ingress learns a moment later that nobody is there any more

    def open_requests(self, color: Color) -> int:
        """Requests in flight, as the application's own gauge counts them; 0 where the settings name none."""
        gauge = self.kubernetes.open_requests
        metrics = self.settings.checks.metrics
        if gauge is None or metrics is None:
            return 0
        return self.environs.gauge(gauge, metrics.path, self.colors.mine(color), port_of(self.colors.container(color)))

    def log(self, color: Color, offset: int = 0) -> tuple[str, int]:
        """What a color's pods logged from ``offset`` characters on."""
        return self.logs.since(str(color), [pod["metadata"]["name"] for pod in self.colors.mine(color)], offset)

    # --- users move --------------------------------------------------------------------------------------------

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """Write the Service's selector, with the resourceVersion under which traffic was seen to be as expected."""
        if self.rolling or to not in self.places:
            raise Conflict(f"{self.name} rolls: there is nothing to switch" if self.rolling else f"{to} is no place")
        return self.gate.switch(to, expected, generation)

    def follow(self, color: Color) -> bool:
        """Stop what must run once in the other color; where it is gone, start it in this one."""
        return self.colors.workers.follow(color)

    def adopt(self) -> str | None:
        """Take what a person did to who has the users as it is."""
        live = Color.LIVE if self.rolling else self.live().color
        return adoption.adopt(self.colors, live, self.answer(None)) if live is not None else None

    def level(self, color: Color) -> None:
        """Bring a candidate to the live color's size, and keep both from shrinking until the release is settled."""
        live = self.live().color
        size = self.environs.size(self.manifests, self.colors, color, live)
        for place in self.places:
            if self.colors.deployment(place) is not None:
                self.environs.hold(self.manifests, place, size)
        self.colors.scale(color, size)

    def settled(self) -> None:
        """Give the autoscalers their limits back; what must run once runs with the live color; forget what is old."""
        for place in self.places:
            self.environs.release_hold(self.manifests, place)
        self.colors.workers.settle(self.live().color)
        previous = self.journal.read().previous
        standing = [self.standing(place) for place in self.places]
        self.colors.renderings.prune({release_label(one.release) for one in (*standing, previous) if one})

    # --- the environment itself --------------------------------------------------------------------------------

    def guard(self) -> None:
        """An interrupted run is finished by the next command."""

    def up(self) -> list[str]:
        """Apply every manifest but those that releases write, and restore a color that was scaled to nothing.

        The Service keeps the color that it names.
        """
        did = self.environs.up(self.manifests, self.gate.rendered)
        for place in self.places:
            deployment = self.standing(place)
            if deployment is not None and not self.health(place).running:
                self.colors.scale(place, self.environs.size(self.manifests, self.colors, place, None))
                did.append(f"{place} {deployment.release.version} restored")
        return did

    def down(self) -> list[str]:
        """Delete the Deployments that releases made; their renderings, the journal and the Service stay."""
        if not self.rolling:
            self.gate.name_nobody()
        did = [place for place in self.places if self.colors.deployment(place) is not None]
        for place in did:
            self.colors.retire(place)
        self.tidy()
        return [str(place) for place in did]
