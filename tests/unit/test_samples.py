"""What a user's request came to, and how many there should be by now."""

import threading
from pathlib import Path

import pytest

from tests.unit.clock import Clock
from tests.unit.made import EXPECTED, OTHER, sample
from verdigris.platform import Address
from verdigris.watch import probe as probe_module
from verdigris.watch.probe import Probe
from verdigris.watch.samples import read


@pytest.mark.parametrize(
    ("status", "lost"),
    [(None, True), (200, False), (404, False), (499, False), (500, True), (501, True), (503, True)],
)
def test_a_request_is_lost_without_an_answer_or_with_an_error_of_the_server(status: int | None, lost: bool) -> None:
    """From 500 on."""
    assert sample(status=status).lost is lost


@pytest.mark.parametrize(
    ("identity", "by"), [(EXPECTED.header(), True), (OTHER.header(), False), ("nobody", False), (None, False)]
)
def test_an_answer_is_said_by_who_is_expected_or_not(identity: str | None, by: bool) -> None:
    """Silence is nobody's."""
    assert sample(identity=identity).said_by(EXPECTED) is by


def test_samples_are_read_up_to_the_line_that_was_cut_off(tmp_path: Path) -> None:
    """What follows it is not guessed at."""
    file, lines = tmp_path / "probe.jsonl", [sample(at=number).model_dump_json() for number in range(3)]
    file.write_text("\n".join([*lines[:2], lines[2][:9], lines[2]]), encoding="utf-8")
    assert [one.at for one in read(file)] == [0, 1]
    assert list(read(tmp_path / "none.jsonl")) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of a probe; it is 100 s."""
    clock = Clock()
    clock.waits = 100
    monkeypatch.setattr(probe_module, "time", clock)
    return clock


def asking(began: float, rate: float = 4) -> Probe:
    """A probe that asks since then."""
    probe = Probe(Address(url="http://shop.invalid"), "/", rate, "x-release", Path("probe.jsonl"))
    probe._began, probe._threads = began, [threading.current_thread()]
    return probe


@pytest.mark.parametrize(
    ("began", "since", "planned"),
    [
        pytest.param(90, 97, 12, id="since-a-moment"),
        pytest.param(97, 90, 12, id="not-before-it-began"),
        pytest.param(90, 99.8, 0, id="none-of-less-than-a-pause"),
        pytest.param(90, 98.6, 5, id="only-whole-ones"),
    ],
)
def test_so_many_requests_were_planned(clock: Clock, began: float, since: float, planned: int) -> None:
    """At the rate, since it was asked for or began, whichever was later."""
    assert asking(began).planned(since) == planned


@pytest.mark.parametrize(
    ("began", "due"),
    [
        pytest.param(99, 4, id="a-second-ago"),
        pytest.param(98.9, 5, id="one-begins"),
        pytest.param(100, 0, id="just-now"),
        pytest.param(101, 0, id="not-yet"),
    ],
)
def test_so_many_requests_were_due(clock: Clock, began: float, due: int) -> None:
    """Whatever is sent from now on has this number or a higher one."""
    assert asking(began).due() == due


def test_of_a_probe_that_does_not_run_nothing_is_due(clock: Clock) -> None:
    """It did not begin."""
    probe = asking(0)
    probe._threads = []
    assert probe.due() == 0


def test_samples_are_taken_from_where_the_last_look_ended() -> None:
    """None twice, none left out."""
    probe = asking(0)
    probe.samples = [sample(at=number) for number in range(3)]
    assert [[one.at for one in probe.since(index)] for index in (0, 1, 3)] == [[0, 1, 2], [1, 2], []]
