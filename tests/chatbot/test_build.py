"""An artifact is the same each time, says exactly what it is, and never exists half-made."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from .conftest import CHATBOT, Artifacts, run_script

VERSIONS = tomllib.loads((CHATBOT / "versions.toml").read_text(encoding="utf-8"))["versions"]


def build_id(folder: Path) -> str:
    """Read the build ID of an artifact."""
    return str(json.loads((folder / "build.json").read_text(encoding="utf-8"))["build"])


def files(folder: Path) -> dict[str, int]:
    """List an artifact's files and when each was written, but for what Python wrote by running it."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in found}


def test_the_same_version_has_the_same_build_id_anywhere(artifact: Artifacts, tmp_path: Path) -> None:
    """Two artifacts of one version, made in two places, carry one build ID."""
    assert run_script(CHATBOT / "build.py", "1.5.0", "--out", str(tmp_path / "again")).returncode == 0
    assert build_id(tmp_path / "again") == build_id(artifact("1.5.0"))


def test_an_artifact_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Building the same version into its folder again rewrites nothing, and leaves nothing beside it."""
    for _ in range(2):
        assert run_script(CHATBOT / "build.py", "1.0.0", "--out", str(tmp_path / "out")).returncode == 0
        written = files(tmp_path / "out")
    assert files(tmp_path / "out") == written
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_version_replaces_the_artifact(tmp_path: Path) -> None:
    """A folder with another version's artifact holds the new one afterwards, and nothing of the old."""
    ids = set()
    for version in ("1.5.0", "1.0.0"):
        assert run_script(CHATBOT / "build.py", version, "--out", str(tmp_path / "out")).returncode == 0
        ids.add(build_id(tmp_path / "out"))
    assert len(ids) == 2
    assert "migrations/versions/0003_last_used_at.py" not in files(tmp_path / "out")


def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    """What build.py did not make, it does not replace."""
    (tmp_path / "letter.txt").write_text("keep me")
    done = run_script(CHATBOT / "build.py", "1.0.0", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "is no artifact" in done.stderr
    assert (tmp_path / "letter.txt").read_text() == "keep me"


def test_an_unknown_version_is_told_with_the_known_ones(tmp_path: Path) -> None:
    """The message names versions.toml and what it knows; nothing is made."""
    done = run_script(CHATBOT / "build.py", "9.9.9", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "'9.9.9' in versions.toml" in done.stderr
    assert "1.0.0" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_known_version_is_listed() -> None:
    """--list names each version and the fault planted in it."""
    listed = run_script(CHATBOT / "build.py", "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(VERSIONS)
    assert all(f"[{VERSIONS[line.split()[0]]['plant']}]" in line for line in listed if "[" in line)


def test_every_version_differs_and_its_previous_one_is_known(artifact: Artifacts) -> None:
    """No two versions share a build ID."""
    assert len({build_id(artifact(version)) for version in VERSIONS}) == len(VERSIONS)
    assert {entry.get("previous", "1.0.0") for entry in VERSIONS.values()} <= set(VERSIONS)


def test_build_json_says_what_the_artifact_is(artifact: Artifacts) -> None:
    """Application, version, build ID, the migration it needs, the commit of its sources."""
    built = json.loads((artifact("1.1.0") / "build.json").read_text(encoding="utf-8"))
    assert built.keys() == {"application", "version", "build", "migration", "commit"}
    assert (built["application"], built["version"], built["migration"]) == ("chatbot", "1.1.0", "0002")
    assert re.fullmatch(r"[0-9a-f]{12}", built["build"])


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.5.0"])
def test_assets_of_the_version_before_are_shipped_too(artifact: Artifacts, version: str) -> None:
    """Whatever the page of the version before names can be fetched from this one."""
    assets = {path.name for path in (artifact(version) / "web" / "assets").iterdir()}
    for shipped in {version, VERSIONS[version].get("previous", version)}:
        sources = [artifact(shipped) / "web" / "index.html", *(artifact(shipped) / "web" / "assets").glob("app.*.js")]
        named = set(re.findall(r"/assets/([^\"]+)", sources[0].read_text(encoding="utf-8")))
        assert len(named) == 3
        assert named <= assets
    text = "".join(path.read_text(encoding="utf-8") for path in (artifact(version) / "web").rglob("*.*"))
    assert set(re.findall(r"/assets/([^\"]+)", text)) - assets <= {"{name}"}
    assert set(re.findall(r"\{\{\S+?\}\}", text)) == {"{{build}}", "{{color}}"}
