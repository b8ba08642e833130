"""What a person did by hand to who has the users, in an emergency, is taken as it is: it is live, so it counts."""

from verdigris.errors import Conflict
from verdigris.model import Color, Deployment, Release, now
from verdigris.platform.base import Answer
from verdigris.platform.kubernetes import pods as pods_module
from verdigris.platform.kubernetes.annotations import (
    EDITED,
    GENERATION,
    STANDING,
    TEMPLATE,
    annotations,
    release_label,
    template_digest,
)
from verdigris.platform.kubernetes.colors import Colors
from verdigris.platform.kubernetes.transport import Object


def adopt(colors: Colors, live: Color, answer: Answer) -> str | None:
    """Write on a live Deployment what it is, where no release put it there or a person edited it.

    Args:
        answer: what users are answered; its identity is what the deployment is, for nobody else says so.

    Returns:
        What was taken over, in words; ``None`` where there was nothing to take over.

    Raises:
        Conflict: where it does not answer as itself, so nobody can say what it is.
    """
    found, standing = colors.deployment(live), colors.standing(live)
    if found is None or (standing is not None and standing.release.build != EDITED):
        return None
    identity = answer.identity
    if answer.status != 200 or identity is None or identity.color is not live:
        raise Conflict(
            f"{live} has the users, was not put there by a release, and answers {answer.seen}: nobody can say what it "
            "is; put it right by hand, or move the users to the other color"
        )
    _require_rolled_out(live, found)
    name = colors.container(live)["name"]
    image = next(one["image"] for one in found["spec"]["template"]["spec"]["containers"] if one["name"] == name)
    if "@" not in image:  # what a tag means may change; what runs does not
        image = next(iter(pods_module.images(colors.pods(live), name)), image)
    migration = standing.release.migration if standing else None
    digest = template_digest(found)
    release = Release(
        version=identity.version,
        build=identity.build,
        config=identity.config,
        migration=migration,
        artifact=image,
        edited=digest,
    )
    generation = int(annotations(found).get(GENERATION, "0"))
    deployment = Deployment(color=live, release=release, generation=generation, deployed=now())
    colors.renderings.keep(release, live, [_bare(one) for one in (found, *colors.workers.present(live))])

    def decide(present: Object | None) -> Object | None:
        if present is None or template_digest(present) != digest:
            raise Conflict(f"the Deployment of {live} is being changed by somebody")
        notes = {STANDING: deployment.model_dump_json(), TEMPLATE: f"{release_label(release)}:{digest}"}
        return None if annotations(present).get(TEMPLATE) == notes[TEMPLATE] else {"metadata": {"annotations": notes}}

    colors.cluster.change("Deployment", colors.name(live), decide)
    before = f", in place of {standing.release.version}" if standing else ""
    return f"{deployment.identity} has the users by a person's hand{before}; it was never verified"


def _require_rolled_out(live: Color, found: Object) -> None:
    """Who answers says what the Deployment is only where no pod of an earlier template is left."""
    status = found.get("status", {})
    seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
    if not seen or status.get("updatedReplicas", 0) != status.get("replicas", 0):
        raise Conflict(
            f"the Deployment of {live} was changed by hand and its pods are not all of what it is now: wait for its "
            "rollout, or put it right by hand"
        )


def _bare(found: Object) -> Object:
    """A Deployment as it could be applied again."""
    metadata = {key: found["metadata"][key] for key in ("name", "labels") if key in found["metadata"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": found["spec"]}
