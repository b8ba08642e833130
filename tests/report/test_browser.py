"""The report in a real Chromium: it loads nothing, complains of nothing, and fits a phone."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .conftest import Written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

CONTRAST = """() => {
  const shade = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = shade(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } };
  const poor = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(shade(e.closest("svg.plot") ? style.fill : style.color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([e.tagName, e.textContent.slice(0, 40), ratio]);
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> "Iterator[Browser]":
    """The system's Chromium, or Playwright's own."""
    try:
        playwright: Playwright = request.getfixturevalue("playwright")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
    except Exception as error:
        if os.environ.get("VERDIGRIS_REQUIRE_ALL"):
            raise
        pytest.skip(f"no Chromium can be started: {str(error).splitlines()[0]}")
    yield browser
    browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["confirmed", "held_failed", "held_not_valid", "rolled_back", "truncated", "never_ready"]
)
def test_a_page_loads_nothing_and_can_be_read(
    chromium: "Browser", written: dict[str, Written], name: str, scheme: str
) -> None:
    """No console message, no failed request, no request but the page; text has a contrast of 4.5 to 1 or more."""
    context = chromium.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url[:80]}"))
    page.on("request", lambda request: asked.append(request.url.split(":", 1)[0]))
    page.goto((written[name].folder / "report.html").as_uri())
    assert said == []
    assert asked.count("file") == 1
    assert set(asked) <= {"file", "data"}
    assert page.evaluate("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert page.evaluate(CONTRAST) == []
    context.close()


@pytest.mark.parametrize("name", ["held_failed", "rolled_back"])
def test_a_page_fits_a_phone(chromium: "Browser", written: dict[str, Written], name: str) -> None:
    """Nothing but tables and plots, in boxes of their own, is wider than the screen."""
    context = chromium.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto((written[name].folder / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_a_page_can_be_used_by_keyboard(chromium: "Browser", written: dict[str, Written]) -> None:
    """The first tab stop leads past the head; a closed list opens with the space bar."""
    page = chromium.new_page()
    page.goto((written["confirmed"].folder / "report.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.locator("details.list > summary").first.focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('details.list').open")
    page.close()
