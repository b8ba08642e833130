"""What a release writes on the objects it works with, so that every process and every machine reads the same there."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from verdigris.errors import Conflict, Refused
from verdigris.model import Deployment, Release
from verdigris.platform.kubernetes.pods import RELEASE_LABEL
from verdigris.platform.kubernetes.transport import Object

STANDING = "verdigris.dev/deployment"
"""The annotation that holds what stands there, as JSON."""
GENERATION = "verdigris.dev/generation"
"""The annotation by which an older generation is kept out."""
TEMPLATE = "verdigris.dev/template"
"""The annotation that holds the digest of the pod template as it was released; another one was edited by a person."""
EDITED = "edited by hand"
"""The build of a deployment that is not what a release put there."""


def require_present(present: Object, mine: int | None) -> None:
    """The fence: a holder that was paused and wakes after a takeover writes nothing (fault 32).

    Raises:
        Conflict: where a newer generation than ``mine`` wrote the object.
    """
    newest = int(annotations(present).get(GENERATION, "0"))
    if mine is not None and newest > mine:
        raise Conflict(f"generation {newest} acts on this environment now; {mine} is over")


def stamping(generation: int) -> Callable[[Object | None], Object | None]:
    """A change that writes the generation onto an object that has an older one."""

    def decide(present: Object | None) -> Object | None:
        if present is None or int(annotations(present).get(GENERATION, "0")) >= generation:
            return None
        return {"metadata": {"annotations": {GENERATION: str(generation)}}}

    return decide


def standing(found: Object | None, container: str) -> Deployment | None:
    """What a Deployment's annotations say stands there, checked against what it really has."""
    if found is None or STANDING not in annotations(found):
        return None
    try:
        said = Deployment.model_validate_json(annotations(found)[STANDING])
    except ValueError as error:
        raise Refused(
            f"the annotation {STANDING} of {found['metadata']['name']} cannot be understood: {error}"
        ) from None
    label, _, digest = annotations(found).get(TEMPLATE, "").partition(":")
    if label == release_label(said.release) and digest != template_digest(found):
        image = next(
            one["image"] for one in found["spec"]["template"]["spec"]["containers"] if one["name"] == container
        )
        release = said.release.model_copy(update={"build": EDITED, "artifact": image})
        return said.model_copy(update={"release": release, "verified": False})
    return said


def intact(found: Object) -> bool:
    """Whether the pod template is what a release left there at its end, and nobody edited it since."""
    label = found["spec"]["template"]["metadata"].get("labels", {}).get(RELEASE_LABEL)
    return bool(annotations(found).get(TEMPLATE) == f"{label}:{template_digest(found)}")


def template_digest(found: Object) -> str:
    """The digest of a Deployment's pod template."""
    return hashlib.sha256(json.dumps(found["spec"]["template"], sort_keys=True).encode()).hexdigest()[:16]


def release_label(release: Release) -> str:
    """A release as the value of a label, and as the end of a name."""
    text = f"{release.version} {release.build} {release.config} {release.artifact}{release.edited}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def annotations(found: Object) -> dict[str, Any]:
    """An object's annotations."""
    return found["metadata"].get("annotations") or {}


def labels(selector: dict[str, str]) -> str:
    """A selector of labels, as a query has it."""
    return ",".join(f"{key}={value}" for key, value in selector.items())
