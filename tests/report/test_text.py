"""Words for people: cleaned, escaped, and lengths of time as they are said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.reporting.report.text import (
    capitalize_first,
    clean,
    cleaned,
    duration,
    joined,
    markdown,
    parse_time,
    short,
    spoken,
    tied,
)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="color"),
        pytest.param("\x1b]0;title\x07rest", "rest", id="window-title"),
        pytest.param("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link", id="terminal-link"),
        pytest.param("\x1b[2J\x1b[1;1Hgone", "gone", id="clear-screen"),
        pytest.param("a\rb", "a\nb", id="carriage-return-cannot-overwrite"),
        pytest.param("a\r\nb\tc", "a\nb\tc", id="lines-and-tabs-stay"),
        pytest.param("a\x00\x08\x7f\x9bb", "ab", id="controls"),
        pytest.param("abc\u202edcba", "abcdcba", id="reading-direction"),
        pytest.param("\ud800x", "x", id="lone-surrogate"),
        pytest.param("größer 値 ✓", "größer 値 ✓", id="other-scripts-stay"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(given: str, left: str) -> None:
    """Sequences and control characters go; text in any script stays."""
    assert clean(given) == left


def test_every_string_of_a_value_is_cleaned() -> None:
    """Keys, lists and tuples included."""
    assert cleaned({"a\x00": ["b\x1b[1m", ("c\x07",), 1, None]}) == {"a": ["b", ("c",), 1, None]}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param("a|b", r"a\|b", id="table-cell"),
        pytest.param("<script>", "&lt;script&gt;", id="tag"),
        pytest.param("[x](javascript:y)", r"\[x\]\(javascript\:y\)", id="link"),
        pytest.param("![](https://x/y.png)", r"\!\[\]\(https\://x/y.png\)", id="picture"),
        pytest.param("tests/a.py::test_b", r"tests/a.py\:\:test\_b", id="node-id"),
        pytest.param("::error::x\n::set-output name=a::b", r"\:\:error\:\:x \:\:set-output name\=a\:\:b", id="command"),
        pytest.param("##[error]x", r"\#\#\[error\]x", id="old-command"),
        pytest.param("12:00:44 and 1.5 s", "12:00:44 and 1.5 s", id="times-stay-readable"),
        pytest.param("- item", r"\- item", id="list"),
        pytest.param("1. item", r"1\. item", id="numbered-list"),
        pytest.param("&lt;", "&amp;lt;", id="entity"),
        pytest.param("`rm`", r"\`rm\`", id="code"),
    ],
)
def test_markdown_shows_a_value_as_it_is(given: str, shown: str) -> None:
    """Nothing in a value is markup, and all of it stays on one line."""
    assert markdown(given) == shown


@given(st.text())
def test_no_value_makes_a_command_or_a_tag(words: str) -> None:
    """Whatever the text: no ``::``, no ``##[``, no line break, no angle bracket."""
    shown = markdown(words)
    assert "::" not in f"{shown}: "
    assert not any(part in shown for part in ("##[", "\n", "<", ">"))


@given(st.text())
def test_cleaning_is_done_in_one_pass(words: str) -> None:
    """Cleaning cleaned text changes nothing: taking one sequence out leaves no other behind."""
    assert clean(clean(words)) == clean(words)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(0.0042, "4 ms", id="milliseconds"),
        pytest.param(0.9999, "1.00 s", id="nearly-a-second"),
        pytest.param(1.236, "1.24 s", id="seconds"),
        pytest.param(59.99, "1 min 00 s", id="nearly-a-minute"),
        pytest.param(125, "2 min 05 s", id="minutes"),
        pytest.param(3725, "1 h 02 min", id="hours"),
        pytest.param(-0.02, "-20 ms", id="negative"),
        pytest.param(float("inf"), "not known", id="infinite"),
        pytest.param(float("nan"), "not known", id="no-number"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    """In the unit that suits its size."""
    assert duration(seconds) == said


def test_small_words() -> None:
    """Lists, ellipses, runs of suites, first letters, times that are none."""
    assert (joined([]), joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])) == (
        "",
        "a",
        "a and b",
        "a, b and c",
    )
    assert short("abcdef", 4) == "abc…"
    assert spoken("watch-smoke") == "smoke in the watch"
    assert spoken("control-verification") == "verification on the live color"
    assert capitalize_first("it was cut off") == "It was cut off"
    assert capitalize_first("probe.jsonl is empty") == "probe.jsonl is empty"
    assert tied("within 5 s; 12 of 5 samples") == "within 5\u00a0s; 12 of 5 samples"
    assert parse_time("yesterday") is None
    assert parse_time("2025-06-01T12:00:00Z") == 1_748_779_200
