"""What came of a kill: who is live, what users are answered, and whether that is what the journal says."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from verdigris.model import Deployment, Outcome, Record
from verdigris.platform import Platform
from verdigris.platform.observer import answer_of

ASKED = 5
"""How many users are asked who is live."""


@dataclass
class Kill:
    """What came of one kill."""

    flow: str
    number: int
    point: str
    reached: bool = True
    seconds: float = 0.0
    """How long ``recover`` took as a process, its start included."""
    wrong: list[str] = field(default_factory=list)
    """What was not as it has to be."""
    manual: list[str] = field(default_factory=list)
    """What a person would have had to do."""
    began: float = 0.0
    ended: float = 0.0
    lost: int = 0
    losses: list[str] = field(default_factory=list)
    """What users saw who lost a request."""

    def __str__(self) -> str:
        said = "; ".join([*self.wrong, *self.manual, *self.losses]) or "recovered"
        return f"{self.flow} {self.number} ({self.point}): {said}, {self.seconds:.2f} s, {self.lost} lost"


def wrong(platform: Platform, before: str | None) -> Iterator[str]:
    """What is not as it has to be after ``recover``.

    Args:
        platform: as the machine sees it on which it was recovered.
        before: the version that was live before the run.
    """
    record = platform.journal.read().record  # none where it died before it wrote the first
    if record is not None and not record.finished:
        yield f"the journal stands at {record.step}"
    traffic = platform.live()
    live = platform.standing(traffic.color) if traffic.color else None
    if before is not None and traffic.color is None:
        yield "nobody is live"
    if traffic.color is not None and (live is None or not live.verified):
        yield f"live is {traffic.color}, which was not verified"
    yield from _answered(platform, live)
    if record is not None:
        yield from _as_journaled(record, live.release.version if live else None, before)
    lines = platform.audit.entries()
    if record is not None and record.action != "candidate":
        count = sum(line.release == record.id for line in lines)
        if count != 1:
            yield f"the audit log has {count} lines of {record.id}"


def _answered(platform: Platform, live: Deployment | None) -> Iterator[str]:
    """Every user is answered by who is live, by nobody where nobody is."""
    expected = (200, live.identity) if live else (503, None)
    for _ in range(ASKED):
        status, identity, seen = answer_of(platform.users(), "/", "x-release")
        if (status, identity) != expected:
            yield f"users are answered {seen}, live is {live.identity if live else 'nobody'}"
            return


def _as_journaled(record: Record, live: str | None, before: str | None) -> Iterator[str]:
    was = record.live.release.version if record.live else None
    expected = {
        Outcome.CONFIRMED: record.version,
        Outcome.ROLLED_BACK: record.version if record.action == "rollback" else was,
        Outcome.PERSON_NEEDED: record.version,
        Outcome.HELD: before,
        Outcome.REFUSED: before,
    }
    if record.outcome is not None and live != expected[record.outcome]:
        yield f"live is {live}, the journal says {record.outcome} of a {record.action} of {record.version}"
