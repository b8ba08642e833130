"""Core pages: served, of their type, with what a person must find on them."""

import time
from typing import Any

import httpx


def test_page_is_served_with_its_content(http: httpx.Client, page_check: Any, checks: Any) -> None:
    """Each core page answers 200 with the type and the text that the settings name, in time."""
    began = time.monotonic()
    answer = http.get(page_check.path)
    milliseconds = 1000 * (time.monotonic() - began)
    assert answer.status_code == 200, f"{page_check.path} answered {answer.status_code}"
    assert answer.headers["content-type"].startswith(page_check.content_type)
    assert page_check.contains in answer.text, f"{page_check.path} does not contain {page_check.contains!r}"
    assert milliseconds <= checks.answer_ms, f"{page_check.path} took {milliseconds:.0f} ms"
