"""Look at a release that has the users until its watch is over or there is an objection."""

import re
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from verdigris.model import Deployment, Identity, Objection
from verdigris.platform import Platform
from verdigris.platform.base import Health
from verdigris.settings import WatchSettings
from verdigris.watch.probe import Probe
from verdigris.watch.rules import View, objections
from verdigris.watch.samples import Sample

TICK = 0.05
LATE = 0.5
"""Seconds after which a request that was asked before the switch is not waited for any more."""
FOLLOWING = 0.5
"""Seconds between two looks at what must run once."""


class Start(NamedTuple):
    """From where on a watch judges: everything that users asked since they were all on the release."""

    at: float
    """When that was observed, as ``time.monotonic()`` has it."""
    due: int
    """How many of the probe's requests were due then; those are not judged."""
    sample: int
    """How many of them had ended."""
    logged: int
    """From where on the release's log counts."""


def start(probe: Probe, logged: int) -> Start:
    """From now on; what waits for the color that users left is given up."""
    probe.let_go(LATE)
    return Start(time.monotonic(), probe.due(), len(probe.since(0)), logged)


def watch(
    deployment: Deployment,
    platform: Platform,
    settings: WatchSettings,
    probe: Probe,
    suite: Callable[[], tuple[Objection, ...] | None],
    progress: Callable[[float, int, int], None],
    start: Start,
) -> tuple[Objection, ...]:
    """Watch until the time is over, every request of it has ended, and what must run once has gone with the users.

    Args:
        deployment: who has the users.
        suite: what smoke through the users' address came to: ``None`` while it runs.
        progress: told seconds watched, samples and lost.
        start: from where on it judges; the time of the watch counts from now.

    Returns:
        The first objections there are, at once; none where the whole watch went by without one.
    """
    began, taken, offset = time.monotonic(), start.sample, start.logged
    seen = Seen(settings, deployment.identity, start.due)
    pattern = re.compile(settings.log_errors) if settings.log_errors else None
    lines: list[str] = []
    there, asked = False, -FOLLOWING
    while True:
        watched = time.monotonic() - began
        if not there and watched - asked >= FOLLOWING:
            there, asked = platform.follow(deployment.color), watched
        if pattern is not None:
            text, offset = platform.log(deployment.color, offset)
            lines += [line for line in text.splitlines() if pattern.search(line)]
        health = platform.health(deployment.color)
        planned = max(0, probe.planned(start.at) - 1)  # what is asked above takes its time; the probe goes on
        waiting = probe.waiting(began + settings.seconds)  # looked at before what ended is taken
        new = probe.since(taken)
        taken += len(new)
        seen.add(new)
        found = objections(seen.view(planned, health, tuple(lines)))
        judged = suite()
        found += judged or ()
        progress(watched, seen.total, seen.lost)
        if found or (watched >= settings.seconds and judged is not None and there and not waiting):
            return found
        time.sleep(TICK)


class Seen:
    """What the watch has seen, kept so that a long one costs no more than a short one.

    Answers that are lost or somebody else's are kept all; of the good ones only the last windows. A request that was
    due before the watch judges says that the probe is alive, and nothing of the release.
    """

    def __init__(self, settings: WatchSettings, expected: Identity, due: int = 0) -> None:
        self.settings = settings
        self.expected = expected
        self.due = due
        self.total = 0
        self.lost = 0
        self.bad: list[Sample] = []
        self.windows: dict[int, list[Sample]] = {}
        self.origin: float | None = None

    def add(self, samples: Iterable[Sample]) -> None:
        """Take samples in, by when they were sent."""
        for sample in samples:
            self.total += 1
            if sample.number < self.due:
                continue
            self.lost += sample.lost
            if sample.lost or not sample.said_by(self.expected):
                self.bad.append(sample)
            if self.origin is None:
                self.origin = sample.at
            self.windows.setdefault(int((sample.at - self.origin) // self.settings.window), []).append(sample)
        for number in sorted(self.windows)[: -(self.settings.strikes + 2)]:
            del self.windows[number]

    def view(self, planned: int, health: Health, lines: tuple[str, ...]) -> View:
        """What the rules judge; the last window is still open and is left out of the windows."""
        whole = [tuple(self.windows[number]) for number in sorted(self.windows)[:-1]]
        return View.model_construct(
            settings=self.settings,
            expected=self.expected,
            samples=tuple(self.bad),
            earlier=self.total - len(self.bad),
            planned=planned,
            windows=tuple(whole),
            health=health,
            log_lines=lines,
        )
