"""API endpoints: each answers as the settings say."""

from typing import Any

import httpx


def test_api_endpoint_answers_as_expected(http: httpx.Client, api_check: Any) -> None:
    """Each endpoint answers with its status, and its JSON has the keys that the settings name."""
    answer = http.request(api_check.method, api_check.path, json=api_check.body)
    assert answer.status_code == api_check.status, f"{answer.status_code}: {answer.text[:300]}"
    if api_check.keys:
        content = answer.json()
        missing = [key for key in api_check.keys if key not in content]
        assert not missing, f"the answer has no {', '.join(missing)}: {answer.text[:300]}"


def test_unknown_path_is_not_found(http: httpx.Client) -> None:
    """A path that does not exist answers 404, not a page and not a failure."""
    assert http.get("/no-such-path-in-any-release").status_code == 404
