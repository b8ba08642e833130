"""Figures hold or not; a switch's figures come from the samples around it."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import switch
from bench.figure import Figure, percentile
from bench.switch import Move, moved, near, stale_ms
from bench.traffic import Plan, Traffic
from tests.bench.servers import GOOD, Server
from verdigris.model import Color
from verdigris.watch.samples import Sample


def sample(at: float, color: str | None) -> Sample:
    """An answer of a color, or none."""
    identity = f"color={color};version=1;build=b;config=c" if color else None
    return Sample(at=at, milliseconds=1, status=200 if color else None, identity=identity, kept=False)


MOVES = [Move(at=10, to=Color.GREEN, observed_ms=5), Move(at=11, to=Color.BLUE, observed_ms=7)]


@pytest.mark.parametrize(
    ("value", "relation", "bound", "holds"),
    [(1, "<=", 1, True), (2, "<=", 1, False), (0, "==", 0, True), (1, "==", 0, False), (3, ">=", 3, True),
     (2, ">=", 3, False), (math.nan, "<=", 1, False), (math.nan, ">=", 1, False)],
)  # fmt: skip
def test_a_figure_holds_within_its_bound(value: float, relation: str, bound: float, holds: bool) -> None:
    assert Figure("name", value, "ms", bound, relation).holds is holds  # type: ignore[arg-type]


def test_the_percentile_of_nothing_never_holds() -> None:
    assert math.isnan(percentile([], 0.99))
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(1, 101), 0.99) == 99


def test_stale_is_the_last_request_that_the_color_being_left_answered() -> None:
    seen = [sample(9.9, "blue"), sample(10.01, "blue"), sample(10.03, "blue"), sample(10.02, "green")]
    seen += [sample(10.9, "green"), sample(10.95, None), sample(11.0, "green"), sample(11.2, "blue")]
    assert stale_ms(MOVES, seen) == pytest.approx([30, 0])
    assert stale_ms(MOVES, [*seen, sample(11.3, "green")]) == pytest.approx([30, 300])


def test_near_counts_both_sides_of_each_switch() -> None:
    seen = [sample(at, "blue") for at in (9.94, 9.96, 10.0, 10.04, 10.06, 11.01)]
    assert near(MOVES, seen) == [3, 1]


def green(number: int) -> Move:
    """A move that takes a moment, as one on a cluster does; nobody is moved."""
    time.sleep(0.01)
    return Move(at=number, to=Color.GREEN, observed_ms=5)


def test_switches_go_on_until_the_users_made_their_requests(serve: Callable[..., Server], tmp_path: Path) -> None:
    """On a slow machine the switches are over before the requests; they go on, and no figure is made of fewer."""
    plan = Plan(url=serve(lambda call: call.say(GOOD)).url, rate=200, arrivals="even")
    with Traffic(plan, tmp_path / "samples.jsonl") as traffic:
        made = moved(green, traffic, 2, 100)
        assert traffic.stop().requests >= 100
    assert len(made) > 3
    assert [move.at for move in made] == list(range(len(made)))


def test_switches_for_requests_that_never_come_have_an_end(serve: Callable[..., Server], tmp_path: Path) -> None:
    """With users who are too slow the figure of their requests fails, and the benchmark ends."""
    plan = Plan(url=serve(lambda call: call.say(GOOD)).url, rate=20, arrivals="even")
    with Traffic(plan, tmp_path / "samples.jsonl") as traffic:
        made = moved(green, traffic, 2, 10**9, longer=0.3)
        assert traffic.stop().requests < 10**9
    assert 3 < len(made) <= 34


def test_the_list_and_the_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(command.BENCHMARKS)
    for value, status in ((0, 0), (1, 1)):
        figures = [Figure("lost", value, "requests", 0, "==")]
        monkeypatch.setattr(switch, "run", lambda quick, figures=figures: figures)
        assert command.main(["switch", "--quick"]) == status
        assert ("holds" if status == 0 else "FAILS") in capsys.readouterr().out
        assert command.main(["switch", "--json"]) == status
        assert json.loads(capsys.readouterr().out)["figures"][0]["holds"] is (status == 0)
    monkeypatch.setattr(switch, "run", lambda quick: [])
    assert command.main(["switch"]) == 1, "no figure at all is no pass"
