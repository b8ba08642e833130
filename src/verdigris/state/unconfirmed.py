"""A release that users were left on though it was neither confirmed nor taken back: its run called a person.

Other runs follow and take its place in the journal, so it is kept beside them: what the users are on is no less
unproven because a later run was held.
"""

from verdigris.model import Color, Deployment, Outcome, Record, Step, Traffic, Value


class Unconfirmed(Value):
    """That release, and where its users belong."""

    deployment: Deployment
    before: Deployment | None
    """Who had the users before it; ``None`` of a first release."""
    since: str
    reason: str

    def has(self, traffic: Traffic) -> bool:
        """Whether it has the users: in a color whatever a person made of it by hand, in ``live`` only as itself."""
        if traffic.color is not self.deployment.color:
            return False
        return traffic.color is not Color.LIVE or traffic.identity == self.deployment.identity


def left_by(record: Record | None) -> Unconfirmed | None:
    """What a run left its users on, if it ended with the word that a person is needed."""
    if record is None or record.outcome is not Outcome.PERSON_NEEDED or record.action != "release":
        return None
    if not record.switched or record.release is None or record.candidate is None:
        return None
    deployment = Deployment(
        color=record.candidate,
        release=record.release,
        generation=record.generation,
        deployed=record.started,
        verified=record.verified,
    )
    reason = record.objections[-1].text if record.objections else "no reason was recorded"
    return Unconfirmed(deployment=deployment, before=record.live, since=users_since(record), reason=reason)


def after(present: Unconfirmed | None, record: Record) -> Unconfirmed | None:
    """What users are left on when ``record`` is journaled; ``present`` is what they were left on before.

    It ends with a confirmed release, with a rollback that a person asked for, and where a run finds or leaves the users
    on another release.
    """
    if (left := left_by(record)) is not None:
        return left
    if record.outcome is Outcome.CONFIRMED or (record.outcome is Outcome.ROLLED_BACK and record.action == "rollback"):
        return None
    if present is None or record.action != "release" or record.live is None:
        return present
    live = record.live
    return present if present.has(Traffic(color=live.color, identity=live.identity, token="")) else None


def users_since(record: Record) -> str:
    """When the users were moved; where that is not said, when the last thing was."""
    moved = [moment.at for moment in record.timeline if moment.step is Step.SWITCH]
    moved = moved or [moment.at for moment in record.timeline if moment.step is not Step.DONE]
    return moved[-1] if moved else record.started
