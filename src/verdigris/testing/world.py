"""Everything that the fake platform holds, as it stands in its file."""

from pathlib import Path

from pydantic import Field

from verdigris.model import Color, Deployment, Value
from verdigris.state.journal import write_durably

READY_FAULTS = {
    "exits-at-once": "ended at once: its process ended with exit code 3",
    "never-ready": "was not ready in time: the ready path answered 503",
    "other-version": "answers as another release: not what was deployed",
}
"""What a version's plan may say of it, and why it then cannot become ready."""


class Place(Value):
    """What a color holds."""

    deployment: Deployment
    running: bool = True
    before: Deployment | None = None
    """In ``live``: who still answers users, because what stands there has not replaced it."""
    instance: int = 1
    open_requests: int = 0
    log: str = ""

    @property
    def answering(self) -> Deployment | None:
        """Who answers there."""
        return self.before or (self.deployment if self.running else None)

    @property
    def reason(self) -> str:
        """Why it does not run."""
        return f"{self.before.release.version} was not replaced" if self.before else "its process ended"


class World(Value):
    """The whole of it."""

    stamp: int = 0
    """The newest generation that wrote; an older one is refused."""
    writes: int = 0
    live: Color | None = None
    places: dict[Color, Place] = Field(default_factory=dict)
    built: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()

    def holding(self, color: Color, place: Place, **changes: object) -> "World":
        """The same world with ``place`` in a color."""
        return self.model_copy(update={"places": {**self.places, color: place}, **changes})

    def without(self, color: Color) -> "World":
        """The same world with nothing in a color; whoever had its users there has none."""
        left = {other: place for other, place in self.places.items() if other is not color}
        return self.model_copy(update={"places": left, "live": None if self.live is color else self.live})


def read(path: Path) -> World:
    """What is in the file; an empty world where there is none yet."""
    try:
        return World.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return World()


def write(path: Path, world: World) -> None:
    """Replace the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, world.model_dump_json(indent=1))
