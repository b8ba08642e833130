"""What a reader finds in the report of each outcome."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from verdigris.errors import UsageError, VerdigrisError
from verdigris.reporting import report
from verdigris.reporting.report import files

from . import folders
from .conftest import Written

NAMES = [*folders.ALL, "minimal"]


@pytest.mark.parametrize(
    ("name", "status", "sentence"),
    [
        (
            "confirmed",
            0,
            "chatbot 1.2.0 was confirmed: smoke, verification and performance passed; users are on green 1.2.0.",
        ),
        ("held_failed", 10, "chatbot 1.2.0 was held: verification failed; users stayed on blue 1.1.0."),
        (
            "held_not_valid",
            11,
            "chatbot 1.2.0 was held: the evidence of smoke is not valid; users stayed on blue 1.1.0.",
        ),
        (
            "rolled_back",
            13,
            "chatbot 1.2.0 was rolled back: 10 probes failed, 0 are borne; users are back on blue 1.1.0.",
        ),
        (
            "person_needed",
            15,
            "chatbot 1.2.0 needs a person: the rollback was not observed within 5 s; who has the users",
        ),
        (
            "never_ready",
            10,
            "chatbot 1.2.0 was held: the candidate exited with status 3 after 1.9 s; users stayed on blue",
        ),
        (
            "refused",
            14,
            "chatbot 1.2.0 was refused: frozen by jonas@example.org until Monday; users stayed on blue 1.1.0.",
        ),
    ],
)
def test_the_verdict_comes_first(written: dict[str, Written], name: str, status: int, sentence: str) -> None:
    """The first heading is the verdict, and the exit status follows it."""
    text = written[name].page.text
    assert sentence in text
    assert text.index(sentence) < text.index(f"exit status {status}") < text.index("Facts")
    assert f"**Exit status {status}**" in written[name].summary


def test_what_the_settings_leave_out_stands_with_the_verdict(written: dict[str, Written]) -> None:
    """In the page and in the summary."""
    assert "Left out by the environment's settings: performance" in written["held_failed"].page.text
    assert "**Left out** by the environment's settings: performance" in written["held_failed"].summary
    assert "Left out" not in written["confirmed"].page.text


def test_a_failed_test_is_open_with_reason_exchanges_and_picture(written: dict[str, Written]) -> None:
    """A reader who was not there sees what was asked and what was answered."""
    page = written["held_failed"].page
    assert len([1 for one in page.all("details") if "open" in one]) == 2
    for words in (
        "AssertionError: POST /api/conversations answered 500, expected 201",
        '{"title": "From verification", "tenant": "verdigris"}',
        'column \\"last_used_at\\" of relation',
        "88.1 ms",
        "ReadTimeout: no byte for 15 s",
    ):
        assert words in page.text
    (picture,) = page.all("img")
    assert picture["src"].startswith("data:image/png;base64,")
    assert picture["alt"] == "What the browser showed: verification/artifacts/message.png"
    assert {"href": "./verification/artifacts/trace.zip"} in page.all("a")


def test_answers_by_somebody_else_are_shown(written: dict[str, Written]) -> None:
    """A passed test whose answer came from the wrong color stands with those to look at."""
    text = written["held_not_valid"].page.text
    assert "passed, but somebody else answered" in text
    assert "was answered by blue 1.1.0 (build 5c01d9a3, config 9f3c21aa); expected was green 1.2.0" in text
    assert "1 neither passed nor failed" in text


def test_a_required_suite_that_did_not_run_is_said(written: dict[str, Written]) -> None:
    """Absence is shown as a row of its own, not left out."""
    assert "verification did not run It is required and did not run." in written["held_not_valid"].page.text
    assert "| verification | did not run | - | - | - | - | - |" in written["held_not_valid"].summary


def test_evidence_that_was_cut_off_is_said(written: dict[str, Written]) -> None:
    """Broken line, missing end, the test that hung, the tests that never ran, the probe's last line."""
    text = written["truncated"].page.text
    for words in (
        "Its evidence is broken: line 7 cannot be understood",
        "Its evidence has no closing line: the run was cut off.",
        "smoke/test_pages.py::test_every_page_is_served[/history] began and never ended.",
        "Collected before the release and did not run: smoke/test_pages.py::test_static_assets_are_served, smoke/",
        "probe.jsonl is not whole: 200 of its 201 lines could be understood.",
        "it stands at the step switch",
    ):
        assert words in text


def test_a_switch_without_a_probe_is_a_problem(tmp_path: Path) -> None:
    """What was lost is then not known, and not said to be nothing."""
    folder = folders.rolled_back(tmp_path)
    (folder / "probe.jsonl").unlink()
    text = report.write(folder).read_text(encoding="utf-8")
    assert "what was lost is not known" in text
    assert "not measured" in text
    assert '<svg class="plot"' not in text


def test_evidence_that_is_missing_is_said(tmp_path: Path) -> None:
    """A suite's folder that is gone leaves its row and a problem."""
    folder = folders.held_failed(tmp_path)
    (folder / "smoke" / "evidence.jsonl").unlink()
    assert "Its evidence is broken: evidence.jsonl: cannot be read: No such file" in report.write(folder).read_text()


def test_a_control_run_is_shown_beside_the_suite_it_controls(tmp_path: Path) -> None:
    """It has no result in the record; its counts come from its evidence."""
    folder = folders.held_failed(tmp_path)
    folders.suite(folder, "control-verification", folders.VERIFICATION, expected=folders.OLD)
    text = (report.write(folder).parent / "summary.md").read_text()
    assert r"| control-verification | passed \(control\) | 6 | 6 | 0 | 0 | - |" in text
    assert "the record has no result of it" not in text


def test_a_picture_that_playwright_left_is_shown_with_its_test(tmp_path: Path) -> None:
    """The plugin names its folders after the tests; the evidence need not name the pictures."""
    folder = folders.held_failed(tmp_path)
    left = folder / "verification" / "artifacts" / "verification-test-browser-py-test-a-message-is-sent-and-answered"
    left.mkdir()
    (left / "test-failed-1.png").write_bytes(folders.png())
    assert report.write(folder).read_text().count("<img") == 2


def test_a_large_picture_is_linked_and_not_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report stays small enough to be mailed."""
    monkeypatch.setattr(files, "PICTURE_LIMIT", 100)
    text = report.write(folders.held_failed(tmp_path)).read_text()
    assert "<img" not in text
    assert "is too large to be shown here" in text


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "artifacts/link.png", "a\x00b"])
def test_an_artifact_outside_of_its_folder_is_not_read(tmp_path: Path, name: str) -> None:
    """Neither by its path nor through a link (fault 49)."""
    (tmp_path / "secret.png").write_bytes(folders.png())
    folder = tmp_path / "reports" / "r"
    test = folders.SHOWN.model_copy(update={"artifacts": (name,)})
    (folder / "verification" / "artifacts").mkdir(parents=True)
    (folder / "verification" / "artifacts" / "link.png").symlink_to(tmp_path / "secret.png")
    place = folder / "verification" / "evidence.jsonl"
    place.write_text(test.model_dump_json() + "\n")
    folders.record(folder)
    text = report.write(folder).read_text()
    assert "<img" not in text
    assert "was not read" in text or "is not there" in text


def test_a_suite_outside_of_the_report_is_not_read(tmp_path: Path) -> None:
    """The record's word for a folder is not trusted either."""
    result = folders.suite(tmp_path, "elsewhere", folders.SMOKE).model_copy(update={"folder": "../elsewhere"})
    folder = folders.record(tmp_path / "r", suites=(result,))
    text = report.write(folder).read_text()
    assert "lies outside of the report and was not read" in text
    assert "test_every_health_endpoint_answers" not in text


def test_a_record_is_needed(tmp_path: Path) -> None:
    """Without it the verdict would have to be invented."""
    with pytest.raises(UsageError, match=r"release\.json: no such file"):
        report.write(tmp_path)
    for content in ("", "{", "[]", '{"schema_version": 1}', "[" * 100_000):
        (tmp_path / "release.json").write_text(content)
        with pytest.raises(VerdigrisError, match="cannot be understood"):
            report.write(tmp_path)
    (tmp_path / "release.json").write_text('{"schema_version": 99}')
    with pytest.raises(VerdigrisError, match="schema 99"):
        report.write(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="no-text"),
        pytest.param(b"[" * 200_000, id="deep"),
        pytest.param(
            b'{"at": 1e300, "milliseconds": NaN, "status": 200, "identity": null, "kept": true}\n', id="nonsense"
        ),
    ],
)
def test_a_probe_that_cannot_be_read_is_said(tmp_path: Path, content: bytes) -> None:
    """The report is written all the same."""
    folder = folders.rolled_back(tmp_path)
    (folder / "probe.jsonl").write_bytes(content)
    assert "probe.jsonl" in report.write(folder).read_text().split("What users saw")[1].split("</p>")[0]


def test_writing_again_writes_the_same(tmp_path: Path) -> None:
    """A report is made of its files alone: no time of writing, no random name."""
    folder = folders.rolled_back(tmp_path)
    first = report.write(folder).read_bytes()
    assert report.write(folder).read_bytes() == first
    names = {"release.json", "report.html", "summary.md", "probe.jsonl", "smoke", "verification", "watch-smoke"}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_made(written: dict[str, Written], name: str) -> None:
    """Language, title, one first heading, no level skipped, ids once, references that lead somewhere, no script."""
    page = written[name].page
    assert page.unbalanced == []
    assert page.stack == []
    assert page.all("html") == [{"lang": "en"}]
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("h1"), tags.count("main"), tags.count("title"), tags.count("script")) == (1, 1, 1, 0)
    levels = [int(tag[1]) for tag in tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for reference in (attributes.get("href", ""), "#" + attributes.get("aria-labelledby", "")):
            assert not reference.startswith("#") or reference == "#" or reference[1:] in ids
    assert all("scope" in attributes for attributes in page.all("th"))
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_page_stay_in_its_folder(written: dict[str, Written], name: str) -> None:
    """Each leads to a file that is there, and no other scheme is used."""
    for link in written[name].page.all("a"):
        assert link["href"].startswith(("#", "./"))
        if link["href"].startswith("./"):
            assert (written[name].folder / link["href"]).is_file()


def test_the_plot_has_a_text_alternative(written: dict[str, Written]) -> None:
    """Its label tells the totals, and a table has the numbers."""
    page = written["rolled_back"].page
    (whole,) = [one for one in page.all("svg") if "over the whole run" in one.get("aria-label", "")]
    assert "1,200 requests, 10 were lost" in whole["aria-label"]
    assert "lost 10 of 1,200 (0.83 %)" in page.text
    assert "first new answer 20 ms after the switch was begun" in page.text


def test_a_summary_is_markdown_that_shows_its_table(written: dict[str, Written]) -> None:
    """Header, ruler and rows follow each other without a gap."""
    lines = written["held_failed"].summary.splitlines()
    start = lines.index("| suite | verdict | collected | passed | failed | skipped | time |")
    assert lines[start + 3] == "| verification | failed | 6 | 4 | 2 | 0 | 16.4 s |"
    assert "- Lost: 10 of 1,200 requests of the users' probe" in written["rolled_back"].summary
    assert json.loads((written["held_failed"].folder / "release.json").read_text())["version"] == "1.2.0"
