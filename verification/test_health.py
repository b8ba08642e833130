"""Health in depth: the release that answers is the one that was deployed, every time, and it says so everywhere."""

from typing import Any

import httpx


def test_readiness_names_no_problem(http: httpx.Client) -> None:
    """/readyz answers that it is ready, which it only does after asking its database."""
    answer = http.get("/readyz")
    assert answer.status_code == 200, answer.text[:300]
    assert answer.json()["status"] == "ready"


def test_version_agrees_with_the_identity_header(http: httpx.Client, target: Any) -> None:
    """What /version says in its body is what the identity header says."""
    answer = http.get("/version")
    header = answer.headers[target.header]
    said = answer.json()
    assert header == f"color={said['color']};version={said['version']};build={said['build']};config={said['config']}"


def test_every_one_of_fifty_answers_is_good(http: httpx.Client) -> None:
    """Fifty requests in a row are answered 200: an application that fails now and then is found here."""
    statuses = [http.get("/readyz").status_code for _ in range(50)]
    assert statuses == [200] * 50


def test_errors_carry_the_identity_too(http: httpx.Client, target: Any) -> None:
    """A 404 and a 405 say who answered, as every answer must."""
    assert target.header in http.get("/no-such-path").headers
    assert target.header in http.post("/version").headers
