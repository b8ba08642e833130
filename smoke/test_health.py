"""Health: the endpoints that say the application is up."""

import time
from typing import Any

import httpx


def test_health_endpoint_answers_within_its_time(http: httpx.Client, health_path: str, checks: Any) -> None:
    """Each health endpoint answers 200 within the time the settings give it."""
    began = time.monotonic()
    answer = http.get(health_path)
    milliseconds = 1000 * (time.monotonic() - began)
    assert answer.status_code == 200, f"{health_path} answered {answer.status_code}: {answer.text[:300]}"
    assert milliseconds <= checks.answer_ms, f"{health_path} took {milliseconds:.0f} ms, at most {checks.answer_ms:g}"
