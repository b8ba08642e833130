"""What a deployment decides: read from the environment once, at start, so that a mistake is told before any request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """The environment cannot be used; the message names every variable that is wrong."""


@dataclass(frozen=True)
class Settings:
    """The deployment's settings; times are in seconds."""

    host: str
    port: int
    color: str
    config: str
    database_url: str
    database_pool_max: int
    provider_url: str
    provider_api_key: str | None
    provider_timeout: float
    drain_seconds: float
    log_format: str


class _Reader:
    """Reads variables and remembers what is wrong with them, so that one message can tell all of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None, pattern: str, accepted: str) -> str:
        value = self.environ.get(name) or default
        if value is None:
            self.problems.append(f"{name} is not set; it must be {accepted}")
            return ""
        if not re.fullmatch(pattern, value):
            shown = "" if "://" in value else f", not {value!r}"  # an address may carry a password
            self.problems.append(f"{name} must be {accepted}{shown}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.environ.get(name) or str(default)
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            self.problems.append(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return number


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every variable the chatbot knows."""
    read = _Reader(environ)
    word = r"[A-Za-z0-9][A-Za-z0-9._-]*"
    settings = Settings(
        host=read.text("HOST", "127.0.0.1", r"\S+", "an address to listen on"),
        port=int(read.number("PORT", 8000, 1, 65535)),
        color=read.text("RELEASE_COLOR", "none", word, "a word"),
        config=read.text("RELEASE_CONFIG", "none", word, "a configuration hash"),
        database_url=read.text("DATABASE_URL", None, r"postgres(ql)?://.+", "postgresql://USER@HOST:PORT/NAME"),
        database_pool_max=int(read.number("DATABASE_POOL_MAX", 5, 1, 100)),
        provider_url=read.text("PROVIDER_URL", None, r"https?://\S+", "http://HOST:PORT/v1").rstrip("/"),
        provider_api_key=environ.get("PROVIDER_API_KEY") or None,
        provider_timeout=read.number("PROVIDER_TIMEOUT", 10, 0.05, 600),
        drain_seconds=read.number("DRAIN_SECONDS", 0.5, 0, 600),
        log_format=read.text("LOG_FORMAT", "text", "text|json", "text or json"),
    )
    if read.problems:
        raise SettingsError("; ".join(read.problems))
    return settings
