"""The configuration of a release.

A release is an image digest and a configuration hash. The hash covers everything of a pod but its image: the pod
template, the ConfigMaps and the Secrets that it names. Those are rendered to immutable copies called ``NAME-HASH``,
so a color keeps the configuration it was verified with, whatever becomes of the files and of the Secret.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from verdigris.errors import SettingsError
from verdigris.model import Color
from verdigris.platform.kubernetes.transport import Object

CONFIG_VARIABLE = "RELEASE_CONFIG"
"""The variable by which a pod knows its configuration hash."""
HASH = 8
PART = "verdigris.dev/part"
"""The label of what a release makes: ``configuration``, ``rendering``, ``migration``."""


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
        for source in volume.get("projected", {}).get("sources", ()):
            for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if key in source:
                    yield kind, source[key], "name"


class Configuration:
    """The configuration of a release: its ConfigMaps and Secrets as immutable copies, and the hash of it all.

    Args:
        templates: the pod templates of the files, the application's own first.
        found: asked for the ConfigMap (of the files) or the Secret (of the cluster) of a name; ``None`` where there
            is none.
    """

    def __init__(self, templates: Sequence[Object], found: Callable[[str, str], Object | None]) -> None:
        self.templates = copy.deepcopy(list(templates))
        self.copies: dict[tuple[str, str], Object] = {}
        for kind, holder, key in (one for template in self.templates for one in references(template)):
            source = found(kind, holder[key])
            if source is None:
                if holder.get("optional"):
                    continue
                where = "the manifests have" if kind == "ConfigMap" else "the cluster has"
                raise SettingsError(f"{where} no {kind} {holder[key]!r}, which the pods need")
            made = _immutable(source)
            self.copies[kind, holder[key]] = made
            holder[key] = made["metadata"]["name"]
        own = self.templates[0]["spec"]["containers"][0]["image"]
        self.hash = _digest([_without_image(template, own) for template in self.templates])

    def rendered(self, image: str) -> list[Object]:
        """The pod templates with the image pinned and the configuration hash told to them."""
        made = [with_image(template, image) for template in self.templates]
        for container in (one for template in made for one in template["spec"]["containers"]):
            tell(container, CONFIG_VARIABLE, self.hash)
        return made


def with_image(template: Object, image: str) -> Object:
    """A copy of a pod template with the release's image wherever one of that repository stands."""
    made = copy.deepcopy(template)
    for container in (*made["spec"].get("initContainers", ()), *made["spec"]["containers"]):
        if same_repository(container["image"], image):
            container["image"] = image
    return made


def require_named(template: Object, image: str) -> None:
    """Refuse a release whose image no container would run.

    Raises:
        SettingsError: naming both.
    """
    names = [repository(container["image"]) for container in template["spec"]["containers"]]
    if repository(image) not in names:
        raise SettingsError(
            f"the image is {repository(image)}, and the manifests' containers have {', '.join(names)}: "
            "nothing of the release would run; give the Deployments and the Job its name"
        )


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


def _without_image(template: Object, own: str) -> Object:
    """The template without what a release or a color puts in: its own image, the color, the hash itself."""
    bare: Object = _colorless(template)
    for container in (*bare["spec"].get("initContainers", ()), *bare["spec"]["containers"]):
        if same_repository(container["image"], own):
            container["image"] = repository(own)
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
    labels = {**(source["metadata"].get("labels") or {}), PART: "configuration"}
    return {
        "apiVersion": "v1",
        "kind": source["kind"],
        "metadata": {"name": name, "labels": labels},
        "immutable": True,
        **data,
    }


def _digest(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:HASH]
