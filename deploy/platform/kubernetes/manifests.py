"""The environment's manifests, read with care, and what a release makes of them.

A release is an image digest and a configuration hash. The hash covers everything of a pod but its image: the pod
template, the ConfigMaps and the Secrets that it names. Those are rendered to immutable copies called ``NAME-HASH``,
so a color keeps the configuration it was verified with, whatever becomes of the files and of the Secret.
"""

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.errors import SettingsError
from deploy.model import Color
from deploy.platform.kubernetes.transport import Object

SIZE_LIMIT = 1_000_000
"""Bytes; a manifest larger than this is refused unread."""
SKIPPED = (".example.yaml", ".example.yml")
"""Files that only show what a person makes by hand, such as a Secret."""
CONFIG_VARIABLE = "RELEASE_CONFIG"
"""The variable by which a pod knows its configuration hash."""
HASH = 8


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


# --- what a release makes of them --------------------------------------------------------------------------------


def references(template: Object) -> Iterator[tuple[str, Object, str]]:
    """Every place in a pod template that names a ConfigMap or a Secret: its kind, who holds its name, by which key."""
    spec = template["spec"]
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        for source in container.get("envFrom", ()):
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source:
                    yield kind, source[key], "name"
        for variable in container.get("env", ()):
            value = variable.get("valueFrom", {})
            for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if key in value:
                    yield kind, value[key], "name"
    for volume in spec.get("volumes", ()):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"], "name"
        if "secret" in volume:
            yield "Secret", volume["secret"], "secretName"


class Configuration:
    """The configuration of a pod template: its ConfigMaps and Secrets as immutable copies, and the hash of it all.

    Args:
        template: the pod template of the files.
        found: asked for the ConfigMap (of the files) or the Secret (of the cluster) of a name; ``None`` where there
            is none.
    """

    def __init__(self, template: Object, found: Callable[[str, str], Object | None]) -> None:
        self.template = copy.deepcopy(template)
        self.copies: dict[tuple[str, str], Object] = {}
        for kind, holder, key in references(self.template):
            source = found(kind, holder[key])
            if source is None:
                if holder.get("optional"):
                    continue
                where = "the manifests have" if kind == "ConfigMap" else "the cluster has"
                raise SettingsError(f"{where} no {kind} {holder[key]!r}, which the pods need")
            made = _immutable(source)
            self.copies[kind, holder[key]] = made
            holder[key] = made["metadata"]["name"]
        self.hash = _digest([_without_images(self.template)])

    def rendered(self, image: str) -> Object:
        """The pod template with the image pinned and the configuration hash told to it."""
        template = with_image(self.template, image)
        for container in template["spec"]["containers"]:
            tell(container, CONFIG_VARIABLE, self.hash)
        return template


def with_image(template: Object, image: str) -> Object:
    """A copy of a pod template with the release's image wherever one of that repository stands."""
    made = copy.deepcopy(template)
    for container in (*made["spec"].get("initContainers", ()), *made["spec"]["containers"]):
        if same_repository(container["image"], image):
            container["image"] = image
    return made


def tell(container: Object, name: str, value: str) -> None:
    """Set a variable of a container."""
    others = [variable for variable in container.get("env", ()) if variable["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]


def repository(image: str) -> str:
    """The image's name without tag and digest."""
    name = image.split("@", 1)[0]
    head, _, tail = name.rpartition("/")
    return f"{head}/{tail.split(':', 1)[0]}" if head else tail.split(":", 1)[0]


def same_repository(one: str, other: str) -> bool:
    """Whether two images differ in tag or digest at most; another image in the pod, a side-car, is left alone."""
    return repository(one) == repository(other)


def _without_images(template: Object) -> Object:
    """The template without what a release or a color puts in: images, the color, the hash itself."""
    bare: Object = _colorless(template)
    for container in (*bare["spec"].get("initContainers", ()), *bare["spec"]["containers"]):
        container["image"] = repository(container["image"])
        variables = container.get("env", ())
        container["env"] = [one for one in variables if one["name"] not in (CONFIG_VARIABLE, "RELEASE_COLOR")]
    return bare


def _colorless(node: Any) -> Any:
    """A copy without the labels, and the selectors of labels, that name a color; both colors have one hash."""
    if isinstance(node, dict):
        return {key: _colorless(value) for key, value in node.items() if key != "color" or value not in set(Color)}
    return [_colorless(value) for value in node] if isinstance(node, list) else node


def _immutable(source: Object) -> Object:
    data = {key: source[key] for key in ("data", "binaryData", "stringData", "type") if source.get(key)}
    # a Secret's own UID salts its hash, so that nobody can guess a short value from a name
    salt = source["metadata"].get("uid", "") if source["kind"] == "Secret" else ""
    name = f"{source['metadata']['name']}-{_digest([data, salt])}"
    labels = {**(source["metadata"].get("labels") or {}), "verdigris.dev/part": "configuration"}
    return {
        "apiVersion": "v1",
        "kind": source["kind"],
        "metadata": {"name": name, "labels": labels},
        "immutable": True,
        **data,
    }


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:HASH]


def secret_values(secret: Object) -> list[str]:
    """What a Secret holds, in clear, for those who must keep it out of logs."""
    return [base64.b64decode(value).decode(errors="replace") for value in (secret.get("data") or {}).values()]
