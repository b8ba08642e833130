"""The users' probe: totals, the turn of the answers, and the bins of the plot."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verdigris.model import Color, Moment, Record, Step
from verdigris.reporting.report import plot, probe
from verdigris.watch.samples import Sample

from .folders import BEGAN, GREEN, LIVE, NEW, OLD, iso


def sample(
    at: float, identity: str | None = OLD, status: int | None = 200, took: float = 5.0, error: str = ""
) -> Sample:
    return Sample(at=BEGAN + at, milliseconds=took, status=status, identity=identity, kept=True, error=error)


def record(*steps: tuple[float, Step], action: str = "release") -> Record:
    return Record(
        id="r", action=action, environment="local", version="1.2.0", actor="a", generation=1, started=iso(BEGAN),
        release=GREEN, live=LIVE, candidate=Color.GREEN,
        timeline=tuple(Moment(at=iso(BEGAN + at), step=step, text="") for at, step in steps),
    )  # fmt: skip


def facts(view: object) -> dict[str, str]:
    return {fact.name: fact.value for fact in view.facts}


def test_the_turn_of_the_answers_is_told_from_the_switch() -> None:
    """First new and last old answer, each by when it was sent."""
    seen = [sample(1.0), sample(1.9), sample(2.02, NEW), sample(2.05), sample(2.1, NEW)]
    view = probe.view(record((2.0, Step.SWITCH), (2.1, Step.WATCH)), seen)
    told = facts(view)
    assert told["first new answer"] == "20 ms after the switch was begun, sent 12:00:02.020, by green"
    assert told["last old answer"] == "50 ms after the switch was begun, sent 12:00:02.050, by blue"
    assert view.summary == (
        "5 requests, none was lost. The first new answer came 20 ms after the switch was begun and "
        "the last old answer came 50 ms after the switch was begun."
    )


def test_a_rollback_is_told_from_its_own_step() -> None:
    """The turn back does not spoil what is said of the turn there."""
    seen = [sample(1.9), sample(2.1, NEW), sample(4.9, NEW), sample(5.03), sample(6)]
    told = facts(probe.view(record((2.0, Step.SWITCH), (5.0, Step.ROLLBACK)), seen))
    assert told["last old answer"].startswith("100 ms before the switch")
    assert told["last new answer"].startswith("100 ms before the rollback")
    assert told["first old answer again"].startswith("30 ms after the rollback")


def test_a_rollback_that_was_asked_for_is_the_switch_of_its_own_report() -> None:
    """There the time axis counts from the rollback, and its candidate is the new color."""
    view = probe.view(record((2.0, Step.ROLLBACK), action="rollback"), [sample(1.9), sample(2.02, NEW)])
    assert view.zero == "the rollback"
    assert facts(view)["first new answer"].startswith("20 ms after the rollback")


def test_an_error_of_the_server_and_no_answer_are_lost() -> None:
    """Both would have been lost by a user; a status of 404 would not."""
    seen = [sample(0), sample(1, None, 503), sample(2, None, None, error="refused\nmore"), sample(3, OLD, 404)]
    view = probe.view(record(), seen)
    assert (view.requests, view.lost) == (4, 2)
    assert {fact.name: fact.value for fact in view.errors} == {"status 503": "1", "refused": "1"}
    assert facts(view)["lost"] == "2 of 4 (50 %)"


def test_no_answer_at_all_is_said() -> None:
    """Latency is that of answers; without any there is none, and the plot still stands."""
    view = probe.view(record(), [sample(0, None, None), sample(0.1, None, None)])
    assert facts(view)["latency"] == "no answer at all"
    assert "no answer" in plot.across(view)


def test_no_samples_are_no_view() -> None:
    """The page then says why there is no probe."""
    assert probe.view(record(), []) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 5000), st.sampled_from([OLD, NEW, None, "odd"]), st.booleans()), min_size=1, max_size=60
    )
)
@settings(deadline=None)
def test_no_sample_is_lost_or_counted_twice_by_the_bins(raw: list[tuple[float, str | None, bool]]) -> None:
    """Rates times widths are the requests; the bins are few, equal and in order."""
    seen = sorted((sample(at, who, 200 if ok else None) for at, who, ok in raw), key=lambda one: one.at)
    found = probe.bins(seen, BEGAN + 7, {})
    width = found.edges[1] - found.edges[0]
    assert round(sum(sum(rates) for rates in found.rates.values()) * width) == len(seen)
    assert sum(found.lost) == sum(one.lost for one in seen)
    assert len(found.edges) <= probe.BINS + 3
    assert all(left < right for left, right in pairwise(found.edges))


@pytest.mark.parametrize(
    ("percent", "value"),
    [pytest.param(50, 2, id="p50"), pytest.param(99, 4, id="p99"), pytest.param(0, 1, id="p0")],
)
def test_a_percentile_is_a_value_that_was_seen(percent: float, value: float) -> None:
    """Nearest rank, no interpolation."""
    assert probe.percentile([1, 2, 3, 4], percent) == value


def test_a_plot_is_the_same_every_time_and_bears_no_date() -> None:
    """Two reports of the same files are the same bytes."""
    view = probe.view(record((2.0, Step.SWITCH)), [sample(at / 50, OLD if at < 100 else NEW) for at in range(200)])
    first, again = plot.across(view), plot.across(view)
    assert first == again
    assert first.startswith('<svg class="plot"')
    assert 'role="img" aria-label="' in first.split(">", 1)[0]
    assert not any(word in first for word in ("<metadata", "<style", "matplotlib.org", "dc:date", "#010101"))
    assert plot.near(view) == plot.near(view)


def test_a_version_of_odd_letters_does_not_upset_the_plot() -> None:
    """Letters the font lacks, mathematics and tags are only text in it."""
    odd = record((2.0, Step.SWITCH)).model_copy(update={"version": "$x_1$ 値 <b>"})
    drawn = plot.across(probe.view(odd, [sample(1.9), sample(2.02, NEW)]))
    assert "&lt;b&gt;" in drawn
    assert "<b>" not in drawn


def test_matplotlib_is_imported_only_when_there_is_something_to_draw(tmp_path: Path) -> None:
    """A report without a probe costs no import of it."""
    script = (
        "import sys; from pathlib import Path; from tests.report import folders;"
        "from verdigris.reporting import report;"
        "report.write(folders.never_ready(Path(sys.argv[1]))); print('matplotlib' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
