"""Look at a release that has the users until its watch is over or there is an objection."""

import re
import time
from collections.abc import Callable, Iterable

from deploy.model import Deployment, Objection
from deploy.platform import Platform
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
) -> tuple[Objection, ...]:
    """Watch until the time is over.

    Args:
        deployment: who has the users.
        suite: what smoke through the users' address came to: ``None`` while it runs.
        progress: told seconds watched, samples and lost.

    Returns:
        The first objections there are, at once; none where the whole watch went by without one.
    """
    began, first = time.monotonic(), len(probe.since(0))
    _, offset = platform.log(deployment.color)
    pattern = re.compile(settings.log_errors) if settings.log_errors else None
    lines: list[str] = []
    while True:
        watched = time.monotonic() - began
        samples = probe.since(first)
        text, offset = platform.log(deployment.color, offset)
        if pattern is not None:
            lines += [line for line in text.splitlines() if pattern.search(line)]
        found = objections(
            View.model_construct(
                settings=settings,
                expected=deployment.identity,
                samples=tuple(samples),
                planned=max(0, probe.planned(began) - 1),
                windows=tuple(_windows(samples, settings.window)),
                health=platform.health(deployment.color),
                log_lines=tuple(lines),
            )
        )
        judged = suite()
        found += judged or ()
        progress(watched, len(samples), sum(sample.lost for sample in samples))
        if found or (watched >= settings.seconds and judged is not None):
            return found
        time.sleep(TICK)


def _windows(samples: Iterable[Sample], seconds: float) -> list[tuple[Sample, ...]]:
    """Whole windows, by when a request was sent; the last, still open one is left out."""
    cut: dict[int, list[Sample]] = {}
    ordered = sorted(samples, key=lambda sample: sample.at)
    for sample in ordered:
        cut.setdefault(int((sample.at - ordered[0].at) / seconds), []).append(sample)
    return [tuple(cut[number]) for number in sorted(cut)][:-1]
