"""The verdict as one plain sentence: what became of the release, why, and who has the users."""

from itertools import groupby

from verdigris.errors import ExitStatus
from verdigris.model import Kind, Objection, Outcome, Record, Step, in_place
from verdigris.reporting.report.text import first_line, joined, short, spoken
from verdigris.reporting.report.view import Fact, Reasons, Verdict

_WORST = (Kind.REFUSED, Kind.NOT_VALID, Kind.FAILED, Kind.NOT_CONCLUSIVE)
CLAUSE = 80
"""Letters that a clause of the sentence may have; a longer one ends at its colon."""
_STATES = {Outcome.CONFIRMED: "good", Outcome.ROLLED_BACK: "bad", Outcome.PERSON_NEEDED: "bad"}
_VERBS = {
    Outcome.CONFIRMED: "was confirmed",
    Outcome.HELD: "was held",
    Outcome.ROLLED_BACK: "was rolled back",
    Outcome.REFUSED: "was refused",
    Outcome.PERSON_NEEDED: "needs a person",
}


def verdict(record: Record) -> Verdict:
    """What ``record`` came to."""
    status = record.exit_status
    if record.outcome is None:
        return Verdict(
            word="not finished",
            state="warn",
            sentence=f"{subject(record)} has not finished: it stands at the step {record.step}",
            exit_status="none" if status is None else str(int(status)),
            meaning="the outcome is not known yet" if status is None else status.meaning,
        )
    parts = [part for part in (_why(record), _users(record)) if part]
    word, verb, state = str(record.outcome), _VERBS[record.outcome], _STATES.get(record.outcome, "warn")
    if record.action == "rollback" and record.outcome is Outcome.ROLLED_BACK:
        verb, state = "was done", "good"
    elif _candidate_only(record) and status is ExitStatus.CONFIRMED:
        word, verb, state = "taken down", "was stood up for suites and taken down again", "good"
    return Verdict(
        word=word,
        state=state,
        sentence=f"{subject(record)} {verb}" + (": " if parts else "") + "; ".join(parts),
        exit_status="unknown" if status is None else str(int(status)),
        meaning=_meaning(record),
    )


def _meaning(record: Record) -> str:
    if record.exit_status is None:
        return "no exit status was recorded; the outcome counts as unknown"
    if record.exit_status is ExitStatus.CONFIRMED and record.action != "release":
        return "what was asked for was done"
    return record.exit_status.meaning


def subject(record: Record) -> str:
    """What the sentence is about."""
    application = record.notes.get("application", "")
    named = f"{application} {record.version}" if application else f"Release {record.version}"
    if record.action == "rollback":
        return f"The rollback to {record.version}" if not application else f"The rollback to {named}"
    return f"The candidate {record.version}" if _candidate_only(record) and not application else named


def _candidate_only(record: Record) -> bool:
    return record.action == "candidate"


def _why(record: Record) -> str:
    if record.outcome is Outcome.CONFIRMED:
        passed = list(dict.fromkeys(result.suite for result in record.suites if result.verdict == "passed"))
        passed = [suite for suite in passed if suite in record.required] or passed
        return f"{joined(passed)} passed" if passed else ""
    worst = next((kind for kind in _WORST if any(o.kind is kind for o in record.objections)), None)
    if worst is None:
        return ""
    chosen = [objection for objection in record.objections if objection.kind is worst]
    control = [spoken(o.suite) for o in chosen if o.suite and o.rule == "control"]
    if control:
        return f"{joined(control)} failed on the live color too, so the environment is at fault and not the candidate"
    suites = list(dict.fromkeys(spoken(objection.suite) for objection in chosen if objection.suite))
    parts = [_of_suites(worst, suites)] if suites else []
    alone = next((objection.text for objection in chosen if not objection.suite), "")
    if alone:
        parts.append(_clause(alone))
    return joined(parts)


def _clause(text: str) -> str:
    """As much of an objection as a sentence bears; the whole of it stands under the reasons."""
    clause = first_line(text).split("; ")[0].rstrip(".")
    return short(clause if len(clause) <= CLAUSE else clause.split(": ")[0], 2 * CLAUSE)


def _of_suites(kind: Kind, suites: list[str]) -> str:
    several = len(suites) > 1
    match kind:
        case Kind.FAILED:
            return f"{joined(suites)} failed"
        case Kind.NOT_VALID:
            return f"the evidence of {joined(suites)} is not valid"
        case Kind.NOT_CONCLUSIVE:
            return f"{joined(suites)} {'are' if several else 'is'} not conclusive"
        case Kind.REFUSED:
            return f"{joined(suites)} cannot be run"


def _users(record: Record) -> str:
    before = in_place(record.live.color, record.live.release.version) if record.live else ""
    there = in_place(record.candidate, record.version) if record.candidate else ""
    match record.outcome:
        case Outcome.CONFIRMED if not _candidate_only(record):
            return f"users are on {there or 'it'}"
        case Outcome.ROLLED_BACK if record.action == "rollback":
            return f"users are on {there}" if there else ""
        case Outcome.ROLLED_BACK:
            return f"users are back on {before}" if before else "traffic is where it was before"
        case Outcome.PERSON_NEEDED:
            return "who has the users is not certain"
        case Outcome.HELD if any(moment.step is Step.ROLLBACK for moment in record.timeline):
            return "it was the first release and was taken away again"
        case _ if record.switched:
            return "the switch had been written, so see the timeline for who has the users"
        case _:
            return f"users stayed on {before}" if before else "no users were on it"


def reasons(objections: tuple[Objection, ...]) -> tuple[Reasons, ...]:
    """The objections by kind, the worst first, and by suite in the order they were raised."""
    order = list(dict.fromkeys(objection.suite or "" for objection in objections))
    ranked = sorted(objections, key=lambda o: (_WORST.index(o.kind), order.index(o.suite or "")))
    return tuple(
        Reasons(suite, str(kind), tuple(Fact(objection.rule, objection.text) for objection in group))
        for (kind, suite), group in groupby(ranked, key=lambda o: (o.kind, o.suite or ""))
    )
