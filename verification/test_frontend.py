"""Frontend, in a real Chromium: it loads without an error, a person can chat, assets are cached by their hash."""

import hashlib
import re
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_page_loads_without_an_error(page: "Page") -> None:
    """No console error, no exception, no failed request, and a title."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url} {request.failure}"))
    page.on(
        "response", lambda answer: problems.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
    )
    for _ in range(5):
        problems.clear()
        page.goto("/", wait_until="networkidle")
        if not any("ERR_NETWORK_CHANGED" in problem for problem in problems):
            break  # otherwise it was this machine's network, which cut off what was on its way
    assert problems == []
    assert page.title()


def test_a_person_can_chat(page: "Page") -> None:
    """A message that is typed is answered on the page, and can be removed again by the page's own button."""
    from playwright.sync_api import expect

    page.goto("/")
    page.get_by_role("textbox", name="Your message").fill("hello from the browser")
    page.get_by_role("button", name="Send").click()
    messages = page.get_by_role("list", name="Messages").get_by_role("listitem")
    expect(messages).to_have_count(2)
    expect(messages.last).to_contain_text("hello from the browser")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(messages).to_have_count(0)


def test_the_page_shows_the_version_under_test(page: "Page", target: Any) -> None:
    """The footer names the version that is expected."""
    from playwright.sync_api import expect

    page.goto("/")
    expect(page.locator("#version")).to_have_text(target.identity.version if target.identity else re.compile(r"\S"))


def test_assets_are_cached_by_their_hash(http: httpx.Client) -> None:
    """Each asset's name has the hash of its content, and may be kept for ever; the page itself is asked for again."""
    page = http.get("/")
    assert page.headers["cache-control"] == "no-cache"
    names = sorted(set(re.findall(r"/assets/[\w.-]+", page.text)))
    assert names, "the page refers to no asset"
    for name in names:
        asset = http.get(name)
        assert asset.status_code == 200, f"{name}: {asset.status_code}"
        assert "immutable" in asset.headers["cache-control"]
        digest = re.search(r"\.([0-9a-f]{8,})\.", name)
        assert digest is not None, f"{name} has no hash in its name"
        assert hashlib.sha256(asset.content).hexdigest().startswith(digest[1]), f"{name} is not what its name says"
