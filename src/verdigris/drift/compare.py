"""Where two environments differ: their objects made comparable, compared path by path, and what the settings allow.

A path is the object and the keys below it: ``deployment/shop.spec.template.spec.containers.shop.resources.limits.cpu``.
What is alike by intent counts as equal: names that only a color tells apart, hosts, the namespace, the number of pods,
the placeholders that a release replaces, and everything that the API server adds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from verdigris.model import COLORS, Value
from verdigris.settings.drift_paths import Path, matches, said

Object = dict[str, Any]
_COLORED = re.compile(rf"^(.+)-({'|'.join(COLORS)})$")
_RELEASE_VARIABLES = ("RELEASE_COLOR", "RELEASE_CONFIG")
_OWN = ("verdigris.dev/", "deployment.kubernetes.io/", "kubectl.kubernetes.io/")
_SERVER_SIDE = {
    ("metadata", key)
    for key in (
        "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace", "name",
        "ownerReferences", "selfLink",
    )
} | {("status",), ("immutable",)}  # fmt: skip
_OF_KIND: dict[str, set[Path]] = {
    "deployment": {("spec", "replicas")},
    "service": {("spec", key) for key in ("clusterIP", "clusterIPs", "healthCheckNodePort")},
}
ABSENT = "absent"
PRESENT = "present"


class Difference(Value):
    """One path at which they differ."""

    path: str
    one: str
    other: str
    allowed: str = ""
    """The pattern of the settings that allows it."""


class Side(Value):
    """One environment's words that are not the other's, and its objects."""

    words: dict[str, str]
    """What is replaced before it is compared, such as its host, and by what."""
    color: str | None = None
    """The color that is compared, where it has two; objects of the other one are left out."""
    objects: tuple[Object, ...] = ()


def compared(first: Mapping[Path, Any], second: Mapping[Path, Any], allow: Sequence[str]) -> tuple[Difference, ...]:
    """The paths at which two tables of facts differ; of an object that one side lacks, only that."""
    found, lacking = [], {path for path in first.keys() ^ second.keys() if len(path) == 1}
    for path in sorted(first.keys() | second.keys()):
        if first.get(path, ABSENT) == second.get(path, ABSENT) or (len(path) > 1 and path[:1] in lacking):
            continue
        allowed = next((pattern for pattern in allow if matches(pattern, path)), "")
        values = [str(side.get(path, ABSENT)) for side in (first, second)]
        found.append(Difference(path=said(path), one=values[0], other=values[1], allowed=allowed))
    return tuple(found)


# --- facts -------------------------------------------------------------------------------------------------------


def facts(side: Side) -> dict[Path, Any]:
    """What is so in an environment, by path, in words that another one could have too."""
    mine = [found for found in side.objects if not _of_another_color(found, side.color)]
    there = {(found["kind"], found["metadata"]["name"]) for found in mine}
    known: dict[Path, Any] = {}
    for found in mine:
        kind = found["kind"].lower()
        head = f"{kind}/{_bare(found['kind'], found['metadata']['name'], there)}"
        known[(head,)] = PRESENT
        left_out = _SERVER_SIDE | _OF_KIND.get(kind, set())
        content = {key: value for key, value in found.items() if key not in ("apiVersion", "kind")}
        for path, value in _flat(content, ()):
            if not any(path[: len(one)] == one for one in left_out) and not _of_a_release(path, value):
                known[(head, *(_replaced(part, side.words) for part in path))] = _plain(path, value, side)
    return known


def _of_another_color(found: Object, color: str | None) -> bool:
    labels = found["metadata"].get("labels") or {}
    template = ((found.get("spec") or {}).get("template") or {}).get("metadata", {}).get("labels") or {}
    theirs = {labels.get("color"), template.get("color")} & set(COLORS)
    named = _COLORED.match(found["metadata"]["name"])
    theirs |= {named[2]} if named else set()
    return color is not None and bool(theirs) and color not in theirs


def _bare(kind: str, name: str, there: set[tuple[str, str]]) -> str:
    """The name without a color, but where an object of that kind has this name itself."""
    named = _COLORED.match(name)
    if named is None:
        return name
    return f"{named[1]}-COLOR" if (kind, named[1]) in there else named[1]


def _flat(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The leaves below a node; an element of a list goes by its name, host or port where it has one."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, (*path, str(key)))
    elif isinstance(node, list) and any(isinstance(one, dict) for one in node):
        for number, one in enumerate(node):
            named = next((str(one[key]) for key in ("name", "host", "path", "port", "type") if key in one), str(number))
            yield from _flat(one, (*path, named))
    else:
        yield path, node


def _of_a_release(path: Path, value: Any) -> bool:
    """What a release, a color or the API server puts in, and no person."""
    if any(part.startswith(_OWN) for part in path):
        return True
    if any(part in _RELEASE_VARIABLES for part in path):
        return True
    return path[-1] == "nodePort" or (path[-1] == "color" and (value in set(COLORS) or value == "none"))


def _plain(path: Path, value: Any, side: Side) -> Any:
    if isinstance(value, list):
        return ", ".join(sorted(_replaced(str(one), side.words) for one in value))
    if path[-1] == "image" and isinstance(value, str):
        return re.sub(r"(@sha256:[0-9a-f]+|:[^/:]+)$", "", value.split("@")[0])
    if isinstance(value, str):
        value = _replaced(value, side.words)
        named = _COLORED.match(value)
        return named[1] if named and path[-1] in ("name", "secretName") else value
    return value


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, words[word])
    return text


def unused(found: Iterable[Difference], allow: Sequence[str]) -> tuple[str, ...]:
    """The patterns that allow nothing that is there."""
    used = {one.allowed for one in found}
    return tuple(pattern for pattern in allow if pattern not in used)
