"""Deployers killed in the watch on the platform local: how soon users are back, without anybody.

Each release is killed with SIGKILL at another moment of its watch, under users' traffic; then nothing is done. The
guardian of the environment sees the lock let go, and the run is finished by it or not at all.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from bench.figure import Figure, percentile
from bench.traffic import Plan, Sample, Traffic
from tests.crash.matrix import strays, wrong
from tests.world import World
from verdigris.model import Outcome

KILLS, KILLS_QUICK = 50, 5
RATE = 100.0
"""Users' requests a second: a hundredth of a second is how exact the figures are."""
BACK_SECONDS = 2.0
MEGABYTES = 40.0
PATIENCE = 20.0
"""Seconds after which a person would have to do something."""
AFTER = 0.5
"""Seconds for which users are still looked at when the run is finished."""
LIVE, CANDIDATE = "1.0.0", "1.1.0"


@dataclass
class Death:
    """What came of one kill."""

    at: float
    """``time.time()`` of the kill."""
    routed: float = float("nan")
    """Seconds until the users' route named the old color."""
    back: float = float("nan")
    """Seconds until the last request was sent that the candidate answered; 0 where there was none after the kill."""
    ended: float = float("inf")
    """``time.time()`` when it was looked at; the next release begins after it."""
    wrong: list[str] = field(default_factory=list)
    manual: bool = False


def run(*, quick: bool = False, report: Path | None = None) -> list[Figure]:
    """Measure it; with ``report`` what came of each kill is kept in that folder."""
    with tempfile.TemporaryDirectory(prefix="guardian-") as name:
        root = Path(name)
        world = World(root, watch=60, guardian=True)
        try:
            _stand(world)
            address = world.controller().platform.users()
            with Traffic(Plan(url=address.url, rate=RATE, timeout=5), root / "samples.jsonl") as traffic:
                deaths = [_kill(world) for _ in range(KILLS_QUICK if quick else KILLS)]
                small = _megabytes(world)
                summary = traffic.stop()
                samples = list(traffic.samples())
        finally:
            world.close()
    _backs(deaths, samples)
    print(summary, file=sys.stderr)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "deaths.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in deaths))
    return figures_of(deaths, samples, small, KILLS_QUICK if quick else KILLS)


def figures_of(deaths: list[Death], samples: list[Sample], megabytes: float, count: int) -> list[Figure]:
    """The figures of a run."""
    backs, routed = [one.back for one in deaths], [one.routed for one in deaths]
    return [
        Figure("kills in the watch", len(deaths), "kills", count, ">="),
        Figure("users back, p99", round(_worst(backs), 3), "s", BACK_SECONDS, "<="),
        Figure("route back, p99", round(_worst(routed), 3), "s", BACK_SECONDS, "<="),
        Figure("requests", len(samples), "requests", 100 * count, ">="),
        Figure("requests lost", sum(sample.lost for sample in samples), "requests", 0, "=="),
        Figure("wrong states", sum(bool(one.wrong) for one in deaths), "kills", 0, "=="),
        Figure("manual steps", sum(one.manual for one in deaths), "kills", 0, "=="),
        Figure("memory of the guardian", round(megabytes, 1), "MB", MEGABYTES, "<="),
    ]


def _worst(seconds: list[float]) -> float:
    """The p99, NaN if users never came back once."""
    return float("nan") if any(one != one for one in seconds) else percentile(seconds, 0.99)


def _stand(world: World) -> None:
    for version in (LIVE, CANDIDATE):
        world.version(version)
    world.up()
    platform = world.controller().platform
    color = platform.live().idle
    deployment = platform.stand_up(platform.prepare(LIVE), color, 1)
    platform.remember(deployment.model_copy(update={"verified": True}))
    platform.switch(color, platform.live(), 1)
    platform.observe(deployment.identity, time.monotonic())


def _kill(world: World) -> Death:
    """One release, killed at a random moment of its watch; what is there when nobody did anything."""
    process = world.start("release", CANDIDATE)
    _await(lambda: _step(world) == "watch", 60)
    time.sleep(random.uniform(0, 1.5))
    process.kill()
    death = Death(at=time.time())
    began = time.monotonic()
    if not _await(lambda: world.live() == LIVE, PATIENCE):
        death.manual = True
        return death
    death.routed = time.monotonic() - began
    process.communicate()
    journal = world.controller().journal
    if not _await(lambda: _step(world) == "done" and journal.holder() is None, PATIENCE):
        death.manual = True
        return death
    death.wrong = list(_found(world))
    time.sleep(AFTER)
    death.ended = time.time()
    print(f"back after {death.routed:.3f} s{''.join('; ' + text for text in death.wrong)}", file=sys.stderr, flush=True)
    return death


def _found(world: World) -> Iterator[str]:
    """What is wrong after it."""
    _await(lambda: not list(strays(world)), 5)  # the worker is on its way out
    yield from wrong(world.controller().platform, LIVE)
    yield from strays(world)
    record = world.controller().journal.read().record
    if record is None or record.outcome is not Outcome.ROLLED_BACK:
        yield f"it came to {record.outcome if record else 'nothing'}"


def _step(world: World) -> str | None:
    try:
        return str(world.journal()["record"]["step"])
    except (FileNotFoundError, TypeError):
        return None


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _backs(deaths: list[Death], samples: list[Sample]) -> None:
    """Until when users were still answered by the candidate, by what each of them saw."""
    for one in deaths:
        seen = [sample for sample in samples if one.at <= sample.at < one.ended]
        late = [s.at - one.at for s in seen if f"version={CANDIDATE};" in str(s.identity)]
        last = max(late, default=0.0)
        after = any(sample.at > one.at + last for sample in seen)
        one.back = last if after and not one.manual else float("nan")


def _megabytes(world: World) -> float:
    return float(psutil.Process(int((world.state / "guardian.lock").read_text())).memory_info().rss / 1e6)
