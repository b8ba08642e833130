"""``status`` and ``plan``: what is, and what would be. Neither changes anything."""

from typing import Any

from verdigris.errors import ExitStatus, PlatformError
from verdigris.flow.prepare import candidate_place
from verdigris.model import COLORS, Color, Deployment, in_place
from verdigris.platform import Platform, open_platform
from verdigris.redaction.printable import clean
from verdigris.settings import Environment, Settings
from verdigris.state.alarm import Alarm, alarm, refusal, unaccounted
from verdigris.state.audit import Entry
from verdigris.state.journal import Finished, Journal


def present(settings: Settings, environment: str) -> dict[str, Any]:
    """Who is live, what stands where, what the last release came to, and what is going on now."""
    return seen(open_platform(settings, environment), environment, settings.environment(environment).platform)


def seen(platform: Platform, environment: str, kind: str) -> dict[str, Any]:
    """The same of an open platform; an alarm, if there is one, comes first."""
    holder, (journal, damage) = platform.journal.holder(), _read(platform)  # a run that ends in between was held
    traffic, record, trouble = platform.live(), journal.record, platform.journal.trouble()
    raised = alarm(journal, holder, traffic, environment)
    raised = raised or unaccounted(journal, holder, traffic, environment, damage, trouble)
    problems = [str(raised)] if raised else []
    wrong = damage or trouble
    problems += [wrong] if wrong and not (raised and wrong in raised.text) else []
    doing: str | None = None
    if holder is not None:
        doing = f"{holder}" + (f", at {record.step}" if record and not record.finished else "")
    elif record is not None and not record.finished:
        doing = (
            f"a {record.action} of {record.version} died at {record.step}; run: verdigris recover --env {environment}"
        )
        problems += [] if raised else [doing]
    last = last_of(journal)
    return {
        **_alarm(raised),
        "environment": environment,
        "platform": kind,
        "users": {"url": platform.users().url, "https": platform.users().secure_url},
        "live": _standing(platform, traffic.color, journal) if traffic.color else None,
        **{str(color): _standing(platform, color, journal) for color in COLORS if color in platform.places},
        "problems": [*problems, *platform.problems()],
        "last": last.model_dump(exclude={"version"}) if last else None,
        "now": doing,
    }


def _read(platform: Platform) -> tuple[Journal, str]:
    """The journal; or an empty one, and why it cannot be read: then everything else is to be seen all the more."""
    try:
        return platform.journal.read(), ""
    except PlatformError as error:
        return Journal(), str(error)


def exit_status(content: dict[str, Any]) -> ExitStatus:
    """What ``status --exit-code`` ends with."""
    if "alarm" in content:
        return ExitStatus.PERSON_NEEDED
    return ExitStatus.HELD_FAILED if content["problems"] else ExitStatus.CONFIRMED


def last_of(journal: Journal) -> Finished | None:
    """The last finished release or rollback, also while another one runs."""
    record = journal.record
    if journal.last is not None or record is None or not record.finished:
        return journal.last
    status = int(record.exit_status) if record.exit_status is not None else None  # of a journal that kept none yet
    return Finished(
        id=record.id, action=record.action, version=record.version, outcome=str(record.outcome), exit_status=status
    )


def _alarm(raised: Alarm | None) -> dict[str, Any]:
    return {"alarm": raised.model_dump()} if raised else {}


def _standing(platform: Platform, color: Color, journal: Journal) -> dict[str, Any] | None:
    deployment: Deployment | None = platform.standing(color)
    if deployment is None:
        return None
    health = platform.health(color)
    release = deployment.release
    return {
        "color": str(color),
        "version": release.version,
        "build": release.build,
        "config": release.config,
        "state": "running" if health.running else f"not running ({health.reason})",
        "verified": deployment.verified,
        "kept_until": deployment.kept_until,
        **_undone(deployment, journal),
    }


def _undone(deployment: Deployment, journal: Journal) -> dict[str, Any]:
    """Why users are no longer on what stands there, if they were taken back from it."""
    undone = journal.undone
    if undone is None or (undone.color, undone.release) != (deployment.color, deployment.release):
        return {}
    return {"rolled_back": undone.reason} if deployment.deployed <= undone.at else {}  # not one stood up again since


def in_words(content: dict[str, Any]) -> dict[str, Any]:
    """The same as :func:`present`, as a person reads it."""
    said = dict(content)
    live = content["live"]["color"] if content["live"] else None  # who has the users is not kept for a rollback
    rolls = "blue" not in said
    for key in ("live",) if rolls else ("live", *COLORS):
        if (one := said[key]) is not None:
            kept = f", kept until {one['kept_until']}" if one["kept_until"] and one["color"] != live else ""
            state = f"{one['state']}, {'verified' if one['verified'] else 'not verified'}{_taken_back(one)}{kept}"
            who = f"{in_place(one['color'], one['version'])} (build {one['build']}, config {one['config']})"
            said[key] = f"{one['version']}, {state}" if key != "live" else f"{who}, {state}" if rolls else who
        elif key == "live":
            said[key] = "nobody"
        else:
            said[key] = "empty"
    if (raised := said.get("alarm")) is not None:
        said["alarm"] = str(Alarm.model_validate(raised))
    said["users"] = " and ".join(url for url in said["users"].values() if url)
    if (last := said["last"]) is not None:
        said["last"] = f"{last['action']} {last['id']}: {last['outcome']} (exit {last['exit_status']})"
    return {**said, "now": said["now"] or "nothing is going on"}


def _taken_back(one: dict[str, Any]) -> str:
    """A color that was rolled back does not say ``verified`` without more."""
    reason = one.get("rolled_back")
    return f", then rolled back {clean(str(reason)).splitlines()[0][:200]}" if reason else ""


def moved_in_words(line: Entry) -> str:
    """From whom to whom a line of the audit log moved the users, or was to move them."""
    return f"{_who(line.from_identity)} -> {_who(line.to_identity)}"


def _who(identity: str | None) -> str:
    if identity is None:
        return "nobody"
    known = dict(part.split("=", 1) for part in identity.split(";") if "=" in part)
    return in_place(known.get("color", "live"), known.get("version", "unknown"))


def planned(settings: Settings, environment: str, version: str) -> dict[str, Any]:
    """What a release would do."""
    platform = open_platform(settings, environment)
    chosen = settings.environment(environment)
    journal = platform.journal.read()
    traffic = platform.live()
    live = platform.standing(traffic.color) if traffic.color else None
    release = platform.known(version)
    left_out = sorted(set(settings.suites) - set(chosen.suites))
    unfinished = journal.record is not None and not journal.record.finished
    said = "" if unfinished else refusal(journal, lambda: traffic, environment)
    return {
        **({"refused": said} if said else {}),
        "environment": environment,
        "live": f"{live.identity}" if live else "nobody: this would be the first release",
        "prepare": ["recover what an earlier run left" if unfinished else "nothing to recover"]
        + ([f"build {version}"] if release is None else [f"{version} is built: {release.build}"])
        + ["collect every suite and freeze the ids"],
        "migrate": "the database, where its level is another" if platform.migrates else "nothing is configured",
        "deploy": deployed(platform, version),
        "verify": [*chosen.suites],
        "left out": left_out or "nothing",
        **moved(platform, chosen),
    }


def deployed(platform: Platform, version: str) -> str:
    """Where a release would stand up, and in whose place."""
    into = candidate_place(platform, platform.live())
    gone = platform.standing(into)
    if into is not Color.LIVE:
        return f"{version} into {into}" + (f", in place of {gone.release.version}" if gone else "")
    before = f"in place of {gone.release.version}, which comes back where anything objects" if gone else "as the first"
    return f"{version} {before}; users meet it from here on"


def moved(platform: Platform, chosen: Environment) -> dict[str, str]:
    """The steps of a release in which the users are moved and watched."""
    traffic, watch = platform.live(), chosen.watch
    into = candidate_place(platform, traffic)
    watched = f"{watch.seconds:g} s at {watch.rate:g} probes a second (profile {watch.profile})"
    if into is Color.LIVE:
        return {"watch": watched, "settle": "it stays where it stands"}
    return {
        "switch": f"users from {traffic.color or 'nobody'} to {into}, observed within {chosen.switch_seconds:g} s",
        "watch": watched,
        "settle": f"the old color drains and is kept {chosen.rollback_window:g} s"
        if traffic.color
        else "nothing to drain",
    }
