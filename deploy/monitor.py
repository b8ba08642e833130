"""Look at a release that has the users until its watch is over or there is an objection."""

import re
import time
from collections.abc import Callable, Iterable

from deploy.model import Deployment, Identity, Objection
from deploy.platform import Platform
from deploy.platform.base import Health
from deploy.probe import Probe
from deploy.samples import Sample
from deploy.settings import WatchSettings
from deploy.watch_policy import View, objections

TICK = 0.05


def watch(
    deployment: Deployment,
    platform: Platform,
    settings: WatchSettings,
    probe: Probe,
    suite: Callable[[], tuple[Objection, ...] | None],
    progress: Callable[[float, int, int], None],
    logged: int | None = None,
) -> tuple[Objection, ...]:
    """Watch until the time is over.

    Args:
        deployment: who has the users.
        suite: what smoke through the users' address came to: ``None`` while it runs.
        progress: told seconds watched, samples and lost.
        logged: from where on the log counts; without it, from its present end.

    Returns:
        The first objections there are, at once; none where the whole watch went by without one.
    """
    began, first = time.monotonic(), len(probe.since(0))
    seen = Seen(settings, deployment.identity)
    pattern = re.compile(settings.log_errors) if settings.log_errors else None
    offset = platform.log(deployment.color)[1] if logged is None else logged
    lines: list[str] = []
    while True:
        watched = time.monotonic() - began
        if pattern is not None:
            text, offset = platform.log(deployment.color, offset)
            lines += [line for line in text.splitlines() if pattern.search(line)]
        health = platform.health(deployment.color)
        planned = max(0, probe.planned(began) - 1)  # what is asked above may take its time; the probe goes on meanwhile
        seen.add(probe.since(first + seen.total))
        found = objections(seen.view(planned, health, tuple(lines)))
        judged = suite()
        found += judged or ()
        progress(watched, seen.total, seen.lost)
        if found or (watched >= settings.seconds and judged is not None):
            return found
        time.sleep(TICK)


class Seen:
    """What the watch has seen, kept so that a long one costs no more than a short one.

    Answers that are lost or somebody else's are kept all; of the good ones only the last windows.
    """

    def __init__(self, settings: WatchSettings, expected: Identity) -> None:
        self.settings = settings
        self.expected = expected
        self.total = 0
        self.lost = 0
        self.bad: list[Sample] = []
        self.windows: dict[int, list[Sample]] = {}
        self.origin: float | None = None

    def add(self, samples: Iterable[Sample]) -> None:
        """Take samples in, by when they were sent."""
        header = self.expected.header()
        for sample in samples:
            self.total += 1
            self.lost += sample.lost
            if sample.lost or sample.identity != header:
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
