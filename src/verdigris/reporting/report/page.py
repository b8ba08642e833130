"""From the files to the view, and from the view to the page and the summary. No function here reads or writes a file
but the templates."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verdigris.model import Color, Record
from verdigris.reporting.report import plot, probe, suites, text, timeline, verdict
from verdigris.reporting.report.files import Files
from verdigris.reporting.report.view import Fact, Link, View

TEMPLATES = Path(__file__).parent / "templates"
_KNOWN_NOTES = ("switch observed", "deploy observed", "lost in the deploy", "profile")
_ELSEWHERE = ("application", "left out", "live")


def view(files: Files, links: tuple[Link, ...] = ()) -> View:
    """The whole report as a value."""
    record = files.record
    said = verdict.verdict(record)
    seen = probe.view(record, files.samples)
    return View(
        record=record,
        title=f"{said.word}: {verdict.subject(record)}, {record.environment}",
        verdict=said,
        left_out=record.notes.get("left out", ""),
        facts=tuple(_facts(record)),
        reasons=verdict.reasons(record.objections),
        steps=timeline.steps(record),
        suites=suites.views(record, files.suites),
        probe=seen,
        probe_problem=files.probe_problem or _no_probe(record, files),
        loss="not measured" if seen is None else f"{seen.lost:,} of {seen.requests:,} requests of the users' probe",
        files=(*links, Link("summary.md", "./summary.md")),
    )


def _no_probe(record: Record, files: Files) -> str:
    if files.samples:
        return ""
    if record.switched:
        return "users were moved, yet no probe of theirs was recorded: what was lost is not known"
    if record.candidate is Color.LIVE:
        return "it ended before the users' probe began, so there is none to show"
    return "nothing was switched, so there is no users' probe to show"


def _facts(record: Record) -> list[Fact]:
    lasted = timeline.lasted(record)
    facts = [
        Fact("who", record.actor),
        Fact("when", text.day_and_clock(record.started)),
        Fact("how long", "not known" if lasted is None else text.duration(lasted)),
        Fact("environment", record.environment),
        Fact("from", _from(record)),
        Fact("to", _to(record)),
    ]
    if record.release and record.release.migration:
        facts.append(Fact("migration level", record.release.migration))
    names = [name for name in _KNOWN_NOTES if name in record.notes]
    names += [name for name in record.notes if name not in (*_KNOWN_NOTES, *_ELSEWHERE)]
    facts += [Fact(name, record.notes[name]) for name in names]
    facts.append(Fact("required suites", ", ".join(record.required) or "none"))
    return [*facts, Fact("release", f"{record.id}, generation {record.generation}")]


def _from(record: Record) -> str:
    if record.live is not None:
        return str(record.live.identity)
    return record.notes.get("live") or "nothing: no release had the users"


def _to(record: Record) -> str:
    if record.release is None:
        return f"{record.version}; it was not prepared"
    if record.candidate is None:
        return f"{record.version} (build {record.release.build}, config {record.release.config})"
    return str(record.release.identity(record.candidate))


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,  # noqa: S701 - the summary is Markdown: every value in it passes the filter ``md``
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["tied"] = text.tied
    environment.filters["md"] = text.markdown
    environment.filters["capitalize_first"] = text.capitalize_first
    environment.filters["duration"] = text.duration
    environment.filters["milliseconds"] = text.milliseconds
    environment.filters["short"] = text.short
    environment.filters["header"] = probe.called
    return environment


def html(shown: View) -> str:
    """The page: one file that needs no other, and runs nothing."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    template = _environment(html=True).get_template("report.html")
    return template.render(
        view=shown,
        record=shown.record,
        style=Markup(style),  # noqa: S704 - ours
        across=Markup(plot.across(shown.probe)) if shown.probe else "",  # noqa: S704 - ours; its labels are escaped
        near=Markup(plot.near(shown.probe)) if shown.probe and shown.probe.near else "",  # noqa: S704
    )


def markdown(shown: View) -> str:
    """The summary that a CI job shows."""
    return _environment(html=False).get_template("summary.md").render(view=shown, record=shown.record)
