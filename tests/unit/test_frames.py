"""Files come back over a log whole, or it is known that they did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.suites.job.log_frames import CHUNK, MARK, Frame, Reader, grown, harmless, line

NAMES = st.sampled_from(["evidence.jsonl", "output.log", "artifacts/test-one/test-failed-1.png"])
LONG = st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1]).map(lambda size: (b"\xffline\n" * size)[:size])
ADDED = st.lists(st.tuples(NAMES, st.binary(max_size=300) | LONG), max_size=6)
OTHERS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=40)
ENDED = Frame(kind="ended", status=1, left=("artifacts/video.webm",))


def log(added: list[tuple[str, bytes]]) -> list[str]:
    """The lines that tell these additions, from the first to the last."""
    told = [Frame(kind="begun", name="1.0"), *(frame for one in added for frame in grown(*one)), ENDED]
    return [line(number, frame) for number, frame in enumerate(told)]


def contents(frames: list[Frame]) -> dict[str, bytes]:
    """The files that frames make."""
    files: dict[str, bytes] = {}
    for frame in frames:
        if frame.kind == "grown":
            files[frame.name] = files.get(frame.name, b"") + frame.content
    return files


def expected(added: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """The files that additions make."""
    files: dict[str, bytes] = {}
    for name, content in added:
        files[name] = files.get(name, b"") + content
    return files


@given(added=ADDED, others=st.lists(OTHERS, max_size=5), data=st.data())
def test_files_come_whole_through_any_log(
    added: list[tuple[str, bytes]], others: list[str], data: st.DataObject
) -> None:
    """Between lines of anybody else, read in any pieces, each begun some lines earlier, every byte is there once."""
    lines = log(added)
    for other in others:
        lines.insert(data.draw(st.integers(0, len(lines))), other)
    reader, taken, at = Reader(), [], 0
    while at < len(lines):
        end = data.draw(st.integers(at + 1, len(lines)))
        taken += reader.take(lines[data.draw(st.integers(0, at)) : end])
        at = end
    assert contents(taken) == expected(added)
    assert (reader.ended, reader.trouble) == (ENDED, "")


@given(added=ADDED, data=st.data())
def test_a_line_that_is_missing_is_noticed_and_taken_when_it_comes(
    added: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    """Without any one line the end is never reached; read once more with it, everything is there."""
    lines = log(added)
    gone = data.draw(st.integers(0, len(lines) - 1))
    reader = Reader()
    taken = reader.take(lines[:gone] + lines[gone + 1 :])
    assert reader.ended is None
    assert len(taken) == gone
    assert gone == len(lines) - 1 or f"line {gone} of what it wrote is missing" in reader.trouble
    taken += reader.take(lines)
    assert contents(taken) == expected(added)
    assert (reader.ended, reader.trouble) == (ENDED, "")


@given(added=ADDED, data=st.data())
def test_a_line_that_was_changed_is_not_taken(added: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """One letter more or less anywhere in a line, or its end cut off, and neither it nor the end is believed."""
    lines = log(added)
    number = data.draw(st.integers(0, len(lines) - 1))
    text = lines[number]
    at = data.draw(st.integers(len(MARK), len(text) - 1))
    lines[number] = data.draw(st.sampled_from([text[:at], f"{text[:at]}#{text[at:]}", text[:at] + text[at + 1 :]]))
    reader = Reader()
    taken = reader.take(lines)
    assert reader.ended is None
    assert len(taken) <= number


def test_a_line_is_shorter_than_what_runtimes_break() -> None:
    """With the largest piece of a file a line stays below 16 KiB, and no line break is in it."""
    lines = log([("artifacts/" + "n" * 200, b"\xff\n" * 50_000)])
    assert max(map(len, lines)) < 16_000
    assert not any("\n" in one for one in lines)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../up", "a\\..\\b", "a\0b"])
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    """Nothing that a pod says is written outside the folder of the records."""
    assert not harmless(name)
    reader = Reader()
    assert reader.take([line(0, Frame(kind="grown", name=name, data=""))]) == []
    assert "line 0 of what it wrote is damaged" in reader.trouble
