"""Whether users are on a release that nobody answers for: decided from the journal, the lock and the users' route."""

from deploy.journal import Holder, Journal
from deploy.model import Outcome, Record, Step, Traffic, Value, in_place


class Alarm(Value):
    """Users are on a release that nobody answers for."""

    text: str
    since: str
    """When they came to it, as far as the journal says."""
    command: str
    """What ends it."""

    def __str__(self) -> str:
        return f"{self.text}, since {self.since}; run: {self.command}"


def alarm(journal: Journal, holder: Holder | None, traffic: Traffic, environment: str) -> Alarm | None:
    """What is wrong with where users are, or ``None``.

    Args:
        holder: who holds the lock; one that is stopped watches nothing.
    """
    record = journal.record
    if record is None:
        return None
    if record.finished:
        return _needed(record, traffic, environment)
    if (holder is not None and not holder.stopped) or not _exposed(record, traffic):
        return None
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
    return Alarm(text=text, since=_since(record), command=recover)


def _needed(record: Record, traffic: Traffic, environment: str) -> Alarm | None:
    """A run that ended with the word that a person is needed."""
    if record.outcome is not Outcome.PERSON_NEEDED:
        return None
    said = record.objections[-1].text if record.objections else "no reason was recorded"
    text = f"a person is needed: users are on {_of_users(traffic)}, which was not confirmed: {said}"
    if record.live is None:
        command = f"verdigris verify --env {environment}, or release a good version"
    else:
        command = f"verdigris rollback --env {environment}"
    return Alarm(text=text, since=_since(record), command=command)


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


def _since(record: Record) -> str:
    """When the users were moved; where that is not said, when the last thing was."""
    moved = [moment.at for moment in record.timeline if moment.step is Step.SWITCH]
    moved = moved or [moment.at for moment in record.timeline if moment.step is not Step.DONE]
    return moved[-1] if moved else record.started
