"""The first step of a release: everything that can be known before anything is touched.

Who is live and whether it is who answers; the artifact; the ids of every test, frozen; what two colors need together;
and the migration, proved on a copy of the database with the live version and the tests that confirmed it.
"""

from verdigris.errors import NotReady, PlatformError, SettingsError
from verdigris.flow.context import Tools, in_words, noting, objecting, rolls
from verdigris.model import Color, Kind, Record, Traffic
from verdigris.platform import Platform


def prepare(record: Record, tools: Tools) -> tuple[Record, Traffic]:
    """Who is live and whether it is who answers; the artifact; the ids of every test, frozen."""
    platform = tools.platform
    traffic = platform.live()
    live = platform.standing(traffic.color) if traffic.color else None
    record = record.with_changes(live=live, candidate=candidate_place(platform, traffic))
    if live is not None:
        answer = platform.answer(None)
        stranger = answer.status is not None and answer.status < 500 and answer.identity != live.identity
        if stranger and not (rolls(platform) and not platform.health(live.color).running):  # a deploy that got stuck
            text = f"users are answered by {answer.seen}, live is {live.identity}"
            return objecting(record, "live", Kind.REFUSED, text), traffic
    release_ = platform.prepare(record.version)
    frozen, found = tools.verifier.collect(record.required)
    record = record.with_changes(release=release_, tests=frozen).objecting(*found)
    if shortage := platform.shortage():
        record = objecting(record, "shortage", Kind.REFUSED, shortage)
    if not record.objections and live is not None:
        record = _rehearse(record, tools)
    return record, traffic


def located(record: Record, platform: Platform) -> Record:
    """The record with who is live and where the version goes, before anything can end the run.

    Of a rollback it is said elsewhere whereto it goes.
    """
    try:
        traffic = platform.live()
        live = platform.standing(traffic.color) if traffic.color else None
    except Exception as error:  # noqa: BLE001 - the first step meets the same, and ends the run
        return noting(record, "live", f"not known: {in_words(error)}")
    if record.action == "rollback":
        return record.with_changes(live=live)
    return record.with_changes(live=live, candidate=candidate_place(platform, traffic))


def candidate_place(platform: Platform, traffic: Traffic) -> Color:
    """Where a candidate stands up: the idle color, or in the place of who is live where the strategy is ``rolling``."""
    if rolls(platform):
        return Color.LIVE
    return traffic.idle


def _rehearse(record: Record, tools: Tools) -> Record:
    """The live version must work on the schema that the release brings, or nothing is touched (fault 22)."""
    release, live = record.release, record.live
    assert release is not None and live is not None  # noqa: S101, PT018
    database = tools.environment.database
    if database is not None and not database.rehearse:
        return noting(record, "rehearsed", "nothing: the settings say database.rehearse = false")
    try:
        with tools.platform.rehearsal(release, live) as rehearsed:
            if rehearsed is None and database is None and tools.platform.migrates:
                text = "nothing: the settings name no database, so what migrates is not proved"
                return noting(record, "rehearsed", text)
            if rehearsed is None:
                return record
            tools.told(f"the migration on a copy: {rehearsed.text}")
            for suite in record.required:
                if suite == "performance":  # a copy on the same server says nothing of speed
                    continue
                result, found = tools.verifier.rehearse(suite, live, record.tests[suite], rehearsed)
                record = record.with_changes(suites=(*record.suites, result)).objecting(*found)
    except (NotReady, PlatformError, SettingsError) as error:
        return objecting(record, "rehearsal", Kind.REFUSED, f"the migration is not proved: {error}")
    if record.objections:
        return record
    return noting(record, "rehearsed", f"{rehearsed.text}; {live.release.version} passes on the copy")
