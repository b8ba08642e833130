"""The rules of the watch: each is needed, and silence is not health."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.made import EXPECTED, OTHER, sample, view
from verdigris.model import Kind
from verdigris.platform.base import Health
from verdigris.settings import WatchSettings
from verdigris.watch.rules import RULES, View, objections
from verdigris.watch.samples import Sample

GOOD = view().samples
SLOW = tuple(sample(milliseconds=500) for _ in range(10))


def answers(quick: int) -> tuple[Sample, ...]:
    """A window of ten answers, so many of them in time."""
    return tuple(sample(milliseconds=5 if number < quick else 500) for number in range(10))


ONLY = [
    pytest.param("watch-running", view(health=Health(running=False, reason="it ended")), id="it-stopped-running"),
    pytest.param("watch-lost", view(samples=(*GOOD, sample(status=503))), id="a-server-error"),
    pytest.param("watch-lost", view(samples=(*GOOD, sample(status=None, error="reset"))), id="no-answer"),
    pytest.param("watch-stranger", view(samples=(*GOOD, sample(identity=OTHER.header()))), id="the-old-color-answers"),
    pytest.param("watch-stranger", view(samples=(*GOOD, sample(identity=None))), id="an-answer-of-nobody"),
    pytest.param("watch-slow", view(windows=(SLOW, SLOW)), id="slow-for-two-windows"),
    pytest.param("watch-slow", view(windows=(answers(8), answers(8))), id="two-in-ten-are-slow-where-one-may-be"),
    pytest.param("watch-slow", view(windows=((), ())), id="nobody-was-answered-for-two-windows"),
    pytest.param("watch-lost", view(samples=(*GOOD, sample(status=503, identity=None))), id="an-error-of-nobody"),
    pytest.param("watch-blind", view(samples=GOOD[:9], windows=()), id="most-probes-never-ended"),
    pytest.param("watch-blind", view(samples=GOOD[:10], planned=21, windows=()), id="one-less-than-half-ended"),
    pytest.param("watch-blind", view(samples=GOOD[:4], planned=10, windows=()), id="blind-after-a-second"),
    pytest.param("watch-blind", view(samples=GOOD[:5], earlier=4, windows=()), id="few-are-kept-and-few-were-before"),
    pytest.param("watch-blind", view(samples=(), windows=()), id="no-probe-ended"),
    pytest.param("watch-log", view(log_lines=("ERROR no database",)), id="an-error-in-its-log"),
]


def test_an_identity_that_is_written_another_way_is_no_strangers() -> None:
    """Spaces after the semicolon and another order of keys say the same."""
    spaced = sample(identity="; ".join(reversed(EXPECTED.header().split(";"))))
    assert objections(view(samples=(*GOOD, spaced))) == ()


def test_a_quiet_watch_has_no_objection() -> None:
    """It runs, everybody is answered by it, in time."""
    assert objections(view()) == ()


@pytest.mark.parametrize(("rule", "bad"), ONLY)
def test_a_view_is_caught_by_its_rule_alone(rule: str, bad: View) -> None:
    """One thing is wrong, and the rule that is about it objects."""
    assert [objection.rule for objection in objections(bad)] == [rule]


@pytest.mark.parametrize(("rule", "bad"), ONLY)
def test_without_its_rule_a_bad_view_goes_through(monkeypatch: pytest.MonkeyPatch, rule: str, bad: View) -> None:
    """No other rule stands in for the one that is taken out."""
    monkeypatch.delitem(RULES, rule)
    assert objections(bad) == ()


def test_every_rule_has_a_view_that_only_it_catches() -> None:
    """A rule without such a view would not be needed."""
    assert {param.values[0] for param in ONLY} == set(RULES)


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(view(windows=(SLOW, GOOD[:10])), id="slow-once-and-then-not"),
        pytest.param(view(windows=(SLOW,)), id="slow-for-one-window"),
        pytest.param(view(windows=(answers(9), answers(9))), id="as-many-slow-as-may-be"),
        pytest.param(view(windows=(tuple(sample(milliseconds=100) for _ in range(10)),) * 2), id="just-in-time"),
        pytest.param(view(windows=(SLOW, SLOW, GOOD[:10])), id="slow-before-and-not-any-more"),
        pytest.param(view(samples=(), windows=(), planned=0), id="at-the-very-beginning"),
        pytest.param(view(samples=(), windows=(), planned=9), id="before-a-second-of-probes-was-due"),
        pytest.param(view(samples=GOOD[:10]), id="half-of-the-probes-ended"),
        pytest.param(view(samples=GOOD[:3], earlier=7), id="half-of-the-probes-ended-and-most-are-not-kept"),
        pytest.param(view(samples=(*GOOD, sample(status=404))), id="not-found-is-an-answer"),
        pytest.param(
            view(samples=(*GOOD, sample(status=500)), settings=WatchSettings(rate=10, errors=1)), id="an-error-borne"
        ),
    ],
)
def test_what_is_borne_has_no_objection(good: View) -> None:
    """A single slow window, or as many errors as the settings bear, take nothing back."""
    assert objections(good) == ()


def test_lost_requests_speak_of_the_release_and_a_blind_watch_of_nothing() -> None:
    """The kinds differ: one is a failure, the other is no evidence."""
    lost, blind = objections(view(samples=(*GOOD, sample(status=500)))), objections(view(samples=(), windows=()))
    assert [objection.kind for objection in (*lost, *blind)] == [Kind.FAILED, Kind.NOT_VALID]


@settings(max_examples=150, deadline=None)
@given(bad=st.integers(0, 5), borne=st.integers(0, 5), good=st.integers(10, 30))
def test_as_many_errors_are_borne_as_the_settings_say(bad: int, borne: int, good: int) -> None:
    """One more than that takes the release back."""
    seen = view(
        samples=(sample(),) * good + (sample(status=500),) * bad,
        settings=WatchSettings(rate=10, errors=borne),
        windows=(),
    )
    assert bool(objections(seen)) is (bad > borne)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        pytest.param(sample(status=503), "status 503", id="a-status"),
        pytest.param(sample(status=None, error="reset"), "reset", id="no-answer"),
    ],
)
def test_the_first_lost_request_says_what_was_seen(first: Sample, said: str) -> None:
    """With its status, or with the error where there was none; the later ones are counted."""
    (found,) = objections(view(samples=(*GOOD, first, sample(status=500), sample(status=None, error="refused"))))
    assert f"{len(GOOD) + 3} probes" in found.text
    assert found.text.endswith(f"the first: {said}")
