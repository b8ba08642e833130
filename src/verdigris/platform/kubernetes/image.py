"""From a version to an image: pinned by its digest, with the build ID that its answers prove."""

import sys
from pathlib import Path

from pydantic import ValidationError

from verdigris.errors import SettingsError, UsageError
from verdigris.model import Value
from verdigris.platform.building import build, fill, require_version
from verdigris.settings.kubernetes import KubernetesSettings

KEY = "kubernetes.image"


class Image(Value):
    """What the build of an image left in its file."""

    version: str
    image: str
    build: str
    migration: str | None = None

    @property
    def digest(self) -> str:
        """The digest that the image is pinned by, ``sha256:...``."""
        return self.image.partition("@")[2]


def find(version: str, settings: KubernetesSettings, root: Path) -> Image | None:
    """The image of a version, where it was made already.

    Raises:
        SettingsError: where its file is not one, or does not pin the image by a digest.
    """
    path = _path(version, settings, root)
    try:
        found = Image.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise SettingsError(f"{path}: an image is JSON with version, image, build and migration ({said})") from None
    if not found.digest.startswith("sha256:"):
        raise SettingsError(f"{path}: image = {found.image!r} is not pinned; accepted is NAME@sha256:DIGEST")
    if found.version != version:
        raise UsageError(f"{path}: it is of version {found.version}, asked for was {version}")
    return found


def make(version: str, settings: KubernetesSettings, root: Path) -> Image:
    """The image of a version, built where it is not there.

    Raises:
        UsageError: where there is no such version.
    """
    if found := find(version, settings, root):
        return found
    path = _path(version, settings, root)
    if not settings.build:
        there = ", ".join(sorted(one.stem for one in path.parent.glob(f"*{path.suffix}"))) or "none"
        raise UsageError(f"unknown version {version!r}: there is no {path}; there are: {there}")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"python": sys.executable, "version": version, "root": str(root), "image": str(path)}
    build(version, settings.build, root, values, "kubernetes.build")
    if made := find(version, settings, root):
        return made
    raise SettingsError(f"{path}: the build left no such file; see kubernetes.build in the settings")


def _path(version: str, settings: KubernetesSettings, root: Path) -> Path:
    require_version(version)
    return root / fill(settings.image, {"version": version}, KEY)


def running_digest(image_id: str, digest: str) -> bool:
    """Whether a node's word for what it runs (``imageID``) is that digest."""
    return image_id.endswith(digest)
