"""When the figures of the kills in the watch hold."""

import math

from bench.guardian import CANDIDATE, LIVE, Death, _backs, figures_of
from verdigris.watch.samples import Sample


def sample(at: float, version: str) -> Sample:
    """An answer of a version."""
    return Sample(at=at, milliseconds=1, status=200, identity=f"color=x;version={version};build=b;config=c", kept=False)


def test_users_are_back_when_the_last_of_them_met_the_candidate() -> None:
    """By what users saw, not by what the route says."""
    deaths = [Death(at=10, routed=0.1, ended=11), Death(at=40, routed=0.1)]
    samples = [sample(9, CANDIDATE), sample(10.1, CANDIDATE), sample(10.4, CANDIDATE), sample(10.5, LIVE)]
    samples.append(sample(39, CANDIDATE))  # the next release, before it is killed
    _backs(deaths, [*samples, sample(40.2, LIVE)])
    assert [round(one.back, 3) for one in deaths] == [0.4, 0.0]


def test_users_who_never_come_back_are_no_figure() -> None:
    """The candidate answers to the end: it does not hold, whatever the others took."""
    deaths = [Death(at=10, routed=0.1), Death(at=40, routed=0.1)]
    _backs(deaths, [sample(10.2, LIVE), sample(40.2, CANDIDATE)])
    assert math.isnan(deaths[1].back)
    held = {figure.name: figure.holds for figure in figures_of(deaths, [], 10, 2)}
    assert not held["users back, p99"]
    assert held["kills in the watch"]
    assert not held["requests"]


def test_a_wrong_state_and_a_manual_step_do_not_hold() -> None:
    """One of fifty is one too many."""
    deaths = [Death(at=10, routed=0.1, back=0.1), Death(at=20, routed=0.1, back=0.1, wrong=["x"], manual=True)]
    failing = {figure.name for figure in figures_of(deaths, [], 50, 2) if not figure.holds}
    assert failing == {"requests", "wrong states", "manual steps", "memory of the guardian"}
