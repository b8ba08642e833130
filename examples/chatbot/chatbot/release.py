"""What this artifact is. It is baked in by build.py and never read from the environment, so a deployment cannot lie."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class NotBuiltError(Exception):
    """The package does not lie in an artifact of build.py."""


@dataclass(frozen=True)
class Release:
    """The artifact's identity and what its version does."""

    version: str
    build: str
    migration: str
    features: frozenset[str]
    plant: str | None

    def identity(self, color: str, config: str) -> str:
        """Compose the x-release header, which every response carries."""
        return f"color={color};version={self.version};build={self.build};config={config}"


def read_release(root: Path = ROOT) -> Release:
    """Read build.json (who it is) and release.json (what its version does)."""
    try:
        built = json.loads((root / "build.json").read_text(encoding="utf-8"))
        baked = json.loads((root / "release.json").read_text(encoding="utf-8"))
        return Release(
            version=built["version"],
            build=built["build"],
            migration=built["migration"],
            features=frozenset(baked["features"]),
            plant=baked.get("plant"),
        )
    except (OSError, ValueError, KeyError) as problem:
        raise NotBuiltError(f"{root} is no artifact of build.py ({problem!r}); build one and start that") from problem
