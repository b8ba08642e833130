"""The platforms that the contract is asked of, each with the few things only a test may do to it."""

import os
import signal
import time
from pathlib import Path
from typing import Protocol, TypeVar

from tests.cluster.kubectl import wait_until
from tests.cluster.world import ClusterWorld
from tests.world import World
from verdigris.model import COLORS, Color
from verdigris.platform import Platform
from verdigris.platform.kubernetes import KubernetesPlatform
from verdigris.platform.local import LocalPlatform, process
from verdigris.testing import FakePlatform

GOOD, NEXT = "1.0.0", "1.1.0"
FAULTS = {"3.0.0": "exits-at-once", "3.1.0": "never-ready", "3.2.0": "other-version"}


W = TypeVar("W", World, ClusterWorld)


def plant(world: W) -> W:
    """Give a world every version that the contract asks for."""
    for version, fault in {GOOD: "", NEXT: "", **FAULTS}.items():
        world.version(version, fault, **({"says_version": "9.9.9"} if fault == "other-version" else {}))
    return world


class Subject(Protocol):
    """A platform under test."""

    def open(self) -> Platform:
        """An instance of its own, as another process would have."""

    def kill(self, color: Color) -> None:
        """Kill what runs in a color."""

    def effects(self) -> object:
        """Whatever changes when the platform makes something."""


class Fake:
    """The fake, in ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> FakePlatform:
        """Another instance over the same file."""
        return FakePlatform(self.root, {GOOD: "", NEXT: "", **FAULTS})

    def kill(self, color: Color) -> None:
        """Say that it does not run."""
        self.open().tell(color, running=False)

    def effects(self) -> object:
        """The whole world of the fake."""
        return self.open().world


class Local:
    """The tiny application as processes behind Envoy."""

    def __init__(self, world: World) -> None:
        self.world = world
        plant(world).up()

    def open(self) -> LocalPlatform:
        """Another instance over the same folder."""
        return LocalPlatform(self.world.settings, "local")

    def kill(self, color: Color) -> None:
        """Kill the process and wait for its end."""
        started = process.remembered(self.world.state / "processes" / f"{color}.json")
        assert started is not None
        os.kill(started.pid, signal.SIGKILL)
        assert process.wait_until(lambda: not process.running(started), time.monotonic() + 5)

    def effects(self) -> object:
        """The artifacts there are."""
        return sorted((self.world.root / "versions").iterdir())

    def reset(self) -> "Local":
        """Nobody live and nothing standing, without another start of the router."""
        platform = self.open()
        platform.router.route_users(None, "0:none", None)
        for color in COLORS:
            platform.retire(color)
        return self


class Kubernetes:
    """The tiny application in a namespace of a real cluster."""

    def __init__(self, world: ClusterWorld) -> None:
        self.world = world
        plant(world).up()

    def open(self) -> KubernetesPlatform:
        """Another instance over the same namespace."""
        return self.world.platform()

    def kill(self, color: Color) -> None:
        """Scale the color to nothing, and wait until its pods are gone; a single pod would be back at once."""
        self.world.kubectl("scale", "deployment", f"tiny-{color}", "--replicas=0")
        platform = self.open()
        wait_until(lambda: None if platform.colors.pods(color) else True, f"the pods of {color} are gone")

    def effects(self) -> object:
        """The images there are."""
        return sorted((self.world.root / "images").iterdir())

    def reset(self) -> "Kubernetes":
        """Nobody live and nothing standing, as the users see it too."""
        platform = self.open()
        platform.down()
        self.world.kubectl("annotate", "service", "tiny", "verdigris.dev/generation-")
        wait_until(lambda: None if platform.answer(None).identity else True, "nobody answers users")
        return self
