"""The steps of a release with their durations, from the moments the journal kept."""

from itertools import groupby

from verdigris.model import Color, Moment, Record, Step
from verdigris.reporting.report.text import clock, duration, parse_time
from verdigris.reporting.report.view import Fact, Mark, StepBar

MARKED = (Step.SWITCH, Step.WATCH, Step.ROLLBACK, Step.SETTLE)
ROLLING = (Step.DEPLOY, Step.VERIFY, *MARKED)
"""Where it rolls, users meet the release from the deploy on."""


def steps(record: Record) -> tuple[StepBar, ...]:
    """The timeline, a bar a step; the step that closes it has no length."""
    moments = [(at, moment) for moment in record.timeline if (at := parse_time(moment.at)) is not None]
    if not moments:
        return ()
    times = [at for at, _ in moments]
    begun = parse_time(record.started)
    begin, end = min(times if begun is None else [begun, *times]), max(times)
    whole = max(end - begin, 0.001)
    groups = [list(group) for _, group in groupby(moments, key=lambda pair: pair[1].step)]
    starts = [group[0][0] for group in groups]
    bars = []
    for index, group in enumerate(groups):
        last = index == len(groups) - 1
        until = group[-1][0] if last else starts[index + 1]
        lasted = max(until - starts[index], 0.0)
        bars.append(
            StepBar(
                step=str(group[0][1].step),
                begins=f"+{duration(starts[index] - begin)}",
                lasts="" if last and not lasted else duration(lasted),
                left=round(100 * (starts[index] - begin) / whole, 2),
                width=round(100 * lasted / whole, 2),
                lines=tuple(Fact(clock(at), moment.text) for at, moment in group),
            )
        )
    return tuple(bars)


def lasted(record: Record) -> float | None:
    """Seconds from the start to the last line of the timeline."""
    times = [at for moment in record.timeline if (at := parse_time(moment.at)) is not None]
    begun = parse_time(record.started)
    return max(times) - begun if times and begun is not None else None


def marks(record: Record) -> tuple[Mark, ...]:
    """When the steps began that users may have felt, in seconds since the epoch."""
    return tuple(
        Mark(str(step), at)
        for step in (ROLLING if record.candidate is Color.LIVE else MARKED)
        if (moment := _first(record, step)) is not None and (at := parse_time(moment.at)) is not None
    )


def _first(record: Record, step: Step) -> Moment | None:
    return next((moment for moment in record.timeline if moment.step is step), None)
