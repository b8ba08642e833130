"""The environment's manifests, read with care."""

from collections.abc import Iterator
from pathlib import Path

from verdigris.errors import SettingsError
from verdigris.model import Color
from verdigris.platform.kubernetes.transport import Object

SIZE_LIMIT = 1_000_000
"""Bytes; a manifest larger than this is refused unread."""
SKIPPED = (".example.yaml", ".example.yml")
"""Files that only show what a person makes by hand, such as a Secret."""


def read(folder: Path) -> list[Object]:
    """Every object of every file of a folder, in the order of the files' names.

    Raises:
        SettingsError: naming the file, where it is no list of plain objects (faults 46 and 47).
    """
    files = sorted(path for path in folder.glob("*.y*ml") if not path.name.endswith(SKIPPED))
    if not files:
        raise SettingsError(f"{folder}: there are no manifests (kubernetes.manifests in the settings)")
    return [found for path in files for found in _objects(path)]


def _objects(path: Path) -> Iterator[Object]:
    import yaml

    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise SettingsError(f"{path}: larger than {SIZE_LIMIT} bytes; that is no manifest")
        text = path.read_text(encoding="utf-8")
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise SettingsError(f"{path}:{line}: aliases are not accepted in a manifest; write it out")
        documents = [one for one in yaml.safe_load_all(text) if one is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())[:300]}") from None
    for found in documents:
        if not isinstance(found, dict) or not found.get("kind") or not (found.get("metadata") or {}).get("name"):
            raise SettingsError(f"{path}: a manifest is an object with kind and metadata.name")
        yield found


class Manifests:
    """What the files of one environment say.

    Args:
        folder: the files.
        places: the colors that each have a Deployment of their own.
    """

    def __init__(self, folder: Path, places: tuple[Color, ...]) -> None:
        self.folder = folder
        self.objects = read(folder)
        jobs = self.of("Job")
        self.migration = jobs[0] if jobs else None
        self.deployments = {place: self._deployment(place) for place in places}
        self.workers = {place: self._workers(place) for place in places}
        self.service = self._users_service()

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def named(self, kind: str, name: str) -> Object | None:
        """The object of that kind and name."""
        return next((found for found in self.of(kind) if found["metadata"]["name"] == name), None)

    def _deployment(self, place: Color) -> Object:
        return self._candidates(place, once=False)[0]

    def _workers(self, place: Color) -> list[Object]:
        """What must run once: Deployments of the color that say so, with ``verdigris.dev/once``."""
        return self._candidates(place, once=True)

    def _candidates(self, place: Color, *, once: bool) -> list[Object]:
        found = [
            one
            for one in self.of("Deployment")
            if _color_of(one) in (place, None if place is Color.LIVE else place)
            and (ONCE in (one["metadata"].get("annotations") or {})) is once
        ]
        if not once and len(found) != 1:
            what = (
                "one Deployment" if place is Color.LIVE else f"one Deployment whose pods have the label color: {place}"
            )
            raise SettingsError(f"{self.folder}: {len(found)} were found, needed is {what}")
        return found

    def _users_service(self) -> Object:
        """The Service whose selector fits the pods and names no color."""
        labels = next(iter(self.deployments.values()))["spec"]["template"]["metadata"]["labels"]
        found = [one for one in self.of("Service") if _selects(one, labels) and "color" not in one["spec"]["selector"]]
        if len(found) == 1:
            return found[0]
        raise SettingsError(
            f"{self.folder}: {len(found)} Services fit the pods without naming a color, needed is one: the users'; "
            "a release writes the color"
        )

    def together(self, place: Color) -> list[Object]:
        """The Deployments of a color: the application's, then those that must run once."""
        return [self.deployments[place], *self.workers[place]]

    def colored(self, place: Color, kind: str) -> Object | None:
        """The object of a kind that is named like the Deployment of a color, such as its autoscaler."""
        return self.named(kind, self.deployments[place]["metadata"]["name"])


ONCE = "verdigris.dev/once"
"""The annotation of a Deployment that must run once: it belongs to the live color only."""


def _color_of(deployment: Object) -> Color | None:
    label = deployment["spec"]["template"]["metadata"].get("labels", {}).get("color")
    return Color(label) if label in set(Color) else None


def _selects(service: Object, labels: dict[str, str]) -> bool:
    selector = service["spec"].get("selector") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
