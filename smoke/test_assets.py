"""Static assets: everything that the page refers to is there, whole, and of its type."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

_TYPES = {"script": ("javascript",), "link": ("css", "image", "json", "font"), "img": ("image",)}


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img") and values.get("src"):
            self.found.append((tag, str(values["src"])))
        elif (
            tag == "link" and values.get("href") and values.get("rel") in ("stylesheet", "icon", "manifest", "preload")
        ):
            self.found.append((tag, str(values["href"])))


def test_every_asset_of_the_page_is_served(http: httpx.Client, checks: Any) -> None:
    """Each script, style and image of the page answers 200, is not empty, and has the type its tag needs."""
    parser = _References()
    parser.feed(http.get(checks.assets_of).text)
    own = [(tag, link) for tag, link in parser.found if not urlsplit(link).netloc]
    assert own, f"{checks.assets_of} refers to no asset of its own"
    for tag, link in own:
        answer = http.get(urljoin(checks.assets_of, link))
        assert answer.status_code == 200, f"{link} answered {answer.status_code}"
        assert answer.content, f"{link} is empty"
        kind = answer.headers.get("content-type", "")
        assert any(part in kind for part in _TYPES[tag]), f"{link} is {kind!r}, which no browser takes for a {tag}"
