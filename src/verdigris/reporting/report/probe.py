"""What the users' probe saw: totals in words, and bins for the plot. Pure; drawing is another module's."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from verdigris.model import COLORS, Color, Identity, Record
from verdigris.reporting.report.text import clock, duration, first_line, joined, milliseconds, short
from verdigris.reporting.report.timeline import marks
from verdigris.reporting.report.view import Bins, Dot, Fact, Mark, ProbeView
from verdigris.watch.samples import Sample

WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Widths of a bin in seconds; the least one that makes few enough bins is taken."""
BINS = 400
IN_A_BIN = 20
"""Requests that a bin holds at least, on average: with fewer the rate would flicker between whole numbers."""
NEAR = (0.5, 1.0)
"""Seconds before and after the switch that are drawn request by request."""
DOTS = 2000
WHO = ("blue", "green", "before", "after", "other", "none")
"""A color, or where it rolls the release before or after; ``other`` for an answer that is neither or says nothing of
itself, ``none`` where there was no answer."""
TURNS = ("first new answer", "last old answer", "first old answer again")


def who(sample: Sample, known: Mapping[str, str]) -> str:
    """Who answered: one of ``WHO``.

    Args:
        known: what :func:`replaced` says.
    """
    if sample.status is None:
        return "none"
    identity = Identity.parse(sample.identity) if sample.identity else None
    if identity is None:
        return "other"
    return known.get(identity.header(), "other") if identity.color is Color.LIVE else str(identity.color)


def replaced(record: Record) -> dict[str, str]:
    """Where it rolls, no color tells answers apart: the header of the release ``before``, and of the one ``after``."""
    if record.candidate is not Color.LIVE:
        return {}
    found = {record.live.identity.header(): "before"} if record.live else {}
    return found | ({record.release.identity(Color.LIVE).header(): "after"} if record.release else {})


def view(record: Record, samples: Sequence[Sample]) -> ProbeView | None:
    """The view of ``samples``, or ``None`` where there are none."""
    if not samples:
        return None
    ordered = sorted(samples, key=lambda sample: sample.at)
    begin, end = ordered[0].at, ordered[-1].at
    shown = tuple(mark for mark in marks(record) if begin - 1 <= mark.at <= end + 1)
    rolls, known = record.candidate is Color.LIVE, replaced(record)
    move = "rollback" if record.action == "rollback" else "deploy" if rolls else "switch"
    zero = next((mark.at for mark in shown if mark.name == move), begin)
    switched = any(mark.name == move for mark in shown)
    lost = sum(sample.lost for sample in ordered)
    answered = sorted(sample.milliseconds for sample in ordered if sample.status is not None)
    facts = (
        *_totals(ordered, lost),
        *(_turns(record, ordered, zero, move, shown) if switched else ()),
        *_latency(answered),
    )
    near = tuple(
        Dot(sample.at - zero, sample.milliseconds, who(sample, known), sample.lost)
        for sample in ordered
        if switched and not rolls and -NEAR[0] <= sample.at - zero <= NEAR[1]
    )
    relative = tuple(Mark(mark.name, mark.at - zero) for mark in shown)
    return ProbeView(
        summary=_summary(len(ordered), lost, facts),
        requests=len(ordered),
        lost=lost,
        facts=facts,
        answers=_answers(ordered),
        errors=_errors(ordered),
        bins=bins(ordered, zero, known),
        marks=relative,
        near=near[:DOTS],
        near_marks=tuple(mark for mark in relative if -NEAR[0] <= mark.at <= NEAR[1]),
        names=_names(record, ordered),
        zero=f"the {move}" if switched else "the probe's first request",
    )


def bins(ordered: Sequence[Sample], zero: float, known: Mapping[str, str]) -> Bins:
    """The samples, sorted by time, in bins of equal width, one of which begins at ``zero``."""
    begin, end = ordered[0].at - zero, ordered[-1].at - zero
    rate = len(ordered) / max(end - begin, 0.001)
    fit = (width for width in WIDTHS if (end - begin) / width <= BINS and (rate * width >= IN_A_BIN or width >= 1))
    width = next(fit, max(WIDTHS[0], (end - begin) / BINS))
    low = math.floor(begin / width + 1e-9)
    number = max(1, math.floor(end / width + 1e-9) - low + 1)
    groups: list[list[Sample]] = [[] for _ in range(number)]
    for sample in ordered:
        groups[min(number - 1, max(0, math.floor((sample.at - zero) / width + 1e-9) - low))].append(sample)
    counts = [Counter(who(sample, known) for sample in group) for group in groups]
    latencies = [sorted(s.milliseconds for s in group if s.status is not None) for group in groups]
    return Bins(
        edges=tuple((low + index) * width for index in range(number + 1)),
        rates={name: tuple(count[name] / width for count in counts) for name in WHO},
        median=tuple(percentile(values, 50) if values else None for values in latencies),
        p99=tuple(percentile(values, 99) if len(values) >= 100 else None for values in latencies),
        slowest=tuple(values[-1] if values else None for values in latencies),
        lost=tuple(sum(sample.lost for sample in group) for group in groups),
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a value that was really seen."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _totals(ordered: Sequence[Sample], lost: int) -> Iterable[Fact]:
    span = ordered[-1].at - ordered[0].at
    kept = sum(sample.kept for sample in ordered)
    yield Fact("requests", f"{len(ordered):,} over {duration(span)}")
    yield Fact("connections", f"{kept:,} requests on kept ones, {len(ordered) - kept:,} on fresh ones")
    yield Fact("lost", f"{lost:,} of {len(ordered):,}" + (f" ({100 * lost / len(ordered):.2g} %)" if lost else ""))


def _latency(answered: Sequence[float]) -> Iterable[Fact]:
    if not answered:
        yield Fact("latency", "no answer at all")
        return
    yield Fact("p50", milliseconds(percentile(answered, 50)))
    yield Fact("p99", milliseconds(percentile(answered, 99)))
    yield Fact("slowest", milliseconds(answered[-1]))


def _turns(record: Record, ordered: Sequence[Sample], zero: float, move: str, shown: Sequence[Mark]) -> Iterable[Fact]:
    """When the answers turned from one release to the other, and back."""
    if record.candidate is None:
        return
    new, old = ("after", "before")
    if record.candidate is not Color.LIVE:
        new, old = str(record.candidate), str(record.candidate.other)
    known, names = replaced(record), {"after": record.version, "before": _before(record)}
    answers = [(sample.at, who(sample, known)) for sample in ordered]
    back = next((mark.at for mark in shown if mark.name == "rollback" and move != "rollback"), None)
    before = [answer for answer in answers if back is None or answer[0] < back]
    yield from _when("first new answer", new, before, zero, 0, move, names)
    yield from _when("last old answer", old, before, zero, -1, move, names)
    if back is not None:
        yield from _when("last new answer", new, answers, back, -1, "rollback", names)
        after = [answer for answer in answers if answer[0] >= back]
        yield from _when("first old answer again", old, after, back, 0, "rollback", names)


def _before(record: Record) -> str:
    return record.live.release.version if record.live else "the release before"


def _when(
    name: str,
    place: str,
    answers: Sequence[tuple[float, str]],
    zero: float,
    which: int,
    since: str,
    names: Mapping[str, str],
) -> Iterable[Fact]:
    times, named = [at for at, found in answers if found == place], names.get(place, place)
    if not times:
        yield Fact(f"no {name.split(' ', 1)[1]}", f"nothing came from {named}")
        return
    offset = times[which] - zero
    relation = f"{duration(abs(offset))} {'after' if offset >= 0 else 'before'} the {since} was begun"
    yield Fact(name, f"{relation}, sent {clock(times[which])}, by {named}")


def _answers(ordered: Sequence[Sample]) -> tuple[Fact, ...]:
    seen = Counter(
        "no answer" if sample.status is None else called(sample.identity or "") for sample in ordered
    ).most_common()
    rows = [Fact(name, f"{number:,}") for name, number in seen[:8]]
    rest = sum(number for _, number in seen[8:])
    return (*rows, Fact(f"{len(seen) - 8} others", f"{rest:,}")) if rest else tuple(rows)


def _errors(ordered: Sequence[Sample]) -> tuple[Fact, ...]:
    seen = Counter(
        short(first_line(sample.error), 160) or (f"status {sample.status}" if sample.status else "no answer")
        for sample in ordered
        if sample.lost
    ).most_common(8)
    return tuple(Fact(name, f"{number:,}") for name, number in seen)


def called(header: str) -> str:
    """An identity header in words."""
    identity = Identity.parse(header)
    if header.startswith("no identity"):
        return short(header, 120)
    return str(identity) if identity else f"no whole identity ({short(header, 80)})" if header else "no identity"


def _names(record: Record, ordered: Sequence[Sample]) -> dict[str, str]:
    seen = Counter(sample.identity for sample in ordered if sample.identity)
    if record.candidate is Color.LIVE:
        return {"before": short(_before(record), 40), "after": short(record.version, 40)}
    names = {str(color): str(color) for color in COLORS}
    for header, _ in reversed(seen.most_common()):
        if identity := Identity.parse(header):
            names[str(identity.color)] = f"{identity.color} {identity.version}"
    if record.live:
        names[str(record.live.color)] = f"{record.live.color} {record.live.release.version}"
    if record.candidate:
        names[str(record.candidate)] = f"{record.candidate} {record.version}"
    return {color: short(name, 40) for color, name in names.items()}


def _summary(requests: int, lost: int, facts: Sequence[Fact]) -> str:
    loss = "none was lost" if not lost else f"{lost:,} {'was' if lost == 1 else 'were'} lost"
    turns = [f"the {fact.name} came {fact.value.split(',')[0]}" for fact in facts if fact.name in TURNS]
    told = joined(turns)
    return f"{requests:,} requests, {loss}." + (f" {told[0].upper()}{told[1:]}." if told else "")
