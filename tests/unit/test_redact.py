"""Secrets are taken out of text, values, lines and files, in every form; words that are secrets break no evidence."""

import base64
import gzip
import html
import io
import json
import os
import random
import socket
import time
import zipfile
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from verdigris.redaction import folders
from verdigris.redaction.forms import known, weak
from verdigris.redaction.redactor import Redactor
from verdigris.settings import load
from verdigris.settings.secrets import secrets
from verdigris.suites import evidence
from verdigris.suites.evidence import Closed, Collected, Exchange, Tested

SECRET = 'nightly "tide"/7f3a+<91>&\\caf\u00e9'
PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(
    base64.b64encode(random.Random(number).randbytes(size)).decode()  # noqa: S311 - any bytes will do
    for number, size in enumerate((48, 48, 48, 20))
) + "\n-----END PRIVATE KEY-----"  # fmt: skip

FORMS = {
    "itself": str,
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json-in-json": lambda secret: json.dumps(json.dumps(secret)[1:-1])[1:-1],
    "json-with-escaped-slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "json-not-ascii": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "every-letter-in-json": lambda secret: "".join(f"\\u{ord(char):04x}" for char in secret),
    "every-letter-in-json-upper-case": lambda secret: "".join(f"\\u{ord(char):04X}" for char in secret),
    "repr": lambda secret: repr(secret)[1:-1],
    "repr-of-bytes": lambda secret: repr(secret.encode())[2:-1],
    "ascii": lambda secret: ascii(secret)[1:-1],
    "url": quote,
    "url-whole": lambda secret: quote(secret, safe=""),
    "url-lower-case": lambda secret: quote(secret, safe="").replace("%2F", "%2f").replace("%3C", "%3c"),
    "url-form": quote_plus,
    "every-byte-in-url": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "url-in-url": lambda secret: quote(quote(secret, safe=""), safe=""),
    "html": html.escape,
    "html-without-quotes": lambda secret: html.escape(secret, quote=False),
    "html-in-html": lambda secret: html.escape(html.escape(secret)),
    "html-decimal": lambda secret: "".join(f"&#{ord(char)};" for char in secret),
    "html-hexadecimal": lambda secret: "".join(f"&#x{ord(char):X};" for char in secret),
    "html-named": lambda secret: secret.replace("&", "&amp;").replace("/", "&sol;").replace("+", "&plus;"),
    "hex": lambda secret: secret.encode().hex(),
    "hex-upper-case": lambda secret: secret.encode().hex().upper(),
    "hex-with-colons": lambda secret: secret.encode().hex(":"),
    "utf-16": lambda secret: secret.encode("utf-16-le").decode("utf-8", "replace") if secret.isascii() else secret,
    "base64-in-lines": lambda secret: base64.encodebytes(b"x" * 40 + secret.encode()).decode().replace("\n", "\\n"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [SECRET, "s3cr3t-canary-01", PEM.splitlines()[1]], ids=["hard", "plain", "pem"])
def test_a_secret_is_taken_out_in_every_form(form: str, secret: str) -> None:
    """Whatever an application, a library or a test made of it, what is left does not show it."""
    written = FORMS[form](secret)
    kept = Redactor([secret]).text(f"key = {written} end")
    assert "[secret]" in kept
    assert kept.startswith("key = ")
    assert kept.endswith(" end")
    assert written not in kept
    assert not any(written[at : at + 12] in kept for at in range(60 if "base64" in form else 0, len(written) - 11))


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:", "longer-name:"])
@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_base64_is_found_at_each_of_its_offsets(before: str, alphabet: object) -> None:
    """As a part of a longer text (``user:password``) it is three other texts, in two alphabets, in lines or not."""
    secret = "s3cr3t~canary?\u00ff01"
    coded = alphabet(f"{before}{secret} and what follows it, for more than a line".encode()).decode()  # type: ignore[operator]
    kept = Redactor([secret]).text(f"Authorization: Basic {coded}")
    assert "[secret]" in kept
    left = kept.partition("Basic ")[2].replace("\n", "").partition("[secret]")[0]
    assert secret[4:] not in base64.urlsafe_b64decode(left[: len(left) // 4 * 4]).decode(errors="replace")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("postgresql://app:p%40ss%2Fw0rd-1@db/x", {"p%40ss%2Fw0rd-1", "p@ss/w0rd-1"}, id="a-url"),
        pytest.param("postgresql://app:p@ss/w0rd-1@db/x", {"p@ss/w0rd-1"}, id="a-url-that-nobody-encoded"),
        pytest.param("https://hooks.example.com/x?token=t0ken-77-ab", {"t0ken-77-ab"}, id="a-url-with-a-token"),
        pytest.param("host=db password=p4ss-w0rd-1 user=app", {"p4ss-w0rd-1", "app:p4ss-w0rd-1"}, id="a-dsn"),
        pytest.param(r"host=db password='it\'s \\ 4 pass' user=app", {r"it's \ 4 pass"}, id="a-quoted-dsn"),
        pytest.param("Server=db;Password=p4ss;w0rd", {"p4ss"}, id="an-ado-dsn"),
        pytest.param(PEM, set(PEM.splitlines()[1:-1]), id="a-pem"),
        pytest.param("first-line-88a\nsecond-line-99b\n", {"first-line-88a", "second-line-99b"}, id="lines"),
        pytest.param('{"a": {"private_key": "line-one-77\\nline-two-88"}}', {"line-one-77", "line-two-88"}, id="json"),
        pytest.param("kind: Config\ntoken: abc-123-def-456\n", {"abc-123-def-456"}, id="yaml"),
        pytest.param("Bearer abc-123-def-456", {"abc-123-def-456"}, id="a-header"),
        pytest.param("robot:abc-123-def-456", {"abc-123-def-456"}, id="an-account"),
    ],
)
def test_what_is_secret_in_a_text_is_known(text: str, expected: set[str]) -> None:
    """A password in an address, written there or decoded; each line of a key; each value of a document."""
    assert expected <= known(text)


def test_what_every_such_file_has_is_no_secret() -> None:
    """The first line of a key, and the words of a kubeconfig, are in every other file too."""
    found = known(f"apiVersion: v1\nkind: Config\nserver: https://10.0.0.1:6443\n{PEM}")
    assert not found & {"apiVersion: v1", "kind: Config", "-----BEGIN PRIVATE KEY-----", "https://10.0.0.1:6443"}


@pytest.mark.parametrize(
    "text",
    [
        "assert 's3cr3t-canary...' == 'x'",
        "assert '...nary-0123456' == 'x'",
        "assert 's3cr3t-ca...ry-0123456' == 'x'",
        "s3cr3t-can\u2026",
        "the key is s3cr3t-canary-01234",
        "canary-0123456 was the key",
    ],
)
def test_a_part_beside_a_cut_is_taken_out(text: str) -> None:
    """pytest shortens what it shows, and a reason has a limit: the half that is left is half the secret."""
    kept = Redactor(["s3cr3t-canary-0123456"]).text(text)
    assert "[secret]" in kept
    assert "canary" not in kept
    assert "0123" not in kept


WORDS = ("passed", "call", "smoke", "live", "true", "postgres", "tested", "candidate", "12345678", "id", "verification")


def test_a_secret_that_is_a_word_breaks_no_evidence(tmp_path: Path) -> None:
    """Names, keys and verdicts stay; the word is taken out where somebody says it."""
    lines = (
        Collected(suite="smoke", environment="local", target="live", ids=("smoke/test_it.py::test_live",)),
        Tested(
            id="smoke/test_it.py::test_live",
            outcome="passed",
            reason="the password is postgres",
            exchanges=(Exchange(method="GET", url="http://x/true", response_body="call me passed"),),
        ),
        Closed(exit_status=0, tests=1),
    )
    path = tmp_path / "evidence.jsonl"
    path.write_text("".join(line.model_dump_json() + "\n" for line in lines))
    before = evidence.read(path)
    assert Redactor(WORDS).files(tmp_path) == ()
    after = evidence.read(path)
    assert not after.broken
    assert after.collected == before.collected
    assert after.closed == before.closed
    assert (after.tests[0].id, after.tests[0].outcome) == ("smoke/test_it.py::test_live", "passed")
    assert after.tests[0].reason == "the password is [secret]"
    assert after.tests[0].exchanges[0].response_body == "[secret] me [secret]"


def test_a_secret_that_is_a_word_breaks_no_junit(tmp_path: Path) -> None:
    """Tags and names stay; a message is somebody's words."""
    from xml.etree import ElementTree as ET

    text = (
        '<testsuites><testsuite name="smoke" failures="1"><testcase name="test_passed" classname="smoke.failure">'
        '<failure message="failure: call passed">it is failure</failure></testcase></testsuite></testsuites>'
    )
    (tmp_path / "junit.xml").write_text(text)
    Redactor(["failure", "smoke", "passed", "message", "testcase"]).files(tmp_path)
    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - written above
    case = next(root.iter("testcase"))
    assert case.attrib == {"name": "test_passed", "classname": "smoke.failure"}
    assert case[0].attrib["message"] == "[secret]: call [secret]"
    assert case[0].text == "it is [secret]"


def test_a_line_of_evidence_stays_json_whatever_the_secret_is() -> None:
    """A secret that begins as an escape goes on: what is taken out is taken out of the text, not of its escapes."""
    line = json.dumps({"reason": 'a\nice-token-1"', "id": "x"}).encode() + b"\n"
    kept = Redactor(["nice-token-1", 'token-1"']).line(line)
    assert json.loads(kept)["id"] == "x"


def test_a_record_with_words_for_secrets_stays_a_record() -> None:
    """Kinds and rules of objections are structure; their texts are not."""
    said = {"objections": [{"rule": "failure", "kind": "failed", "suite": "smoke", "text": "smoke failed"}]}
    assert Redactor(["failed", "smoke", "failure"]).value(said) == {
        "objections": [{"rule": "failure", "kind": "failed", "suite": "smoke", "text": "[secret] [secret]"}]
    }


def test_every_reference_of_the_settings_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the application, the services, the database and the notifier; which cluster it is, is no secret."""
    for name in ("A", "B", "C"):
        monkeypatch.setenv(name, f"value-{name}-{name}77")
    path = tmp_path / "environments.toml"
    path.write_text(
        'application = "tiny"\n[environments.local]\nplatform = "local"\nnotify_env = { X = { from_env = "B" } }\n'
        'services = { s = { command = ["x"], env = { X = { from_env = "C" } } } }\n'
        '[environments.local.local]\nport = 8400\ncommand = ["x"]\nartifact = "a/{version}"\n'
        'env = { X = { from_env = "A" }, Y = { from_env = "NOT_THERE" } }\n'
    )
    settings = load(path)
    assert secrets(settings.environment("local"), tmp_path) == {"value-A-A77", "value-B-B77", "value-C-C77"}


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_secret_across_the_border_of_two_chunks_is_found(tmp_path: Path) -> None:
    """A file is read in chunks: wherever a border falls, the secret is whole in one of them."""
    secret = "s3cr3t-canary-0123456"
    from verdigris.redaction.archives import CHUNK

    for at in range(CHUNK - len(secret) - 2, CHUNK + 3, 4):
        (tmp_path / f"{at}.bin").write_bytes(b"\0" * at + secret.encode() + b"\0" * 90)
    Redactor([secret]).files(tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert secret.encode() not in content
        assert content.count(b"[secret]") == 1
        assert len(content) == int(path.stem) + 90 + len("[secret]")


def test_a_huge_file_without_content_costs_nothing_and_is_said(tmp_path: Path) -> None:
    """20 GiB, sparse, among the artifacts: gone within a moment, and named."""
    with (tmp_path / "dump.bin").open("wb") as file:
        file.truncate(20 << 30)
    (tmp_path / "note.txt").write_text("s3cr3t-canary-01")
    began = time.monotonic()
    (said,) = Redactor(["s3cr3t-canary-01"]).files(tmp_path)
    assert time.monotonic() - began < 2
    assert said == "dump.bin: 21,475 MB, more than the 200 MB that are looked through; removed"
    assert said in (tmp_path / folders.NOTE).read_text()
    assert not (tmp_path / "dump.bin").exists()
    assert (tmp_path / "note.txt").read_text() == "[secret]"


def test_what_is_no_plain_file_is_not_kept_and_said(tmp_path: Path) -> None:
    """A pipe, a socket, links: nothing is waited for, and nothing outside of the folder is touched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs.txt").write_text("s3cr3t-canary-01")
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link.txt").symlink_to(outside / "theirs.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "hard.txt").hardlink_to(outside / "theirs.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(folder)
        try:
            listening.bind("socket")
        finally:
            os.chdir(before)
        said = Redactor(["s3cr3t-canary-01"]).files(folder)
    assert {line.split(":")[0] for line in said} == {"pipe", "link.txt", "loop", "socket"}
    assert (outside / "theirs.txt").read_text() == "s3cr3t-canary-01"
    assert (folder / "hard.txt").read_text() == "[secret]"
    assert sorted(path.name for path in folder.iterdir()) == ["hard.txt", folders.NOTE]


def test_names_of_files_and_folders_are_redacted(tmp_path: Path) -> None:
    """A test with a secret for a parameter has a folder of that name."""
    place = tmp_path / "artifacts" / "test-s3cr3t-canary-01" / "deep"
    place.mkdir(parents=True)
    (place / "s3cr3t-canary-01.png").write_bytes(b"\x89PNG")
    Redactor(["s3cr3t-canary-01"]).files(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")] == [
        "artifacts/test-[secret]/deep/[secret].png"
    ]


def _packed(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_an_archive_is_written_anew_without_secrets(tmp_path: Path) -> None:
    """A trace is a zip: its members, their names, a zip in it and a compressed file are looked through."""
    secret = "s3cr3t-canary-01"
    inner = _packed({"inner.txt": f"<{secret}>".encode()})
    members = {"trace.network": f'{{"k": "{secret}"}}'.encode() * 9, f"{secret}.txt": b"x", "in.zip": inner, "n": b"7"}
    (tmp_path / "trace.zip").write_bytes(_packed(members))
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"key {secret}".encode()))
    clean = _packed({"a": b"nothing"})
    (tmp_path / "clean.zip").write_bytes(clean)
    assert Redactor([secret]).files(tmp_path) == ()
    assert gzip.decompress((tmp_path / "log.gz").read_bytes()) == b"key [secret]"
    assert (tmp_path / "clean.zip").read_bytes() == clean
    with zipfile.ZipFile(tmp_path / "trace.zip") as archive:
        assert archive.namelist() == ["trace.network", "[secret].txt", "in.zip", "n"]
        assert archive.read("trace.network") == b'{"k": "[secret]"}' * 9
        assert archive.read("n") == b"7"
        with zipfile.ZipFile(io.BytesIO(archive.read("in.zip"))) as deep:
            assert deep.read("inner.txt") == b"<[secret]>"


def test_an_archive_that_cannot_be_looked_at_is_not_kept(tmp_path: Path) -> None:
    """A bomb, a broken one, one in too many others: not unpacked to the end, not kept, and said."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(240):
            member.write(bytes(1 << 20))
    (tmp_path / "bomb.zip").write_bytes(bomb.getvalue())
    (tmp_path / "broken.zip").write_bytes(_packed({"a": b"b" * 99})[:60])
    nested = b"s3cr3t-canary-01"
    for _ in range(6):
        nested = _packed({"x.zip": nested})
    (tmp_path / "nested.zip").write_bytes(nested)
    began = time.monotonic()
    said = Redactor(["s3cr3t-canary-01"]).files(tmp_path)
    assert time.monotonic() - began < 20
    assert {line.split(":")[0] for line in said} == {"bomb.zip", "broken.zip", "nested.zip"}
    assert [path.name for path in tmp_path.iterdir()] == [folders.NOTE]


def test_what_time_does_not_suffice_for_is_not_kept(tmp_path: Path) -> None:
    """The deadline is for the whole folder; what was not looked at is not left as it was."""
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("s3cr3t-canary-01")
    said = Redactor(["s3cr3t-canary-01"]).files(tmp_path, seconds=-1)
    assert len(said) == 3
    assert "not looked at in time; removed" in said[0]


def test_a_folder_that_is_not_there_is_nothing_to_say(tmp_path: Path) -> None:
    """A run that died before its first suite left none."""
    assert Redactor(["s3cr3t-canary-01"]).files(tmp_path / "none") == ()


@pytest.mark.parametrize(
    "text", ["." * 400_000, "\\" * 400_000, "%" * 400_000, "a" * 400_000, "A=\n" * 130_000, "&#" * 200_000]
)
def test_no_text_takes_long(text: str) -> None:
    """Redaction stands in the way of every record: its time grows with the text, whatever the text is."""
    redactor = Redactor([SECRET, *known(PEM)])
    began = time.monotonic()
    redactor.text(text)
    assert time.monotonic() - began < 5


def test_words_are_weak_and_random_values_are_not() -> None:
    """What may stand in names and keys is told apart by what it looks like."""
    assert all(map(weak, (*WORDS, "1.10.0", "hunter2", "verdigris-test")))
    assert not any(map(weak, ("s3cr3t-canary-01", PEM, "correct-horse-battery-staple-x", "1234567890123")))
