"""Reading a release's folder: whatever is missing, cut off or outside of it is said in the value, never raised.

Only the record itself must be readable; a report without it would have to invent the verdict.
"""

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from verdigris.errors import UsageError, VerdigrisError
from verdigris.model import SCHEMA, Record
from verdigris.reporting.report.text import clean, cleaned
from verdigris.reporting.report.view import Link
from verdigris.suites import evidence
from verdigris.suites import plain_files as plain
from verdigris.watch import samples

PICTURE_LIMIT = 1_500_000
"""Bytes from which a picture is linked and not shown."""
PICTURES_LIMIT = 12_000_000
"""Bytes of all pictures that one report carries."""
FILES = 200
"""Artifacts of a suite that are looked at, beside those that its tests name."""
LATEST, LONGEST = 1e11, 1e9
"""Seconds since the epoch and milliseconds beyond which a sample is nonsense."""
TAIL = 16_000
"""Bytes of a suite's output of which the last lines are shown."""

_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class SuiteFiles:
    """What a suite left in its folder."""

    folder: str
    evidence: evidence.Evidence
    links: dict[str, Link]
    """Its artifacts, by the name that a test gives them."""
    files: tuple[Link, ...]
    tail: str


@dataclass(frozen=True, slots=True)
class Files:
    """Everything that was read."""

    record: Record
    suites: tuple[SuiteFiles, ...]
    samples: tuple[samples.Sample, ...]
    probe_problem: str
    probe_there: bool


def read(folder: Path) -> Files:
    """Read a release's folder.

    Raises:
        VerdigrisError: where ``release.json`` is not there or cannot be understood.
    """
    record = _record(folder / "release.json")
    names = [result.folder for result in record.suites if result.folder]
    names += sorted(path.parent.name for path in folder.glob("*/evidence.jsonl"))
    budget = [PICTURES_LIMIT]
    seen, problem, there = _probe(folder / "probe.jsonl")
    return Files(
        record=record,
        suites=tuple(_suite(folder, name, budget) for name in dict.fromkeys(names)),
        samples=seen,
        probe_problem=problem,
        probe_there=there,
    )


def _record(path: Path) -> Record:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content["schema_version"]
        if schema != SCHEMA:
            raise VerdigrisError(f"{path}: written with schema {schema}, this Verdigris understands {SCHEMA}")
        return Record.model_validate(cleaned(content))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; a report is made from a release's folder") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerdigrisError(f"{path}: cannot be understood ({str(error).splitlines()[0]})") from None


def _suite(folder: Path, name: str, budget: list[int]) -> SuiteFiles:
    place = contained(folder, name)
    if place is None:
        broken = f"its folder {name!r} lies outside of the report and was not read"
        return SuiteFiles(name, evidence.Evidence(broken=broken), {}, (), "")
    if (lines := contained(place, "evidence.jsonl")) is None:
        return SuiteFiles(name, evidence.Evidence(broken="evidence.jsonl leads out of the report"), {}, (), "")
    found = evidence.read(lines)
    found = evidence.Evidence.model_validate(cleaned(found.model_dump()))
    left = _unnamed(place, found)
    found = found.model_copy(update={"tests": tuple(_with_left(test, left) for test in found.tests)})
    links = {
        artifact: _artifact(folder, place, artifact, budget)
        for artifact in dict.fromkeys(artifact for test in found.tests for artifact in test.artifacts)
    }
    claimed = {artifact for test in found.tests for artifact in test.artifacts}
    others = [artifact for artifact in left if artifact not in claimed]
    files = tuple(link(folder, place / file) for file in ("evidence.jsonl", "junit.xml", "output.log", *others))
    return SuiteFiles(name, found, links, tuple(file for file in files if file), _tail(contained(place, "output.log")))


def _unnamed(place: Path, found: evidence.Evidence) -> list[str]:
    """Artifacts that no test names, as a plugin leaves them."""
    named = {artifact for test in found.tests for artifact in test.artifacts}
    paths = sorted(path for path in (place / "artifacts").rglob("*") if path.is_file())[:FILES]
    return [name for path in paths if (name := path.relative_to(place).as_posix()) not in named]


def _with_left(test: evidence.Tested, left: list[str]) -> evidence.Tested:
    """The test with what pytest-playwright left of it, in a folder that bears its name."""
    slug = re.sub(r"[^a-z0-9]+", "-", test.id.lower()).strip("-")
    mine = [name for name in left if name.split("/")[1] == slug]
    return test.model_copy(update={"artifacts": (*test.artifacts, *mine)}) if mine else test


def contained(folder: Path, name: str) -> Path | None:
    """``name`` inside ``folder``, or ``None`` where it leads out of it (fault 49)."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError):
        return None


def link(folder: Path, path: Path) -> Link | None:
    """A link to a plain file of the report, or ``None`` if there is none: to open a pipe would wait for a writer."""
    try:
        relative = path.resolve().relative_to(folder.resolve()).as_posix()
        return Link(clean(relative), "./" + quote(relative)) if path.is_file() else None
    except (OSError, ValueError):
        return None


def _artifact(folder: Path, place: Path, name: str, budget: list[int]) -> Link:
    path = contained(place, name)
    if path is None:
        return Link(name, "", note="lies outside of the suite's folder and was not read")
    there = link(folder, path)
    if there is None:
        return Link(name, "", note="is not there")
    try:
        size = path.stat().st_size
        with os.fdopen(plain.opened(path), "rb") as file:
            head = file.read(8)
        kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        if not kind:
            return there
        if size > min(PICTURE_LIMIT, budget[0]):
            return Link(there.name, there.href, note=f"is too large to be shown here ({size / 1e6:.1f} MB)")
        budget[0] -= size
        return Link(
            there.name, there.href, uri=f"data:{kind};base64,{base64.b64encode(plain.read(path, size)).decode()}"
        )
    except OSError as error:
        return Link(name, "", note=f"cannot be read: {error.strerror}")


def _tail(path: Path | None) -> str:
    if path is None:
        return ""
    return "\n".join(clean(plain.tail(path, TAIL)).splitlines()[-60:])


def _probe(path: Path) -> tuple[tuple[samples.Sample, ...], str, bool]:
    """The samples, what is wrong with them, and whether there is a file at all."""
    try:
        lines = sum(1 for line in path.read_bytes().splitlines() if line.strip())
        whole = tuple(samples.read(path))
    except FileNotFoundError:
        return (), "", False
    except (OSError, ValueError, RecursionError) as error:
        return (), f"probe.jsonl cannot be read ({clean(str(error))})", True
    usable = tuple(
        sample.model_copy(update={"identity": cleaned(sample.identity), "error": clean(sample.error)})
        for sample in whole
        if 0 <= sample.at < LATEST and abs(sample.milliseconds) < LONGEST
    )
    if not lines:
        return (), "probe.jsonl is empty: the probe saw nothing", True
    if len(usable) == lines:
        return usable, "", True
    return usable, f"probe.jsonl is not whole: {len(usable):,} of its {lines:,} lines could be understood", True
