"""``status`` and ``plan``: what is, and what would be. Neither changes anything."""

from typing import Any

from deploy.model import COLORS, Color, Deployment, in_place
from deploy.platform import Platform, open_platform
from deploy.prepare import candidate_place
from deploy.settings import Environment, Settings


def present(settings: Settings, environment: str) -> dict[str, Any]:
    """Who is live, what stands where, what the last release came to, and what is going on now."""
    platform = open_platform(settings, environment)
    file = platform.journal
    journal, holder = file.read(), file.holder()
    traffic = platform.live()
    record = journal.record
    doing: str | None = None
    if holder is not None:
        doing = f"{holder}" + (f", at {record.step}" if record and not record.finished else "")
    elif record is not None and not record.finished:
        doing = (
            f"a {record.action} of {record.version} died at {record.step}; run: verdigris recover --env {environment}"
        )
    last = None
    if record is not None and record.finished:
        last = {
            "id": record.id,
            "action": record.action,
            "outcome": str(record.outcome),
            "exit_status": record.exit_status,
        }
    return {
        "environment": environment,
        "platform": settings.environment(environment).platform,
        "users": {"url": platform.users().url, "https": platform.users().secure_url},
        "live": _standing(platform, traffic.color) if traffic.color else None,
        **{str(color): _standing(platform, color) for color in COLORS if color in platform.places},
        "problems": platform.problems(),
        "last": last,
        "now": doing,
    }


def _standing(platform: Platform, color: Color) -> dict[str, Any] | None:
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
    }


def in_words(content: dict[str, Any]) -> dict[str, Any]:
    """The same as :func:`present`, as a person reads it."""
    said = dict(content)
    live = content["live"]["color"] if content["live"] else None  # who has the users is not kept for a rollback
    rolls = "blue" not in said
    for key in ("live",) if rolls else ("live", *COLORS):
        if (one := said[key]) is not None:
            kept = f", kept until {one['kept_until']}" if one["kept_until"] and one["color"] != live else ""
            state = f"{one['state']}, {'verified' if one['verified'] else 'not verified'}{kept}"
            who = f"{in_place(one['color'], one['version'])} (build {one['build']}, config {one['config']})"
            said[key] = f"{one['version']}, {state}" if key != "live" else f"{who}, {state}" if rolls else who
        elif key == "live":
            said[key] = "nobody"
        else:
            said[key] = "empty"
    said["users"] = " and ".join(url for url in said["users"].values() if url)
    if (last := said["last"]) is not None:
        said["last"] = f"{last['action']} {last['id']}: {last['outcome']} (exit {last['exit_status']})"
    return {**said, "now": said["now"] or "nothing is going on"}


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
    return {
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
