"""The page in a real browser: by keyboard, with answers that fail, and opened before a switch."""

import shutil
from collections.abc import Iterator

import pytest
from playwright import sync_api

from .conftest import SUITE, App, StartApp

TENANT = {"x-tenant": "page"}


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """Chromium: the system's, or else the one that Playwright brings."""
    with sync_api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        except sync_api.Error as problem:
            pytest.skip(f"needs Chromium: {problem.message.splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture
def page(browser: sync_api.Browser, app: App) -> Iterator[sync_api.Page]:
    """The page of the newest version; it must not log a single error of its own."""
    context = browser.new_context(base_url=str(app.client.base_url), extra_http_headers={**SUITE, **TENANT})
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.goto("/")
    yield opened
    context.close()
    assert failures == []


def test_a_conversation_by_keyboard(page: sync_api.Page) -> None:
    """Tab leads to the message field by the skip link, Enter sends, the answer is announced, and a reload shows it."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Hello from the keyboard")
    page.keyboard.press("Enter")
    answer = page.get_by_role("listitem").filter(has_text="You said: “Hello from the keyboard”")
    sync_api.expect(answer).to_contain_text("answered in")
    sync_api.expect(page.get_by_role("status")).to_contain_text("The assistant says: You said")
    sync_api.expect(page.get_by_label("Your message")).to_be_focused()
    page.reload()
    sync_api.expect(answer).to_be_visible()
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Hello from the keyboard")
    sync_api.expect(page.locator("#conversations [aria-current=page]")).to_have_text("Hello from the keyboard")


def test_a_failed_answer_can_be_tried_again(page: sync_api.Page) -> None:
    """The failure is an alert with a button, and trying again does not say the message twice."""
    page.get_by_label("Your message").fill("[provider:error] please")
    page.get_by_role("button", name="Send").click()
    alert = page.get_by_role("alert").filter(has_text="The provider answered 500.")
    sync_api.expect(alert).to_be_visible()
    alert.get_by_role("button", name="Try again").click()
    sync_api.expect(alert).to_be_visible()
    page.reload()
    sync_api.expect(page.locator(".message.user")).to_have_count(1)


def test_a_deleted_conversation_leaves_the_list(page: sync_api.Page) -> None:
    """Deleting asks first."""
    page.get_by_label("Your message").fill("To be deleted")
    page.keyboard.press("Enter")
    entry = page.get_by_role("link", name="To be deleted")
    sync_api.expect(page.get_by_role("button", name="Send")).to_be_enabled()
    sync_api.expect(entry).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    sync_api.expect(entry).to_have_count(0)
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("New conversation")


def test_a_page_opened_before_a_switch_goes_on_working(browser: sync_api.Browser, start: StartApp, app: App) -> None:
    """1.1.0's page, whose users are moved to 1.5.0, fetches the rest of its script and its answers from there."""
    before = start("1.1.0")
    with browser.new_context(extra_http_headers={**SUITE, **TENANT}) as context:
        opened = context.new_page()
        opened.goto(str(before.client.base_url))
        sync_api.expect(opened.locator("html[data-ready]")).to_have_count(1)
        live = str(app.client.base_url).rstrip("/")
        context.route("**/*", lambda route: route.fulfill(response=route.fetch(url=live + path_of(route.request.url))))
        opened.get_by_label("Your message").fill("Still there?")
        opened.keyboard.press("Enter")
        answer = opened.get_by_role("listitem").filter(has_text="You said: “Still there?”")
        sync_api.expect(answer).to_contain_text("answered in")
        sync_api.expect(opened.locator("#version")).to_have_text("1.1.0")


def path_of(url: str) -> str:
    """Cut the origin off an address."""
    return "/" + url.split("/", 3)[3]


def test_a_script_that_throws_is_noticed(browser: sync_api.Browser, start: StartApp) -> None:
    """The planted fault of 1.6.1 is an error on the page, which never becomes ready."""
    broken = start("1.6.1")
    with browser.new_context(extra_http_headers=SUITE) as context:
        opened = context.new_page()
        with opened.expect_event("pageerror") as error:
            opened.goto(str(broken.client.base_url))
        assert "planted fault broken-script" in str(error.value)
        assert opened.locator("html[data-ready]").count() == 0
