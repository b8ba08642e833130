"""The reasons to take a release back while it is watched: pure, a table of rules, as those of the suites are."""

from collections.abc import Callable, Iterator

from verdigris.model import Identity, Kind, Objection, Value
from verdigris.platform.base import Health
from verdigris.settings import WatchSettings
from verdigris.watch.samples import Sample


class View(Value):
    """What the watch has seen so far."""

    settings: WatchSettings
    expected: Identity
    samples: tuple[Sample, ...]
    """The probe's samples since the switch was observed."""
    earlier: int = 0
    """How many good ones there were besides, which are no longer kept."""
    planned: int
    """How many there should be by now."""
    windows: tuple[tuple[Sample, ...], ...]
    """The same, cut into whole windows."""
    health: Health
    log_lines: tuple[str, ...] = ()
    """Lines of the candidate's log that match ``log_errors``."""


def _running(view: View) -> Iterator[tuple[Kind, str]]:
    if not view.health.running:
        yield Kind.FAILED, f"the release stopped running: {view.health.reason}"


def _lost(view: View) -> Iterator[tuple[Kind, str]]:
    lost = [sample for sample in view.samples if sample.lost]
    if len(lost) > view.settings.errors:
        first = f"status {lost[0].status}" if lost[0].status is not None else lost[0].error
        text = (
            f"users' requests fail: {len(lost)} of {len(view.samples) + view.earlier} probes, "
            f"borne are {view.settings.errors}; the first: {first}"
        )
        yield Kind.FAILED, text


def _stranger(view: View) -> Iterator[tuple[Kind, str]]:
    wrong = [sample for sample in view.samples if not sample.lost and not sample.said_by(view.expected)]
    if wrong:
        text = (
            f"{len(wrong)} users' requests were answered by somebody else after the switch was observed: "
            f"{wrong[0].identity or 'no identity'}"
        )
        yield Kind.NOT_VALID, text


def _slow(view: View) -> Iterator[tuple[Kind, str]]:
    strikes = view.windows[-view.settings.strikes :]
    if len(strikes) < view.settings.strikes:
        return
    shares = [_share_within(window, view.settings.answer_ms) for window in strikes]
    if all(share < view.settings.within for share in shares):
        text = (
            f"users wait: for {len(strikes)} windows in a row only {100 * max(shares):.0f} % or less of the answers "
            f"came within {view.settings.answer_ms:g} ms, {100 * view.settings.within:g} % must"
        )
        yield Kind.FAILED, text


def _share_within(window: tuple[Sample, ...], limit: float) -> float:
    return sum(sample.milliseconds <= limit for sample in window) / len(window) if window else 0.0


def _blind(view: View) -> Iterator[tuple[Kind, str]]:
    if view.planned >= view.settings.rate and len(view.samples) + view.earlier < view.planned / 2:
        yield (
            Kind.NOT_VALID,
            f"the watch is blind: {len(view.samples) + view.earlier} answers or errors of {view.planned} probes due",
        )


def _log(view: View) -> Iterator[tuple[Kind, str]]:
    if view.log_lines:
        yield Kind.FAILED, f"the release logs errors ({len(view.log_lines)}): {view.log_lines[0][:200]}"


RULES: dict[str, Callable[[View], Iterator[tuple[Kind, str]]]] = {
    "watch-running": _running,
    "watch-lost": _lost,
    "watch-stranger": _stranger,
    "watch-slow": _slow,
    "watch-blind": _blind,
    "watch-log": _log,
}


def objections(view: View) -> tuple[Objection, ...]:
    """Every reason to take the release back, by the rules in their order."""
    return tuple(
        Objection(rule=name, kind=kind, text=text) for name, rule in RULES.items() for kind, text in rule(view)
    )
