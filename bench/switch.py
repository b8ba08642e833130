"""Users switched between two standing colors on the platform local: what they lose, how late they move.

Every switch goes from one color to the other and is observed before the next one. Going to green is counted as a
switch, going back to blue as a rollback. Users come by HTTP and HTTPS, over kept and new connections, with streams in
flight.
"""

import bisect
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, percentile
from bench.traffic import Plan, Sample, Summary, Traffic
from verdigris import settings
from verdigris.model import Color, Identity
from verdigris.platform import Platform, open_platform

PORT = 23000
RATE = 700.0
"""Requests a second: some 70 in the 100 ms around each switch."""
SWITCHES = 1_000
SWITCHES_QUICK = 40
SPARE = 1.05
"""How many more are made: a busy machine may hold the users up just when one of them is decided."""
REQUESTS, REQUESTS_QUICK = 30_000, 1_000
LONGER = 180.0
"""Seconds for which switches go on beyond their number, as long as there were not that many requests."""
NEAR = 0.05
"""Seconds before and after a switch in which a request counts as near it."""
STALE_MS = 50.0
OBSERVED_MS = 250.0
APPLICATION = Path(__file__).with_name("app.py")


@dataclass(frozen=True)
class Move:
    """One switch, as the one who decided it saw it."""

    at: float
    """``time.time()`` just before the platform was asked."""
    to: Color
    observed_ms: float
    """Until every answer, over kept and fresh connections, was the new color's; NaN where that was not seen."""


def run(*, quick: bool = False, report: Path | None = None) -> list[Figure]:
    """Measure it; with ``report`` the samples and the moves are kept in that folder."""
    count, requests = (SWITCHES_QUICK, REQUESTS_QUICK) if quick else (SWITCHES, REQUESTS)
    with tempfile.TemporaryDirectory(prefix="switch-") as name:
        folder = report or Path(name)
        platform = _platform(Path(name))
        try:
            platform.up()
            identities = stand_both_up(platform)
            users = platform.users()
            plan = Plan(
                url=users.url,
                secure_url=users.secure_url,
                ca=users.ca,
                rate=RATE,
                stream_path="/stream",
                stream_end="event: done",
            )
            with Traffic(plan, folder / "samples.jsonl") as traffic:
                moves = moved(lambda number: switch_once(platform, identities, number), traffic, count, requests)
                summary = traffic.stop()
                samples = list(traffic.samples())
        finally:
            platform.down()
        if report:
            lines = [json.dumps([move.at, move.to, move.observed_ms]) for move in moves]
            (report / "moves.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            (report / "summary.json").write_text(json.dumps(summary.as_json(), indent=1), encoding="utf-8")
    print(summary, file=sys.stderr)
    return figures_of(moves, samples, summary, count, requests)


def moved(
    move: Callable[[int], Move], traffic: Traffic, count: int, requests: int, longer: float = LONGER
) -> list[Move]:
    """Switch ``count`` times and some more, then on until the users made their requests, on a slow machine too."""
    moves = [move(number) for number in range(math.ceil(count * SPARE))]
    deadline = time.monotonic() + longer
    while traffic.seen() < requests and time.monotonic() < deadline:
        moves.append(move(len(moves)))
    return moves


def _platform(root: Path) -> Platform:
    for version in ("1", "2"):
        artifact = root / "build" / version
        artifact.mkdir(parents=True)
        (artifact / "build.json").write_text(json.dumps({"version": version, "build": f"b{version}"}), encoding="utf-8")
    path = root / settings.FILE_NAME
    command = json.dumps(["{python}", str(APPLICATION)])
    path.write_text(
        f"""application = "tiny"
[environments.local]
platform = "local"
suites = ["smoke"]
[environments.local.local]
port = {PORT}
command = {command}
artifact = "build/{{version}}"
ready = "/readyz"
""",
        encoding="utf-8",
    )
    return open_platform(settings.load(path), "local")


def stand_both_up(platform: Platform) -> dict[Color, Identity]:
    """Stand version 1 up in blue, where it gets the users, and version 2 in green."""
    blue = platform.stand_up(platform.prepare("1"), Color.BLUE, 1)
    platform.switch(Color.BLUE, platform.live(), 1)
    platform.hold_connections()
    platform.observe(blue.identity, time.monotonic())
    green = platform.stand_up(platform.prepare("2"), Color.GREEN, 1)
    return {Color.BLUE: blue.identity, Color.GREEN: green.identity}


def switch_once(platform: Platform, identities: dict[Color, Identity], number: int) -> Move:
    """Move the users to green, or back to blue where the number is odd, and observe it."""
    to = Color.BLUE if number % 2 else Color.GREEN
    platform.hold_connections()
    live = platform.live()
    since, at = time.monotonic(), time.time()
    platform.switch(to, live, number + 2)
    seen = platform.observe(identities[to], since)
    return Move(at=at, to=to, observed_ms=seen.seconds * 1000 if seen.complete else float("nan"))


def stale_ms(moves: Sequence[Move], samples: Sequence[Sample]) -> list[float]:
    """For each switch: how long after the decision the last request was sent that the color being left answered."""
    ordered = sorted(samples, key=lambda sample: sample.at)
    times = [sample.at for sample in ordered]
    late = []
    for move, end in zip(moves, [*[move.at for move in moves[1:]], float("inf")], strict=True):
        left = f"color={move.to.other};"
        window = ordered[bisect.bisect_right(times, move.at) : bisect.bisect_left(times, end)]
        late.append(max(((s.at - move.at) * 1000 for s in window if (s.identity or "").startswith(left)), default=0.0))
    return late


def near(moves: Sequence[Move], samples: Sequence[Sample]) -> list[int]:
    """For each switch: how many requests were sent within :data:`NEAR` of it."""
    times = sorted(sample.at for sample in samples)
    return [bisect.bisect_right(times, m.at + NEAR) - bisect.bisect_left(times, m.at - NEAR) for m in moves]


def figures_of(
    moves: Sequence[Move], samples: Sequence[Sample], summary: Summary, count: int, requests: int
) -> list[Figure]:
    """The figures of a run."""
    late = stale_ms(moves, samples)
    around = sorted(near(moves, samples), reverse=True)
    fewest = around[count - 1] if len(around) >= count else 0
    figures = [
        Figure("switches, there and back", len(moves), "switches", count, ">="),
        Figure("requests", summary.requests, "requests", requests, ">="),
        Figure("samples kept of them", len(samples), "samples", summary.requests, "=="),
        Figure("requests lost", summary.lost, "requests", 0, "=="),
        Figure("streams in flight over the switches", summary.streams, "streams", 10, ">="),
        Figure("streams lost", summary.streams_lost, "streams", 0, "=="),
        Figure("requests over new connections", summary.new, "requests", requests / 10, ">="),
        Figure("requests over kept connections", summary.kept, "requests", requests / 10, ">="),
        Figure("requests by HTTPS", summary.https, "requests", requests / 10, ">="),
        Figure("answers without an identity", summary.identities.get("none", 0), "requests", 0, "=="),
        Figure("kept connections that were closed", summary.closed_idle, "connections", 0, "=="),
        Figure(f"requests within 50 ms of a switch, the fewest of the {count} best seen", fewest, "requests", 20, ">="),
        Figure("share of the planned rate", summary.achieved_rate / summary.planned_rate, "", 0.95, ">="),
    ]
    return [*figures, *lateness(moves, late, OBSERVED_MS)]


def lateness(moves: Sequence[Move], late: Sequence[float], observed_ms: float, prefix: str = "") -> list[Figure]:
    """How late users were moved, by switches and by rollbacks.

    Args:
        late: for each move, milliseconds (:func:`stale_ms`).
        observed_ms: the bound for the time until a move was seen complete.
    """
    figures = []
    for name, color in (("switch", Color.GREEN), ("rollback", Color.BLUE)):
        own = [ms for move, ms in zip(moves, late, strict=True) if move.to is color]
        seen = [move.observed_ms for move in moves if move.to is color]
        stale = "last request that the color being left answered, after the decision"
        figures += [
            Figure(f"{prefix}{name}: {stale}, p99", round(percentile(own, 0.99), 2), "ms", STALE_MS, "<="),
            Figure(f"{prefix}{name}: observed complete, p99", round(worst(seen), 2), "ms", observed_ms, "<="),
        ]
    return figures


def worst(seen: Sequence[float]) -> float:
    """The p99, NaN where one switch was never seen complete."""
    return float("nan") if any(ms != ms for ms in seen) else percentile(seen, 0.99)
