"""The Service that users come through: who has them, and the one write that moves them."""

import hashlib
import json
import uuid
from collections.abc import Callable

from verdigris.errors import Conflict, PlatformError, Refused
from verdigris.model import COLORS, Color, Deployment, Traffic
from verdigris.platform.kubernetes.annotations import GENERATION, annotations, require_present, stamping
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.manifests import Manifests
from verdigris.platform.kubernetes.transport import Object

SWITCH = "verdigris.dev/switch"
"""The annotation by which a switch knows its own write, when the answer to it was lost."""
NOBODY = "none"
"""The color of a Service that nobody stands behind."""


class UsersService:
    """The users' Service of one environment.

    Args:
        standing: says what stands in a color.
    """

    def __init__(self, cluster: Cluster, manifests: Manifests, standing: Callable[[Color], Deployment | None]) -> None:
        self.cluster = cluster
        self.name = str(manifests.service["metadata"]["name"])
        self.rolling = Color.LIVE in manifests.deployments
        self.standing = standing

    def traffic(self) -> Traffic:
        """Who has the users.

        Raises:
            Refused: where the Service is not there, or names no color and so would send users to both.
            PlatformError: where it names something else.
        """
        return self._traffic(self.cluster.get("Service", self.name))

    def _traffic(self, service: Object | None) -> Traffic:
        color, token = self._named(service)
        place = Color.LIVE if self.rolling else color
        standing = self.standing(place) if place else None
        if not self.rolling:
            return Traffic(color=color, identity=standing.identity if standing else None, token=token)
        if standing is None:
            return Traffic(color=None, identity=None, token=token)
        stamp = f"{standing.generation}:{standing.deployed}:{standing.release.artifact}:{standing.release.config}"
        return Traffic(color=Color.LIVE, identity=standing.identity, token=f"{token}:{stamp}")

    def _named(self, service: Object | None) -> tuple[Color | None, str]:
        """The color that the Service names, and the token by which another state of it is told from this one."""
        if service is None:
            raise Refused(
                f"the namespace {self.cluster.namespace} has no Service {self.name}: run 'verdigris up' first"
            )
        token = f"{service['metadata']['uid']}:{_digest(service['spec'])}"
        if self.rolling:
            return None, token
        word = (service["spec"].get("selector") or {}).get("color")
        token = f"{token}:{word}:{annotations(service).get(SWITCH, '')}"
        if word is None:
            raise Refused(f"the Service {self.name} sends users to both colors: run 'verdigris up', which names one")
        if word == NOBODY:
            return None, token
        if word not in set(COLORS):
            raise PlatformError(f"the Service {self.name} names {word!r}, which is no color; set it to blue or green")
        return Color(word), token

    def switch(self, to: Color, expected: Traffic, generation: int) -> Traffic:
        """Name another color, if traffic is as expected and no newer generation wrote the Service.

        Raises:
            Conflict: where it is not, or nothing stands in ``to``; nothing was changed.
        """
        standing = self.standing(to)
        if standing is None:
            raise Conflict(f"nothing stands in {to}; users are not sent there")
        mark = uuid.uuid4().hex[:12]

        def decide(service: Object | None) -> Object | None:
            if service is not None and annotations(service).get(SWITCH) == mark:
                return None  # it was written, only the answer was lost
            _, token = self._named(service)  # who stands there is not asked: users wait for this write
            if token != expected.token:
                raise Conflict(f"traffic is at {token!r}, expected was {expected.token!r}: somebody else moved it")
            if service is not None:
                require_present(service, generation)
            notes = {GENERATION: str(generation), SWITCH: mark}
            return {"metadata": {"annotations": notes}, "spec": {"selector": {"color": str(to)}}}

        color, token = self._named(self.cluster.change("Service", self.name, decide))
        return Traffic(color=color, identity=standing.identity, token=token)

    def stamp(self, generation: int) -> None:
        """Keep older generations out."""
        self.cluster.change("Service", self.name, stamping(generation))

    def name_nobody(self) -> None:
        """Leave the users to nobody."""

        def decide(present: Object | None) -> Object | None:
            if present is None or (present["spec"].get("selector") or {}).get("color") == NOBODY:
                return None
            return {"spec": {"selector": {"color": NOBODY}}}

        self.cluster.change("Service", self.name, decide)

    def rendered(self, wanted: Object, present: Object | None) -> Object:
        """A manifest as ``up`` applies it: the users' Service keeps the color it names, or names nobody."""
        if self.rolling or (wanted["kind"], wanted["metadata"]["name"]) != ("Service", self.name):
            return wanted
        selector = ((present or {}).get("spec") or {}).get("selector") or {}
        spec = {**wanted["spec"], "selector": {**wanted["spec"]["selector"], "color": selector.get("color", NOBODY)}}
        return {**wanted, "spec": spec}


def _digest(content: Object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
