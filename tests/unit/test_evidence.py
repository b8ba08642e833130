"""What is read from a file of evidence, however it was left."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.made import IDS, case, evidence, ran
from verdigris.model import Value
from verdigris.suites.evidence import Evidence, LeftOut, Started, Warned, parse, read
from verdigris.suites.rules import objections


def written(*lines: Value) -> str:
    """The lines as the recorder writes them."""
    return "".join(json.dumps(line.model_dump(mode="json")) + "\n" for line in lines)


def good_file() -> str:
    """A whole pass."""
    whole = evidence()
    assert whole.collected is not None
    assert whole.closed is not None
    tests = [line for test in whole.tests for line in (Started(id=test.id), test)]
    return written(whole.collected, *tests, whole.closed)


GOOD = good_file()


def test_a_whole_file_reads_as_it_was_written() -> None:
    """Nothing is lost between the recorder and the rules."""
    assert parse(GOOD) == evidence()
    assert objections(case(evidence=parse(GOOD))) == ()


def test_a_file_cut_at_any_byte_is_never_a_pass(tmp_path: Path) -> None:
    """But for the last line's end, which says nothing (fault 45)."""
    content, file = GOOD.encode(), tmp_path / "evidence.jsonl"
    for length in range(len(content) - 1):
        file.write_bytes(content[:length])
        assert objections(case(evidence=read(file))), f"cut after {length} bytes"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Nothing is raised; the value says what is wrong."""
    assert read(tmp_path / "evidence.jsonl").broken == "evidence.jsonl: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        pytest.param(GOOD + GOOD, "line 9 follows the closing line", id="a-second-run"),
        pytest.param(GOOD + written(ran(IDS[0])), "line 9 follows the closing line", id="a-test-after-the-end"),
        pytest.param(GOOD.splitlines()[0] + "\n" + GOOD, "it holds more than one run", id="two-collections"),
        pytest.param(GOOD + GOOD.splitlines()[-1], "it holds more than one run", id="two-closing-lines"),
        pytest.param("[]\n", "line 1 cannot be understood (TypeError)", id="a-list"),
        pytest.param('{"kind": "else"}\n', "line 1 cannot be understood (KeyError)", id="an-unknown-kind"),
        pytest.param('{"kind": []}\n', "line 1 cannot be understood (TypeError)", id="a-kind-that-is-no-word"),
        pytest.param("\n" + GOOD, "line 1 cannot be understood (JSONDecodeError)", id="an-empty-line"),
        pytest.param("[" * 100_000, "line 1 cannot be understood (RecursionError)", id="brackets-without-end"),
        pytest.param(
            '{"kind": "closed", "exit_status": 0, "tests": 0, "more": 1}\n',
            "line 1 cannot be understood (ValidationError)",
            id="an-unknown-key",
        ),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_line(text: str, broken: str) -> None:
    """And is an objection."""
    found = parse(text)
    assert found.broken == broken
    assert objections(case(evidence=found))


def test_a_line_separator_in_a_reason_breaks_no_line() -> None:
    """Only the end of a line ends a line, whatever a test printed."""
    odd = ran(IDS[0], "failed", reason="a\u2028b\x85c\x0bd")
    line = json.dumps(odd.model_dump(mode="json"), ensure_ascii=False) + "\n"
    found = parse(line)
    assert found.broken == ""
    assert found.tests == (odd,)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        pytest.param(LeftOut(id="smoke/test_b.py", by="collect_ignore"), "complete", id="left-out"),
        pytest.param(Warned(id=IDS[0], text="it returned bool"), "warning", id="warning"),
    ],
)
def test_a_line_that_objects_is_read_wherever_it_stands(line: Value, rule: str) -> None:
    """Before, between and behind the tests; only the closing line is the last."""
    lines = GOOD.splitlines(keepends=True)
    for place in range(len(lines)):
        found = parse("".join([*lines[:place], written(line), *lines[place:]]))
        assert [objection.rule for objection in objections(case(evidence=found))] == [rule]


def test_a_test_without_an_end_hangs() -> None:
    """Who began and did not end is named, once."""
    text = written(Started(id="a"), Started(id="b"), Started(id="b"), ran("a"))
    assert parse(text).hanging == ("b",)


@settings(max_examples=200, deadline=None)
@given(st.text())
@example("")
@example("{}")
@example("null")
@example('{"kind": "test"}')
@example("\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
def test_any_text_is_read_and_none_is_a_pass(text: str) -> None:
    """Reading never fails, and what is not evidence objects."""
    assert objections(case(evidence=parse(text)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(GOOD.splitlines(keepends=True)), max_size=10))
def test_only_the_whole_file_in_its_order_is_a_pass(lines: list[str]) -> None:
    """Lines left out, doubled or put elsewhere object; where the tests stand among themselves says nothing."""
    found = parse("".join(lines))
    complete = isinstance(found, Evidence) and sorted(test.id for test in found.tests) == sorted(IDS)
    if not (complete and len(found.tests) == len(IDS) and found.collected and found.closed and not found.broken):
        assert objections(case(evidence=found))
