"""Metrics: present, about this release, and moving with what happens."""

import math
import re
from typing import Any

import httpx


def _total(text: str, name: str, **labels: str) -> float:
    total = 0.0
    for line in text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def test_the_required_metrics_are_there(http: httpx.Client, checks: Any) -> None:
    """Every metric that the settings require is exported."""
    text = http.get(checks.metrics.path).text
    missing = [
        name for name in checks.metrics.require if not re.search(rf"^{re.escape(name)}(_count)?[{{ ]", text, re.M)
    ]
    assert not missing, f"{checks.metrics.path} does not export {', '.join(missing)}"


def test_the_metrics_are_of_this_release(http: httpx.Client, checks: Any) -> None:
    """The build info names the version and the build that answers."""
    answer, said = http.get(checks.metrics.path), http.get("/version").json()
    line = next(line for line in answer.text.splitlines() if line.startswith("chatbot_build_info{"))
    assert f'version="{said["version"]}"' in line
    assert f'build="{said["build"]}"' in line


def test_requests_are_counted(http: httpx.Client, checks: Any) -> None:
    """Twenty requests more are twenty more in the counters of the processes that answer, by route and status."""

    def counted(seen: dict[str, float], enough: float) -> dict[str, float]:
        """Each process's own count, from as many looks as it takes until they make ``enough``; 50 at most."""
        for _ in range(50):
            text = http.get(checks.metrics.path).text
            process = re.search(r"^process_start_time_seconds (.*)$", text, re.M)
            seen[process[1] if process else ""] = _total(text, "chatbot_requests_total", **labels)
            if sum(seen.values()) >= enough:
                break
        return seen

    labels = {"route": "/api/models", "status": "200"}
    before = sum((each := counted({}, math.inf)).values())
    for _ in range(20):
        http.get("/api/models")
    assert sum(counted(each, before + 20).values()) >= before + 20
