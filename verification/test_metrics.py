"""Metrics: present, about this release, and moving with what happens."""

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
    """Forty requests more show in the counter, by route and status, whichever of several processes is looked at."""

    def highest() -> float:
        """The highest count among the processes that answer twenty looks."""
        looks = [http.get(checks.metrics.path).text for _ in range(20)]
        return max(_total(text, "chatbot_requests_total", route="/api/models", status="200") for text in looks)

    before = highest()
    for _ in range(40):
        http.get("/api/models")
    assert highest() > before
