"""The memory of an environment: durable, whole, and held by one."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.made import deployment, record
from verdigris.errors import PlatformError, Refused
from verdigris.model import SCHEMA, Step
from verdigris.state.journal import Confirmed, Journal, JournalFile, actor, write_durably

HOLD = """
import sys, time
from pathlib import Path
from verdigris.state.journal import JournalFile
with JournalFile(Path(sys.argv[1])).lock("release of 9.9.9"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def file(tmp_path: Path) -> JournalFile:
    """A journal in a folder that is not there yet."""
    return JournalFile(tmp_path / "state")


@pytest.fixture
def other(file: JournalFile) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock."""
    env = {**os.environ, "VERDIGRIS_ACTOR": "the night shift"}
    words = [sys.executable, "-c", HOLD, str(file.folder)]
    child = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_new_environment_has_an_empty_journal(file: JournalFile) -> None:
    """Reading makes nothing."""
    assert file.read() == Journal()
    assert not file.folder.exists()


def test_what_is_written_is_read(file: JournalFile) -> None:
    """By another instance too, and nothing else stands beside it."""
    journal = Journal(
        generation=3,
        record=record().at(Step.WATCH, "for 60 s"),
        confirmed=Confirmed(release_id="r", version="1.0.0", tests={"smoke": ("a", "b")}),
        previous=deployment(verified=True),
    )
    file.write(journal)
    assert JournalFile(file.folder).read() == journal
    assert [path.name for path in file.folder.iterdir()] == ["journal.json"]


def test_a_record_leaves_the_rest_of_the_journal(file: JournalFile) -> None:
    """Journaling a step forgets neither the generation nor what was confirmed."""
    file.write(Journal(generation=3, previous=deployment()))
    file.write_record(record())
    assert file.read() == Journal(generation=3, previous=deployment(), record=record())


def test_generations_only_grow(file: JournalFile) -> None:
    """Each is taken durably before it is used."""
    assert [file.next_generation() for _ in range(3)] == [1, 2, 3]
    assert JournalFile(file.folder).next_generation() == 4


def test_a_journal_that_was_removed_in_a_run_goes_on_with_its_generation(file: JournalFile) -> None:
    """The run writes its next record into an empty one; what follows is newer all the same."""
    run = record(generation=file.next_generation() + 6)
    file.path.unlink()
    file.write(file.read().with_record(run))
    assert file.next_generation() == run.generation + 1


def test_a_half_written_journal_leaves_the_old_one(file: JournalFile) -> None:
    """A process that died while it wrote left a part beside the whole; the next write replaces both."""
    file.write(Journal(generation=1))
    (file.folder / ".journal.json.part").write_text('{"schema_ver')
    assert file.read().generation == 1
    file.write(Journal(generation=2))
    assert file.read().generation == 2


def test_a_reader_finds_the_old_or_the_new_file_and_no_half(tmp_path: Path) -> None:
    """The file is replaced, not written over: who opened the old one still reads it whole."""
    path = tmp_path / "file"
    write_durably(path, "old")
    with path.open() as opened:
        write_durably(path, "new")
        assert opened.read() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"schema_version": 99}', f"schema 99, this Verdigris understands {SCHEMA}", id="a-newer-schema"),
        pytest.param("{}", "schema None", id="no-schema"),
        pytest.param("", "cannot be understood", id="empty"),
        pytest.param("[]", "cannot be understood", id="a-list"),
        pytest.param("garbage", "cannot be understood", id="no-json"),
        pytest.param("[" * 100_000, "cannot be understood", id="brackets-without-end"),
        pytest.param(f'{{"schema_version": {SCHEMA}, "more": 1}}', "cannot be understood", id="an-unknown-key"),
    ],
)
def test_a_journal_that_is_not_understood_is_never_guessed_at(file: JournalFile, text: str, message: str) -> None:
    """The message names the file."""
    file.folder.mkdir()
    file.path.write_text(text)
    with pytest.raises(PlatformError, match=message) as raised:
        file.read()
    assert str(file.path) in str(raised.value)


def test_bytes_that_are_no_text_are_no_journal(file: JournalFile) -> None:
    """Whatever a disk returns, it is refused with the file's name."""
    file.folder.mkdir()
    file.path.write_bytes(b'{"schema_version": 1, "\xff\xfe')
    with pytest.raises(PlatformError, match="cannot be understood"):
        file.read()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
@example(text="1")
@example(text="null")
@example(text='{"schema_version": true}')
def test_any_text_is_a_journal_or_refused(file: JournalFile, text: str) -> None:
    """No other error comes out of reading."""
    file.folder.mkdir(exist_ok=True)
    file.path.write_text(text, encoding="utf-8", errors="replace")
    try:
        file.read()
    except PlatformError:
        return
    assert json.loads(text)["schema_version"] == SCHEMA


def test_the_lock_is_held_for_the_time_of_the_block(file: JournalFile) -> None:
    """Who holds it is told while it is held, and nobody afterwards."""
    with file.lock("release of 1.0.0"):
        holder = JournalFile(file.folder).holder()
        assert holder is not None
        assert (holder.pid, holder.action) == (os.getpid(), "release of 1.0.0")
    assert file.holder() is None


def test_a_lock_that_another_process_holds_is_refused(file: JournalFile, other: "subprocess.Popen[str]") -> None:
    """The message names who, what and which process (fault 30)."""
    with (
        pytest.raises(Refused, match=f"release of 9.9.9 by the night shift .pid {other.pid}, since 20"),
        file.lock("x"),
    ):
        pytest.fail("two hold the environment")
    holder = file.holder()
    assert holder is not None
    assert holder.pid == other.pid


def test_the_lock_of_a_killed_process_is_free(file: JournalFile, other: "subprocess.Popen[str]") -> None:
    """The kernel lets go of it, and nothing has to be cleaned up (fault 31)."""
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert file.holder() is None
    with file.lock("the next"):
        holder = file.holder()
        assert holder is not None
        assert holder.action == "the next"


def test_a_paused_holder_still_holds(file: JournalFile, other: "subprocess.Popen[str]") -> None:
    """A process that was stopped is not dead, and is not taken over."""
    other.send_signal(signal.SIGSTOP)
    with pytest.raises(Refused, match="the environment is held"), file.lock("x"):
        pytest.fail("two hold the environment")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands in its place; nothing is done that could not be remembered (fault 44)."""
    (tmp_path / "state").write_text("")
    file = JournalFile(tmp_path / "state")
    with pytest.raises(Refused, match="journal cannot be written"):
        file.write(Journal())
    with pytest.raises(Refused, match="lock cannot be taken"), file.lock("x"):
        pytest.fail("a lock without a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_refused(file: JournalFile) -> None:
    """The journal that stands there stays as it is."""
    file.write(Journal(generation=1))
    file.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(Refused, match="nothing more was done"):
            file.write(Journal(generation=2))
    finally:
        file.folder.chmod(stat.S_IRWXU)
    assert file.read().generation == 1


def test_a_full_disk_is_refused(file: JournalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old journal stays, and the message says why (fault 44)."""
    file.write(Journal(generation=1))

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="No space left on device"):
        file.write(Journal(generation=2))
    assert file.read().generation == 1


def test_the_actor_is_who_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's own word comes before the machine's."""
    monkeypatch.delenv("VERDIGRIS_ACTOR", raising=False)
    monkeypatch.setenv("GITHUB_ACTOR", "a committer")
    assert actor() == "a committer"
    monkeypatch.setenv("VERDIGRIS_ACTOR", "a person")
    assert actor() == "a person"
