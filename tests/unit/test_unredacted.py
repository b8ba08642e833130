"""What a suite wrote reaches the records without secrets, as it is written and at its end, and nowhere else."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from verdigris.redaction import folder_keeper
from verdigris.redaction.redactor import Redactor
from verdigris.suites.unredacted import BROUGHT, PREFIX, Unredacted, clean_left, unredacted

SECRET = "s3cr3t-canary-42"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Where the files of a run belong."""
    place = tmp_path / "reports" / "local-1" / "smoke"
    place.mkdir(parents=True)
    return place


@pytest.fixture
def aside(records: Path) -> Iterator[Unredacted]:
    """Where its suite writes."""
    with unredacted(Redactor([SECRET]), records) as made:
        yield made


def test_whole_lines_are_brought_over_while_they_are_written(aside: Unredacted) -> None:
    """A line is not brought before its end, for half a secret is not known as one."""
    with (aside.folder / "output.log").open("a") as output:
        for text, brought in ((f"one {SECRET}\ntwo {SECRET[:6]}", 1), (f"{SECRET[6:]}\n", 2)):
            output.write(text)
            output.flush()
            aside.bring()
            assert (aside.records / "output.log").read_text() == "one [secret]\ntwo [secret]\n"[: 13 * brought]


def test_more_than_is_brought_at_a_time_is_brought_bit_by_bit(aside: Unredacted) -> None:
    """And a secret at the border of two parts is one, as lines are not torn."""
    lines = "".join(f"{number} {SECRET}\n" for number in range(BROUGHT // 10))
    (aside.folder / "output.log").write_text(lines)
    for _ in range(len(lines) // BROUGHT + 2):
        aside.bring()
    assert (aside.records / "output.log").read_text() == lines.replace(SECRET, "[secret]")


def test_the_end_has_each_file_once_and_whole(aside: Unredacted) -> None:
    """What was brought before is replaced; files of an earlier run at the same place too."""
    (aside.records / "artifacts").mkdir()
    (aside.records / "artifacts" / "earlier.txt").write_text("of the run before")
    (aside.folder / "output.log").write_text(f"one {SECRET}\nthe report is {aside.folder}/report.txt\nno end")
    (aside.folder / "junit.xml").write_text(f'<property value="local-1/{aside.folder.name}/shot.png" />')
    (aside.folder / "artifacts").mkdir()
    (aside.folder / "artifacts" / "plain.txt").write_text(SECRET)
    aside.bring()
    aside.finish()
    said = (aside.records / "output.log").read_text()
    assert said == f"one [secret]\nthe report is {aside.records}/report.txt\nno end"
    assert (aside.records / "junit.xml").read_text() == '<property value="local-1/smoke/shot.png" />'
    assert {path.name for path in (aside.records / "artifacts").iterdir()} == {"plain.txt"}
    assert (aside.records / "artifacts" / "plain.txt").read_text() == "[secret]"


def test_evidence_that_was_taken_away_is_not_there_at_the_end(aside: Unredacted) -> None:
    """What was brought of it before proves nothing."""
    (aside.folder / "evidence.jsonl").write_text('{"kind": "collected"}\n')
    aside.bring()
    assert (aside.records / "evidence.jsonl").exists()
    (aside.folder / "evidence.jsonl").unlink()
    aside.finish()
    assert not (aside.records / "evidence.jsonl").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_stands_in_the_place_of_the_output_holds_nobody_up(aside: Unredacted, kind: str) -> None:
    """It is not brought over, and nobody waits for it or follows it."""
    path = aside.folder / "output.log"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/hostname")
    began = time.monotonic()
    aside.bring()
    assert not (aside.records / "output.log").exists()
    aside.finish()
    assert not (aside.records / "output.log").is_file()
    assert time.monotonic() - began < 5


def test_nothing_is_left_beside_the_records(records: Path) -> None:
    """A closed folder in it, and one that a link leads out of it, are no way around that; the link's end stays."""
    outside = records.parents[2] / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("somebody's")
    with unredacted(Redactor([SECRET]), records) as made:
        (made.folder / "closed").mkdir()
        (made.folder / "closed" / "file").write_text(SECRET)
        (made.folder / "closed").chmod(0)
        (made.folder / "link").symlink_to(outside)
    assert [path.name for path in records.parent.iterdir()] == ["smoke"]
    assert (outside / "kept.txt").exists()


def deep(folder: Path, levels: int) -> None:
    """A tree whose last folder holds a secret, and whose path no call takes."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 40, dir_fd=at)
        below = os.open("d" * 40, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    with os.fdopen(os.open("plain.txt", os.O_WRONLY | os.O_CREAT, dir_fd=at), "w") as file:
        file.write(SECRET)
    os.close(at)


@pytest.mark.parametrize("levels", [60, 3000])
def test_what_is_too_deep_to_be_looked_at_is_not_kept(records: Path, levels: int) -> None:
    """Neither in the records nor beside them."""
    with unredacted(Redactor([SECRET]), records) as made:
        (made.folder / "output.log").write_text("kept\n")
        deep(made.folder, levels)
        made.finish()
    assert [path.name for path in records.parent.iterdir()] == ["smoke"]
    assert (records / "output.log").read_text() == "kept\n"
    asked = ["grep", "--recursive", "--files-with-matches", SECRET, str(records)]
    assert subprocess.run(asked, capture_output=True, check=False).stdout == b""


def test_the_keeper_waits_for_those_that_end_the_suite(tmp_path: Path) -> None:
    """It removes the folder when its lock is let go, and not while somebody may still write there."""
    folder = tmp_path / "aside"
    folder.mkdir()
    (folder / "output.log").write_text(SECRET)
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    theirs, ours = os.pipe()
    words = [sys.executable, "-I", "-S", folder_keeper.__file__, str(theirs), str(folder)]
    with subprocess.Popen(words, pass_fds=(theirs,)) as process:
        os.close(theirs)
        os.close(ours)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert folder.exists()
        os.close(held)
        assert process.wait(10) == 0
    assert not folder.exists()


def test_only_folders_whose_makers_died_are_cleaned(tmp_path: Path) -> None:
    """Not those that somebody holds, and nothing that a link leads to."""
    reports, outside = tmp_path / "reports", tmp_path / "outside"
    for name in ("local-1", "local-1/.collected"):
        (reports / name / f"{PREFIX}smoke-dead").mkdir(parents=True)
    outside.mkdir()
    (reports / "local-1" / f"{PREFIX}smoke-link").symlink_to(outside)
    used = reports / "local-1" / f"{PREFIX}smoke-used"
    used.mkdir()
    held = os.open(used, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert len(clean_left(reports)) == 2
    finally:
        os.close(held)
    assert {path.name for path in (reports / "local-1").iterdir()} == {
        ".collected", f"{PREFIX}smoke-link", f"{PREFIX}smoke-used",
    }  # fmt: skip
    assert outside.exists()
    assert clean_left(reports) == (used,)
