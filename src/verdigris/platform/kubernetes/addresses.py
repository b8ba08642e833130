"""Where the users of an environment and its colors are reached."""

import time
from collections.abc import Callable

from verdigris.errors import PlatformError
from verdigris.model import Color
from verdigris.platform.base import Address, Answer
from verdigris.platform.kubernetes.colors import Colors
from verdigris.platform.kubernetes.pods import is_ready
from verdigris.platform.kubernetes.port_forward import Forward
from verdigris.platform.kubernetes.transport import Object
from verdigris.platform.observer import Observer, look
from verdigris.settings import Settings


class Reach:
    """The addresses of one environment.

    Args:
        colors: gives the Deployments, where a port-forward needs a pod; not asked before.
    """

    def __init__(self, settings: Settings, environment: str, colors: Callable[[], Colors]) -> None:
        chosen = settings.environment(environment)
        if chosen.kubernetes is None:
            raise PlatformError(f"environment {environment!r} is not on kubernetes")
        self.environment = chosen
        self.kubernetes = chosen.kubernetes
        self.authority = settings.authority(environment)
        self.header = settings.identity.header
        self.colors = colors
        self._forwards: dict[Color, Forward] = {}

    def users(self) -> Address:
        """The environment's own address."""
        return self._address(str(self.environment.url))

    def color(self, color: Color) -> Address:
        """A color's preview host, or a port of this machine that leads to its pods."""
        if self.kubernetes.preview is not None:
            return self._address(self.kubernetes.preview.format(color=color))
        if color not in self._forwards:
            colors = self.colors()
            port = port_of(colors.container(color))
            self._forwards[color] = Forward(colors.cluster, lambda: self._ready_pod(color), port)
        return Address(url=f"http://127.0.0.1:{self._forwards[color].port}")

    def _address(self, url: str) -> Address:
        return Address(url=url, connect=self.environment.address, ca=self.authority)

    def _ready_pod(self, color: Color) -> str:
        """One of the ready pods, another one each second."""
        ready = [pod for pod in self.colors().mine(color) if is_ready(pod)]
        if not ready:
            raise PlatformError(f"no pod of {color} is ready")
        return str(ready[int(time.monotonic()) % len(ready)]["metadata"]["name"])

    def answer(self, address: Address) -> Answer:
        """Ask the ready path once."""
        seen = look(address, self.kubernetes.ready, self.header)
        return Answer(status=seen.status, identity=seen.identity, seen=seen.text, late=seen.late, unasked=seen.unasked)

    def observer(self) -> Observer:
        """Who looks at a switch, from the users' address and the other places of the settings."""
        vantage = [self._address(url) for url in self.kubernetes.vantage]
        return Observer(self.users(), self.header, self.kubernetes.ready, vantage)


def port_of(container: Object) -> int:
    """The port on which the application's container listens.

    Raises:
        PlatformError: where it names none.
    """
    ports = container.get("ports") or ()
    if not ports:
        raise PlatformError(f"the container {container['name']} names no port; a candidate cannot be reached")
    return int(ports[0]["containerPort"])
