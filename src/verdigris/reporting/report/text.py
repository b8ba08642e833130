"""Words for people, made harmless: everything a report shows passes ``clean`` once, where it enters (faults 51, 52)."""

import math
import re
from datetime import UTC, datetime
from typing import Any

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colors and cursor moves
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[PX^_].*?\x1b\\"  # strings meant for the terminal itself
    r"|\x1b[@-Z\\-_]",
    re.DOTALL,
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of reading, and so hides what is written
    "\ufeff\ufffe\uffff\ud800-\udfff]"
)
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|~$^=]|(?<=:):|:(?![ \d])")


def clean(text: str) -> str:
    """``text`` without terminal sequences and control characters; line breaks and tabs stay."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    text = re.sub("[\r\u2028\u2029\u0085]", "\n", text)
    return _CONTROLS.sub("", text)


def cleaned(content: Any) -> Any:
    """The same JSON-like content with every string in it ``clean``."""
    if isinstance(content, str):
        return clean(content)
    if isinstance(content, dict):
        return {cleaned(key): cleaned(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(cleaned(item) for item in content)
    return content


def markdown(text: object, limit: int = 300) -> str:
    """``text`` on one line, which a Markdown reader shows as it is and a CI runner takes for no command."""
    line = short(" ".join(clean(str(text)).split()), limit)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN.sub(lambda found: "\\" + found[0], line)
    line = re.sub(r"(?i)\bwww\.", lambda found: found[0][:-1] + "\\.", line)
    line = re.sub(r"\\:$", "&#58;", line)  # a colon of the template may follow
    return re.sub(r"^(\d*)([-.])(?=\s|$)", r"\1\\\2", line)


def short(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` characters, saying so by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def spoken(suite: str) -> str:
    """A run of a suite as a sentence names it."""
    if suite.startswith("watch-"):
        return f"{suite.removeprefix('watch-')} in the watch"
    return f"{suite.removeprefix('control-')} on the live color" if suite.startswith("control-") else suite


def capitalize_first(words: str) -> str:
    """A sentence's first letter; a path or a file name stays as it is."""
    first = words.split(" ", 1)[0]
    return words[:1].upper() + words[1:] if first.rstrip(",:").isalpha() else words


def tied(words: str) -> str:
    """A number and its unit stay on one line."""
    return re.sub(r"(?<=\d) (?=(?:ms|s|min|h|%)(?!\w))", "\u00a0", words)


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def joined(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def duration(seconds: float) -> str:
    """A length of time as a person says it: ``4 ms``, ``1.24 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if not math.isfinite(seconds):
        return "not known"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def milliseconds(value: float) -> str:
    """A latency: one decimal below 100 ms, none above."""
    return f"{value:,.1f} ms" if value < 99.95 else f"{value:,.0f} ms"


def parse_time(text: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time, or ``None`` where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def clock(epoch: float) -> str:
    """The time of day in UTC, with milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%H:%M:%S.%f")[:-3]


def day_and_clock(text: str) -> str:
    """``2025-01-31 12:00:00 UTC`` of an ISO 8601 time; the text itself where it is none."""
    epoch = parse_time(text)
    return text if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
