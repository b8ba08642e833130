"""What is printed is obeyed by nobody, and holds no secret that this process has read."""

import json
from pathlib import Path

import pytest

from verdigris.cli import main
from verdigris.cli.console import Console
from verdigris.redaction import forms
from verdigris.redaction.printable import clean, in_json, shown
from verdigris.settings import SecretReference


@pytest.mark.parametrize(
    "text",
    [
        "##[error]planted",
        "said: ##[error]planted",
        "a ##[group]b ##[endgroup]",
        "x ##vso[task.setvariable variable=a]b",
        "###[warning]x",
        "::error file=x::planted",
        "ok\n   ::add-mask::x",
        "ok\r::error::x",
        "\x1b]0;owned\x07",
        "\x9b31mred",
        "\u202egnp.exe",
        "a\u2028::error::x",
        "\ud800",
    ],
)
def test_no_text_is_obeyed(text: str) -> None:
    """No escape, no other control, no command: not at the beginning of a line, and not anywhere in one."""
    kept = clean(text)
    assert "##[" not in kept
    assert "##vso[" not in kept
    assert not [line for line in kept.splitlines() if line.strip().startswith("::")]
    assert not any((ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0 for char in kept)
    kept.encode()


@pytest.mark.parametrize("text", ["a ## b", "# [x]", "std::vector", "50 %", "a\tb\nc", "\u00e9\u4e2d"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    """What nobody obeys is not touched."""
    assert clean(text) == text


def test_json_for_scripts_is_the_same_and_obeyed_by_nobody() -> None:
    """Whoever parses it gets what was there; whoever only reads the log finds no command."""
    content = {"text": "x ##[error]planted \x1b[31m \x9b \u202e", "kind": "failed"}
    said = in_json(content)
    assert json.loads(said) == content
    assert "##[" not in said
    assert said.isascii()


def test_what_a_process_has_read_as_a_secret_it_does_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error quotes the last lines of a log, wherever it is caught."""
    monkeypatch.setattr(forms, "READ", set())
    monkeypatch.setattr("verdigris.settings.tables.READ", forms.READ)
    monkeypatch.setenv("DSN", "postgresql://app:s3cr3t-canary-01@db/x")
    SecretReference(from_env="DSN").read(Path())
    assert shown("cannot connect: s3cr3t-canary-01") == "cannot connect: [secret]"
    assert "canary" not in in_json({"text": "s3cr3t-canary-01"})


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (["status", "--env", "\x1b[31m##[error]x"], ""),
        (["##[error]\x1b[31mx"], ""),
        (["release", "1.0.0", "--\x1b[31m##[error]x"], ""),
        (["status"], '"\\u001b[31m ##[error] x" = 1'),
        (["plan", "\x1b[31m ##[error]"], ""),
        (["verify", "--suite", "\x1b[31m ##[error]"], ""),
        (["drift", "\x1b[31m ##[error]", "local"], ""),
    ],
)
def test_every_error_is_cleaned(
    arguments: list[str],
    more: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Options, settings and names of a pull request reach the log of the CI that runs it."""
    (tmp_path / "environments.toml").write_text(
        f'application = "tiny"\n{more}\n[environments.local]\nplatform = "local"\n'
        '[environments.local.local]\nport = 8400\ncommand = ["x"]\nartifact = "a/{version}"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert main(arguments) != 0
    said = "".join(capsys.readouterr())
    assert "error" in said
    assert "##[" not in said
    assert "\x1b" not in said


def test_the_console_prints_nothing_that_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """What a migration said, in the middle of a line of ours."""
    Console().told("the migration said: ##[error]x \x1b[31m\n::error::y")
    said = capsys.readouterr().out
    assert "##[" not in said
    assert "\x1b" not in said
    assert not [line for line in said.splitlines() if line.strip().startswith("::")]
