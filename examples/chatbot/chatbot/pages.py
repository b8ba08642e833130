"""The page and its assets.

An asset's name changes with its content, so it may be kept for ever; the page, which names the assets, is asked for
again each time. The assets of the version before are served too, so a page opened before a switch goes on working.
"""

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request, Response

from chatbot.errors import NotFound
from chatbot.release import ROOT, Release

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
ASSET_HEADERS = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Web:
    """The page and its assets, read once: they are small and do not change while the process lives."""

    def __init__(self, release: Release, color: str, root: Path = ROOT) -> None:
        """Read them; what only the running process knows is filled into the page here."""
        page = (root / "web" / "index.html").read_text(encoding="utf-8")
        self.page = page.replace("{{build}}", release.build).replace("{{color}}", color).encode()
        self.assets = {path.name: path.read_bytes() for path in (root / "web" / "assets").iterdir()}


def asset_type(name: str) -> str:
    """Name an asset's media type."""
    suffix = Path(name).suffix
    return TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Give the page."""
    web: Web = request.app.state.web
    return Response(web.page, headers=PAGE_HEADERS, media_type="text/html; charset=utf-8")


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def asset(request: Request, name: str) -> Response:
    """Give one asset."""
    web: Web = request.app.state.web
    if name not in web.assets:
        raise NotFound(f"no asset {name!r}")
    return Response(web.assets[name], headers=ASSET_HEADERS, media_type=asset_type(name))
