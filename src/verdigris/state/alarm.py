"""Whether users are on a release that nobody answers for: decided from the journal, the lock and the users' route."""

from collections.abc import Callable

from verdigris.model import Color, Outcome, Record, Step, Traffic, Value, in_place
from verdigris.state.journal import Holder, Journal
from verdigris.state.unconfirmed import Unconfirmed, users_since


class Alarm(Value):
    """Users are on a release that nobody answers for."""

    text: str
    since: str
    """When they came to it; empty if no journal says so."""
    command: str
    """What ends it."""

    def __str__(self) -> str:
        return f"{self.text}{', since ' if self.since else ''}{self.since}; run: {self.command}"


def alarm(journal: Journal, holder: Holder | None, traffic: Traffic, environment: str) -> Alarm | None:
    """What is wrong with where users are, or ``None``.

    Args:
        holder: who holds the lock; one that is stopped watches nothing.
    """
    record = journal.record
    if record is None:
        return None
    if record.finished:
        return _needed(journal, record, traffic, environment)
    if (holder is not None and not holder.stopped) or not _exposed(record, traffic):
        left = journal.exposed  # by an earlier run
        return _left_on(left, left.reason, traffic, environment) if left is not None and left.has(traffic) else None
    recover = f"verdigris recover --env {environment}"
    if holder is not None:
        text = f"its {record.action} is stopped at the step {record.step} (pid {holder.pid})"
        recover = f"kill -KILL {holder.pid}; {recover}"
    else:
        text = f"its {record.action} died at the step {record.step}"
    if record.action == "rollback":
        text = f"users are on {_of_users(traffic)}, the rollback to {record.version} did not end: {text}"
    else:
        text = f"users are on {_of_users(traffic)}, a release that nobody watches: {text}"
    return Alarm(text=text, since=users_since(record), command=recover)


def unaccounted(
    journal: Journal, holder: Holder | None, traffic: Traffic, environment: str, damage: str, trouble: str
) -> Alarm | None:
    """What is wrong if users are on a color and the journal is lost, or can be kept no longer.

    Args:
        damage: why it cannot be read.
        trouble: why it cannot be written.
    """
    if traffic.color is None:
        return None
    record, users = journal.record, f"users are on {_of_users(traffic)}"
    verify, back = f"verdigris verify --env {environment}", f"verdigris rollback --env {environment}"
    if damage:
        text, command = f"nothing says whether it was confirmed: {damage}", f"put the journal back; or {verify}"
    elif record is None and (holder is None or holder.stopped):
        text = "nothing says whether it was confirmed: there is no journal"
        command = f"{verify}" if traffic.color is Color.LIVE else f"{verify}, or {back} --to {traffic.color.other}"
    elif trouble:
        text, command = (
            f"nothing more can be journaled: {trouble}",
            f"mend that, then verdigris recover --env {environment}",
        )
        if record is not None and not record.finished:
            text += (
                f"; the {record.action} of {record.version} did not end, as far as it says, at the step {record.step}"
            )
    else:
        return None
    return Alarm(text=f"{users}, and {text}", since="", command=command)


def refusal(journal: Journal, live: Callable[[], Traffic], environment: str) -> str:
    """Why nothing may replace or stop the release that users have to go back to; nothing if that is not so.

    Args:
        live: says who has the users; asked only if the journal makes that matter.
    """
    record, left = journal.record, journal.exposed
    if left is None and (record is None or record.finished):
        return ""
    traffic = live()
    recover, rollback = f"verdigris recover --env {environment}", f"verdigris rollback --env {environment}"
    if left is not None and left.before is not None and left.has(traffic):
        before = in_place(left.before.color, left.before.release.version)
        text = f"users are on {_of_users(traffic)}, which was not confirmed, and have to go back to {before}"
        here = left.deployment.release.version
        return f"{text}: run '{recover}' or '{rollback}' first; to leave them there: '{rollback} --to {here}'"
    if record is not None and not record.finished and record.live is not None and _exposed(record, traffic):
        return f"users are on {_of_users(traffic)}, and a {record.action} did not end: run '{recover}' first"
    return ""


def _needed(journal: Journal, record: Record, traffic: Traffic, environment: str) -> Alarm | None:
    """A run that ended with the word that a person is needed, be it the last one or not."""
    left, needed = journal.exposed, record.outcome is Outcome.PERSON_NEEDED
    said = record.objections[-1].text if record.objections else "no reason was recorded"
    if left is not None and not _back(left, traffic) and (left.has(traffic) or (needed and record.action == "release")):
        return _left_on(left, said if needed else left.reason, traffic, environment)
    if not needed or (left is not None and record.action == "release"):
        return None
    text = f"a person is needed: users are on {_of_users(traffic)}, the {record.action} to {record.version} did not end"
    command = f"verdigris recover --env {environment}"
    return Alarm(text=f"{text}: {said}", since=users_since(record), command=command)


def _left_on(left: Unconfirmed, said: str, traffic: Traffic, environment: str) -> Alarm:
    text = f"a person is needed: users are on {_of_users(traffic)}, which was not confirmed: {said}"
    command = f"verdigris rollback --env {environment}"
    if left.before is None:
        command = f"verdigris verify --env {environment}, or release a good version"
    return Alarm(text=text, since=left.since, command=command)


def _back(left: Unconfirmed, traffic: Traffic) -> bool:
    """Whether users are where they belong, whoever brought them there."""
    return left.before is not None and traffic.identity == left.before.identity


def _exposed(record: Record, traffic: Traffic) -> bool:
    """Whether users are on what an unfinished run brought them, or on what it should have taken from them."""
    if record.step is Step.SETTLE or record.candidate is None or record.release is None:
        return False
    if record.action == "rollback":
        return record.step is Step.ROLLBACK and traffic.identity != record.release.identity(record.candidate)
    moved = record.switched or record.step in (Step.SWITCH, Step.WATCH, Step.ROLLBACK)
    return moved and traffic.identity == record.release.identity(record.candidate)


def _of_users(traffic: Traffic) -> str:
    if traffic.identity is not None:
        return in_place(traffic.identity.color, traffic.identity.version)
    return str(traffic.color or "nothing")
