"""Whatever stands in names, reasons and bodies stays text (faults 51 and 52)."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verdigris.model import Kind, Objection, Outcome, Step
from verdigris.reporting import report
from verdigris.suites import evidence

from . import folders
from .page import parse

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></details><svg onload=alert(1)>",
    "</style><script>",
    "]]>--><!--",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\x1b]0;owned\x07\x1b[2Jx",
    "\n::error file=a::b",
    "\n##[group]x",
    "x | y | z\n\n# heading",
    "$\\frac{1}{0}$",
    "&lt;b&gt;&#60;script&#62;",
]


def write(words: str) -> tuple[str, str]:
    """A report in which every free text is ``words``."""
    text = f"x{words}x"
    tests = [
        evidence.Tested(
            id=f"{text}{number}", outcome=outcome, reason=text, identities={text: 1}, critical=True,
            strangers=(evidence.Stranger(url=text, status=1, seen=text, expected=text),), figures={text: 1.0},
            exchanges=(
                evidence.Exchange(
                    method=text, url=text, status=500, milliseconds=1, identity=text, request_body=text,
                    response_body=text, error=text,
                ),
            ),
        )
        for number, outcome in enumerate(("failed", "skipped", "passed"))
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        result = folders.suite(root, "smoke", tests, verdict="failed", expected=text)
        (root / "smoke" / "output.log").write_text(text, encoding="utf-8", errors="replace")
        folders.record(
            root, (0.0, Step.PREPARE, text), (1.0, Step.DONE, text),
            id=text, actor=text, version=text, environment=text, outcome=Outcome.HELD, required=(text,),
            suites=(result.model_copy(update={"verdict": text, "suite": text}),), tests={text: (text,)},
            notes={"application": text, "left out": text, text: text},
            objections=(
                Objection(rule=text, kind=Kind.FAILED, text=text, suite=text),
                Objection(rule=text, kind=Kind.FAILED, text=text),
            ),
        )  # fmt: skip
        page = report.write(root).read_text(encoding="utf-8")
        return page, (root / "summary.md").read_text(encoding="utf-8")


HARMLESS = write("harmless")
SHAPE = parse(HARMLESS[0]).shape


def check(words: str) -> None:
    page, summary = write(words)
    parsed = parse(page)
    assert parsed.shape == SHAPE
    assert parsed.unbalanced == []
    assert len(summary.splitlines()) == len(HARMLESS[1].splitlines())
    assert not any(mark in summary for mark in ("::", "##[", "<", "\x1b"))
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in page + summary)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_adds_no_element(words: str) -> None:
    """The elements and attributes are those of a harmless report; the summary has no command and no tag."""
    check(words)


@given(st.text(st.characters(codec="utf-8"), max_size=60) | st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_adds_no_element(words: str) -> None:
    """The same for whatever hypothesis finds."""
    check(words)


def test_text_is_shown_as_it_was() -> None:
    """Escaped, not swallowed: a reader sees the very characters."""
    page, _ = write("<script>alert(1)</script>")
    assert "<script>alert(1)</script>" in parse(page).text
