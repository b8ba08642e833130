"""The page is there, its assets are those of the version under test, and a person can chat."""

import re
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_page_is_served(http: httpx.Client) -> None:
    """The page answers 200, as HTML, and names the version of its framework."""
    answer = http.get("/")
    assert answer.status_code == 200, f"/ answered {answer.status_code}"
    assert answer.headers["content-type"].startswith("text/html")
    assert "<title>Chat</title>" in answer.text


def test_its_assets_are_of_the_version_under_test(http: httpx.Client, target: Any) -> None:
    """Every script and style of the page is there, below the path of the version that is expected."""
    paths = sorted(set(re.findall(r'(?:src|href)="(/_nicegui/[^"]+\.(?:js|css))"', http.get("/").text)))
    assert paths, "the page refers to no asset"
    for path in paths:
        assert path.startswith(f"/_nicegui/{target.identity.version}/"), f"{path} is not of {target.identity.version}"
        assert http.get(path).status_code == 200, f"{path} is missing"


def test_a_person_can_chat(page: "Page") -> None:
    """What is typed in a browser is answered on the page, over the WebSocket that the page opens."""
    from playwright.sync_api import expect

    page.goto("/")
    page.get_by_label("Your message").fill("hello")
    page.get_by_label("Your message").press("Enter")
    expect(page.get_by_text("You said: hello")).to_be_visible()
