"""The audit log's chain finds every line that was changed, taken out or put in."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.made import audited
from verdigris.errors import PlatformError
from verdigris.state.audit import AuditFile, Entry


def line(number: int) -> Entry:
    """A line that differs from every other."""
    return audited(f"release-{number}", reason="a\u2028reason\nof two lines")


@pytest.fixture
def log(tmp_path: Path) -> AuditFile:
    """A log of five lines."""
    log = AuditFile(tmp_path / "state" / "audit.jsonl")
    for number in range(5):
        log.append(line(number))
    return log


def append(path: Path, first: int) -> None:
    """Add ten lines, in a process of its own."""
    for number in range(first, first + 10):
        AuditFile(path).append(line(number))


def test_lines_are_read_in_their_order(log: AuditFile) -> None:
    """And the chain is whole."""
    assert [found.release for found in log.entries()] == [f"release-{number}" for number in range(5)]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """An environment without a release has no lines."""
    assert AuditFile(tmp_path / "audit.jsonl").entries() == []


def test_what_comes_from_two_processes_is_one_chain(tmp_path: Path) -> None:
    """Whoever writes, writes after the last line."""
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append, args=(path, first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert len(AuditFile(path).entries()) == 20


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "state").write_text("")
    with pytest.raises(PlatformError, match=r"audit\.jsonl: the audit log cannot be written"):
        AuditFile(tmp_path / "state" / "audit.jsonl").append(line(0))


@pytest.mark.parametrize("number", range(5))
def test_a_changed_line_is_found_at_the_next(log: AuditFile, number: int) -> None:
    """Another outcome is another hash."""
    lines = log.path.read_text().splitlines(keepends=True)
    lines[number] = lines[number].replace("confirmed", "held")
    log.path.write_text("".join(lines))
    with pytest.raises(PlatformError, match=f"audit.jsonl:{min(5, number + 2)}: "):
        log.entries()


@pytest.mark.parametrize("number", range(5))
def test_a_removed_line_is_found_in_its_place(log: AuditFile, number: int) -> None:
    """The next one follows from a line that is not there."""
    lines = log.path.read_text().splitlines(keepends=True)
    del lines[number]
    log.path.write_text("".join(lines))
    with pytest.raises(PlatformError, match=f"audit.jsonl:{min(4, number + 1)}: "):
        log.entries()


@pytest.mark.parametrize("number", range(5))
def test_an_added_line_is_found(log: AuditFile, number: int) -> None:
    """A copy of the last line does not follow from any other place."""
    lines = log.path.read_text().splitlines(keepends=True)
    lines.insert(number, lines[-1])
    log.path.write_text("".join(lines))
    with pytest.raises(PlatformError, match="does not follow"):
        log.entries()


def test_what_was_taken_off_the_end_stays_missing(log: AuditFile) -> None:
    """The next line does not hide it."""
    log.path.write_text("".join(log.path.read_text().splitlines(keepends=True)[:-1]))
    log.append(line(5))
    with pytest.raises(PlatformError, match=r"audit\.jsonl:5: does not follow"):
        log.entries()


def test_a_writer_that_died_before_it_wrote_the_head_breaks_nothing(log: AuditFile) -> None:
    """The last line is there, and what says so is one behind."""
    head = log.head.read_text()
    log.append(line(5))
    log.head.write_text(head)
    assert len(log.entries()) == 6
    log.append(line(6))
    assert len(log.entries()) == 7


def test_a_line_that_was_never_finished_makes_room_for_the_next(log: AuditFile) -> None:
    """What a full disk left half is taken away by the next writer (fault 44)."""
    with log.path.open("a") as file:
        file.write('{"action": "rel')
    log.append(line(5))
    assert [found.release for found in log.entries()] == [f"release-{number}" for number in range(6)]


def test_a_line_that_was_cut_off_is_no_line(log: AuditFile) -> None:
    """What a full disk left is said, with its number."""
    log.path.write_text(log.path.read_text()[:-20])
    with pytest.raises(PlatformError, match=r"audit\.jsonl:5: is not a line"):
        log.entries()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_can_be_changed(log: AuditFile, data: st.DataObject) -> None:
    """Whatever the change, the chain shows it."""
    good = log.path.read_bytes()
    place = data.draw(st.integers(0, len(good) - 2))
    byte = data.draw(st.integers(32, 126).filter(lambda byte: byte != good[place]))
    log.path.write_bytes(good[:place] + bytes([byte]) + good[place + 1 :])
    try:
        with pytest.raises(PlatformError):
            log.entries()
    finally:
        log.path.write_bytes(good)
