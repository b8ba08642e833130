"""Runs that meet trouble nobody named, at calls of every step: how many end wrongly.

Four kinds of run (a release that its watch objects to, a good one, an operator's rollback, a recovery) meet every kind
of trouble at one call of each of their steps, drawn anew for each kind; see ``tests/trouble``. With
``BENCH_TROUBLE_CALLS=N`` they meet it at the first and the last call of each step too, and at N drawn between them.
"""

import os
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from bench.figure import Figure, percentile
from tests.trouble.matrix import KINDS, RUNS, SECONDS, End, chosen, drawn, stage

GO_ON = 8
"""After every eighth run the next release is made too."""
AT_ONCE = 2
"""Kinds of run that are measured at the same time: most of their time they wait."""


def measure(*, quick: bool, folder: Path, seed: int) -> list[End]:
    """Plant and look; every end is said as it comes."""
    names = os.environ.get("BENCH_TROUBLE_RUNS", ",".join(RUNS)).split(",")
    run = partial(_measure, quick=quick, folder=folder, seed=seed)
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
        return [end for ends in pool.map(run, names) for end in ends]


def _measure(name: str, *, quick: bool, folder: Path, seed: int) -> list[End]:
    """All runs of one kind."""
    rng, ends = random.Random(f"{seed} {name}"), []
    kinds = os.environ.get("BENCH_TROUBLE_KINDS", ",".join(KINDS)).split(",")
    more = os.environ.get("BENCH_TROUBLE_CALLS")
    with stage(folder / name) as made:
        calls = made.calls(name)
        points = [
            (kind, at)
            for kind in kinds
            for at in (chosen(calls, rng, int(more)) if more is not None else drawn(calls, rng))
        ]
        if quick:
            points = rng.sample(points, min(6, len(points)))
        for number, (kind, at) in enumerate(points):
            found = made.meet(name, kind, at, calls[at - 1], go_on=number % GO_ON == 0)
            print(found, file=sys.stderr, flush=True)
            ends.append(found)
    return ends


def figures_of(ends: list[End]) -> list[Figure]:
    """The figures of a run."""
    seconds = [end.seconds for end in ends]
    return [
        Figure("runs with trouble", len(ends), "runs", 1, ">="),
        Figure("kinds of trouble", len({end.kind for end in ends}), "kinds", 1, ">="),
        Figure("wrong ends", sum(bool(end.wrong) for end in ends), "runs", 0, "=="),
        Figure("a run with trouble, p99", round(percentile(seconds, 0.99), 1), "s", SECONDS, "<="),
    ]


def run(*, quick: bool = False) -> list[Figure]:
    """Measure it; the seed is printed, and ``BENCH_TROUBLE_SEED`` sets it."""
    seed = int(os.environ.get("BENCH_TROUBLE_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="trouble-") as name:
        return figures_of(measure(quick=quick, folder=Path(name), seed=seed))
