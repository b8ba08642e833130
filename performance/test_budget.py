"""A first honest budget: enough requests, none lost, from the right release, and within the settings' p95."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def load(target: Any, checks: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Locust saw: figures, and who answered."""
    profile = checks.load
    out = tmp_path_factory.mktemp("load") / "load.json"
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("locustfile.py")), "--headless"]
    command += ["--host", target.url, "--users", str(profile.users), "--spawn-rate", str(profile.users)]
    command += [
        "--run-time",
        f"{profile.seconds:g}s",
        "--stop-timeout",
        "5",
        "--only-summary",
        "--exit-code-on-error",
        "0",
    ]
    env = {
        **os.environ,
        "VERDIGRIS_LOAD_OUT": str(out),
        "VERDIGRIS_LOAD_PATHS": json.dumps(list(profile.paths)),
        "VERDIGRIS_LOAD_HEADER": target.header,
        "VERDIGRIS_LOAD_PLACE": json.dumps(target.address.place(target.url)),
    }
    if target.address.ca:
        env["VERDIGRIS_LOAD_CA"] = target.address.ca
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=profile.seconds + 60, check=False, cwd=out.parent
    )
    assert out.is_file(), f"Locust left no figures (exit {done.returncode}): {done.stderr[-1500:]}"
    return dict(json.loads(out.read_text(encoding="utf-8")))


CPU = 0.8
"""The share of one processor up to which a generator's figures are the target's."""
LATE = 0.25
"""The share of the p95 budget by which the generator itself may be late, at its own p95."""


@pytest.mark.critical
def test_the_load_keeps_its_budgets(load: dict[str, Any], checks: Any, target: Any, ledger: Any) -> None:
    """Enough requests to conclude from, errors and p95 within their budgets, and every answer from the target.

    Where the generator was saturated the figures are its own, and nothing is concluded from them.
    """
    figures, budget = load["figures"], checks.load
    ledger.figures.update({name: float(value) for name, value in figures.items() if name != "errors"})
    for header, number in load["identities"].items():
        ledger.answered(header, number)
    if target.identity is not None:
        others = {who: number for who, number in load["identities"].items() if not target.said_by(who)}
        assert not others, f"{sum(others.values())} answers came from somebody else: {others}"
    late, busy = figures["generator_late_p95_ms"], figures["generator_cpu"]
    if late > LATE * budget.p95_ms or busy > CPU:
        pytest.skip(
            f"the generator was saturated: it was late by {late:.0f} ms (p95) and took {busy:.0%} of a processor, of "
            f"at most {LATE * budget.p95_ms:.0f} ms and {CPU:.0%}: use fewer users, or a machine that is less busy"
        )
    assert figures["requests"] >= budget.requests, (
        f"{figures['requests']} requests in {budget.seconds:g} s are too few to conclude from, least {budget.requests}"
    )
    failed, total = figures["failures"], figures["requests"]
    assert failed / total <= budget.error_rate, (
        f"{failed} of {total} requests failed, {budget.error_rate:.2%} may: {figures['errors']}"
    )
    assert 0 < figures["p95_ms"] <= budget.p95_ms, f"p95 is {figures['p95_ms']:.0f} ms, the budget {budget.p95_ms:g} ms"
