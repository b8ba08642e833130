"""The command line. One verb a file where it is more than a screen; nothing slow is imported before a verb needs it."""

import contextlib
import io
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from verdigris import __version__
from verdigris.errors import ExitStatus, VerdigrisError
from verdigris.private_files import fill_standard
from verdigris.redaction.printable import in_json, shown

if TYPE_CHECKING:
    from types import TracebackType

    from verdigris.model import Record
    from verdigris.settings import Settings

_STATUSES = "\b\nExit status of a release:\n" + "\n".join(
    f"  {int(status):>2}  {status.meaning}" for status in ExitStatus
)


def _options(command: Any) -> Any:
    command = click.option("--settings", type=click.Path(path_type=Path), help="The settings file.", metavar="FILE")(
        command
    )
    return click.option(
        "--env", "environment", default="local", show_default=True, metavar="NAME", help="The environment."
    )(command)


def _runner(command: Any) -> Any:
    return click.option(
        "--runner",
        type=click.Choice(["local", "job"]),
        metavar="WHERE",
        help="Where suites run: local (this machine) or job (a Job of the cluster), whatever the settings say.",
    )(command)


def _settings(path: Path | None) -> "Settings":
    from verdigris import settings

    return settings.load(path)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_STATUSES
    + "\n\nAny other exit status means that the state is unknown: run 'verdigris status', then 'recover'.",
)
@click.version_option(__version__, prog_name="verdigris")
def verdigris() -> None:
    """Blue/green releases proven by pytest suites: no pass without proof."""


@verdigris.command()
@_options
def up(environment: str, settings: Path | None) -> None:
    """Bring an environment up, and restore what stood in it."""
    from verdigris.platform import open_platform

    platform = open_platform(_settings(settings), environment)
    with platform.journal.lock("up"):
        did = platform.up()
    _say("\n".join(did) if did else f"{environment} is up already")


@verdigris.command()
@_options
@click.option("--forget", is_flag=True, help="Remove what this machine keeps of it too: logs, data, a local audit log.")
@click.option("--confirm", metavar="NAME", help="The environment once more; needed where it is on a cluster.")
def down(environment: str, settings: Path | None, confirm: str | None, *, forget: bool) -> None:
    """Stop everything of an environment; its data and its memory stay, unless they are to be forgotten.

    While users are on a release that was neither confirmed nor asked for by a rollback, this is refused, because it
    would stop the one that they have to go back to as well; with --forget nobody goes back.
    """
    from verdigris.errors import PlatformError, Refused, UsageError
    from verdigris.platform import open_platform
    from verdigris.state.alarm import refusal

    loaded = _settings(settings)
    platform = open_platform(loaded, environment)
    if loaded.environment(environment).platform == "kubernetes" and confirm != environment:
        raise UsageError(f"this takes {environment} away from its users; to do that, add: --confirm {environment}")
    with platform.journal.lock("down"):
        said = ""
        with contextlib.suppress(PlatformError):  # a journal or a route that cannot be read keeps nothing running
            said = "" if forget else refusal(platform.journal.read(), platform.live, environment)
        if said:
            raise Refused(said)
        did = platform.down()
        if forget:
            shutil.rmtree(platform.root, ignore_errors=True)
    _say(f"stopped: {', '.join(did)}" if did else f"nothing of {environment} was running")


@verdigris.command()
@click.argument("version")
@_options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def plan(version: str, environment: str, settings: Path | None, *, as_json: bool) -> int:
    """What a release of VERSION would do, and what would refuse it before anything is touched; changes nothing.

    The tests are collected, so that what they need and is not there is known. If a release would be refused or held for
    it, that is the exit status.
    """
    from verdigris.cli.overview import planned
    from verdigris.cli.verifying import collected

    loaded = _settings(settings)
    content = planned(loaded, environment, version)
    found, code = collected(loaded, environment)
    content |= found
    _say(in_json(content) if as_json else _lines(content))
    return ExitStatus.REFUSED if "refused" in content else code


@verdigris.command()
@click.argument("version")
@_options
@_runner
@click.option("--fewer-tests", metavar="REASON", help="Acknowledge fewer tests than the last confirmed release had.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def release(
    version: str, environment: str, settings: Path | None, runner: str | None, fewer_tests: str | None, *, as_json: bool
) -> int:
    """Prove VERSION in the idle color, move the users to it, watch it, take it back where the watch objects."""
    from verdigris.cli.chosen import with_runner
    from verdigris.cli.console import Console
    from verdigris.controller import Controller

    chosen = with_runner(_settings(settings), environment, runner)
    controller = Controller(chosen, environment, Console(quiet=as_json))
    return _concluded(controller.release(version, fewer_tests), controller, as_json=as_json)


@verdigris.command()
@_options
@click.option("--reason", default="", help="Why; it stands in the audit log.")
@click.option(
    "--to",
    metavar="RELEASE",
    help="A version or color; needed to move users onto one taken back, or to leave them on one not confirmed.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def rollback(environment: str, settings: Path | None, reason: str, to: str | None, *, as_json: bool) -> int:
    """Move the users back to the release that was live before."""
    from verdigris.cli.console import Console
    from verdigris.controller import Controller
    from verdigris.model import Outcome

    controller = Controller(_settings(settings), environment, Console(quiet=as_json))
    record = controller.rollback(reason, to)
    code = _concluded(record, controller, as_json=as_json)
    return ExitStatus.CONFIRMED if record.outcome is Outcome.ROLLED_BACK else code  # also if it ended a dead release


@verdigris.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def recover(environment: str, settings: Path | None, *, as_json: bool) -> int:
    """Bring what a dead run left to an end: one verified color live, nothing half done."""
    from verdigris.cli.console import Console
    from verdigris.controller import Controller

    controller = Controller(_settings(settings), environment, Console(quiet=as_json))
    record = controller.recover()
    if record is None:
        _say(in_json({"recovered": None}) if as_json else "nothing was left to recover")
        return ExitStatus.CONFIRMED
    _concluded(record, controller, as_json=as_json)
    return ExitStatus.PERSON_NEEDED if record.exit_status is ExitStatus.PERSON_NEEDED else ExitStatus.CONFIRMED


@verdigris.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--exit-code", is_flag=True, help="End with what is wrong: 0 nothing, 10 problems, 15 an alarm.")
def status(environment: str, settings: Path | None, *, as_json: bool, exit_code: bool) -> int:
    """Who is live, what stands where, what the last release came to, and what is going on now.

    The first line is an alarm if users are on a release that nobody watches, if a person is needed, or if the journal
    is lost or cannot be written: since when, and the command that ends it. With --exit-code the exit status is 15 then,
    10 if something else is a problem (a process that does not run, an interrupted run that users never met), and 0 if
    nothing is.
    """
    from verdigris.cli.overview import exit_status, in_words, present

    content = present(_settings(settings), environment)
    said = in_words(content)
    if not as_json and "alarm" in said:
        _say(" ".join(said.pop("alarm").splitlines()), fg="red", bold=True)
    _say(in_json(content) if as_json else _lines(said))
    return exit_status(content) if exit_code else ExitStatus.CONFIRMED


@verdigris.command()
@_options
@_runner
@click.option("--target", default="live", show_default=True, metavar="WHO", help="live, candidate, blue or green.")
@click.option("--suite", "suites", multiple=True, metavar="SUITE", help="Only this one (more than once for several).")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def verify(
    environment: str,
    settings: Path | None,
    runner: str | None,
    target: str,
    suites: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Run the suites with a release's rules of evidence; changes nothing."""
    from verdigris.cli.chosen import with_runner
    from verdigris.cli.console import Console
    from verdigris.cli.verifying import verified

    chosen = with_runner(_settings(settings), environment, runner)
    content, code = verified(chosen, environment, target, suites, Console(quiet=as_json))
    _say(in_json(content) if as_json else _lines(content))
    return code


@verdigris.command()
@click.argument("one")
@click.argument("other")
@click.option("--settings", type=click.Path(path_type=Path), help="The settings file.", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def drift(one: str, other: str, settings: Path | None, *, as_json: bool) -> int:
    """Where the environments ONE and OTHER differ beyond what the settings allow; changes nothing.

    Compared are their manifests and, where the clusters are reached, what stands there. The exit status is 0 where
    nothing differs beyond that, and 10 where something does.
    """
    from verdigris.cli.drifting import drifted

    content, code = drifted(_settings(settings), one, other)
    _say(in_json(content) if as_json else _lines(content))
    return code


@verdigris.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def audit(environment: str, settings: Path | None, *, as_json: bool) -> None:
    """Show the audit log and verify its chain."""
    from verdigris.cli.overview import moved_in_words
    from verdigris.errors import PlatformError
    from verdigris.platform import open_platform

    platform = open_platform(_settings(settings), environment)
    entries = platform.audit.entries()
    last = platform.journal.read().record
    if last and last.finished and last.action != "candidate" and all(entry.release != last.id for entry in entries):
        text = f"the journal knows that {last.id} ended, and no line is about it: it is gone, or not written yet"
        raise PlatformError(f"{text}; 'verdigris recover' writes that line")
    if as_json:
        _say(in_json({"valid": True, "entries": [entry.model_dump() for entry in entries]}))
        return
    for entry in entries:
        moved = moved_in_words(entry)
        _say(f"{entry.at}  {entry.actor}  {entry.action:<8}  {moved:<36}  {entry.outcome} ({entry.exit_status})")
    _say(f"{len(entries)} lines, the chain is whole")


def _say(text: str, **style: Any) -> None:
    """Print; a reader that is gone, or a full disk under the output, changes no exit status."""
    try:
        safe = text if text[:1] == "{" else shown(text, free=False)
        click.echo(click.style(safe, **style) if style else safe)
    except BrokenPipeError:
        return
    except (OSError, ValueError) as error:
        _failed(f"the output could not be written: {error}", 0)


def _concluded(record: "Record", controller: Any, *, as_json: bool) -> int:
    """Say what it came to; the exit status."""
    from verdigris.cli.console import conclusion

    code = record.exit_status if record.exit_status is not None else ExitStatus.PERSON_NEEDED
    report = controller.folder(record) / "report.html"
    controller.watcher.drain(float("inf"))  # a slow reader is waited for: nothing is held any more
    if as_json:
        _say(in_json(record.model_dump(mode="json")))
    else:
        with contextlib.suppress(OSError, ValueError, KeyboardInterrupt):  # what was done stands, whoever reads of it
            conclusion(record, report if report.exists() else None)
    return code


def _lines(content: dict[str, Any]) -> str:
    width = max(len(key) for key in content)
    lines = []
    for key, value in content.items():
        values = value if isinstance(value, list) else [value]
        for number, one in enumerate(values or ["none"]):
            said = (
                ", ".join(f"{k} {v}" for k, v in one.items() if v not in (None, "")) if isinstance(one, dict) else one
            )
            lines.append(f"{key if number == 0 else '':<{width}}  {'none' if said is None else said}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; its exit status, which no trouble with the output changes."""
    _encode_anything()
    try:
        code = verdigris.main(arguments, prog_name="verdigris", standalone_mode=False)
    except click.exceptions.Abort:
        return _failed("stopped", ExitStatus.PERSON_NEEDED)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        return _failed(said.getvalue().rstrip(), ExitStatus.USAGE, "")
    except VerdigrisError as error:
        return _failed(str(error), error.exit_status)
    except BaseException as error:  # noqa: BLE001 - a SystemExit(0) of a library is no "confirmed" either
        from verdigris.flow.context import in_words

        with contextlib.suppress(Exception):
            _crashed(type(error), error, error.__traceback__)
        return _failed(f"{in_words(error)}; run 'verdigris status', then 'recover'", ExitStatus.PERSON_NEEDED)
    return int(code or 0)


def _failed(text: str, code: int, head: str = "verdigris: ") -> int:
    with contextlib.suppress(OSError, ValueError):
        click.echo(shown(f"{head}{text}"), err=True)
    return code


def _crashed(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
    """What Python says of an error of ours, as safe to print as everything else."""
    _failed("".join(traceback.format_exception(kind, error, trace)).rstrip(), 1, "")


def _encode_anything() -> None:
    """A character that the output cannot encode is written as an escape, and raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def entry() -> None:
    """The console script; an output that nobody takes any more is given up without a word."""
    fill_standard()
    sys.excepthook = _crashed
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
