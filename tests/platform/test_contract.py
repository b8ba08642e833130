"""What every platform does alike, whatever runs the colors."""

import time

import pytest

from tests.platform.subjects import GOOD, NEXT, Subject
from tests.unit.made import audited
from verdigris.errors import Conflict, NotReady, UsageError
from verdigris.model import Color, Deployment
from verdigris.platform import Platform

BLUE, GREEN = Color.BLUE, Color.GREEN


def stand(platform: Platform, version: str, color: Color, generation: int = 1) -> Deployment:
    """A version stood up in a color."""
    return platform.stand_up(platform.prepare(version), color, generation)


def make_live(platform: Platform, version: str = GOOD, color: Color = BLUE) -> Deployment:
    """A version that has the users."""
    deployment = stand(platform, version, color)
    platform.switch(color, platform.live(), 1)
    assert platform.observe(deployment.identity, time.monotonic()).complete
    return deployment


def test_nobody_is_live_at_first(platform: Platform) -> None:
    """A new environment has no live color, and nothing stands in either."""
    traffic = platform.live()
    assert (traffic.color, traffic.identity) == (None, None)
    assert [platform.standing(color) for color in platform.places] == [None, None]
    assert platform.answer(None).identity is None


def test_an_unknown_version_is_a_usage_error(platform: Platform) -> None:
    """Its message says which versions there are."""
    with pytest.raises(UsageError, match=r"9\.9\.9.*1\.0\.0"):
        platform.prepare("9.9.9")


def test_what_is_known_of_a_version_makes_nothing(subject: Subject, platform: Platform) -> None:
    """Asking for a version that was never made does not make it."""
    before = subject.effects()
    assert platform.known("9.9.9") is None
    assert subject.effects() == before


def test_a_prepared_version_is_known(platform: Platform) -> None:
    """The release that is known is the one that was prepared, however often that was."""
    release = platform.prepare(GOOD)
    assert platform.prepare(GOOD) == release
    assert platform.known(GOOD) == release


def test_a_release_stands_up_and_answers_as_itself(platform: Platform) -> None:
    """Its color answers with its identity, and still nobody is live."""
    deployment = stand(platform, GOOD, BLUE)
    answer = platform.answer(BLUE)
    assert (answer.status, answer.identity) == (200, deployment.identity)
    assert platform.health(BLUE).running
    assert platform.live().color is None


def test_another_instance_sees_the_same_world(subject: Subject, platform: Platform) -> None:
    """What one process did, another finds."""
    deployment = make_live(platform)
    other = subject.open()
    assert other.live() == platform.live()
    assert other.standing(BLUE) == deployment
    assert other.health(BLUE) == platform.health(BLUE)


def test_the_live_color_takes_no_candidate(platform: Platform) -> None:
    """Standing up in the live color is a conflict, and who stood there still does."""
    deployment = make_live(platform)
    with pytest.raises(Conflict, match="blue has the users"):
        stand(platform, NEXT, BLUE, 2)
    assert platform.standing(BLUE) == deployment
    assert platform.answer(None).identity == deployment.identity


def test_a_release_in_the_place_of_another_is_another_instance(platform: Platform) -> None:
    """Who stood in the color before is gone, and a restart is visible."""
    stand(platform, GOOD, BLUE)
    before = platform.health(BLUE).instance
    stand(platform, NEXT, BLUE, 2)
    standing = platform.standing(BLUE)
    assert standing is not None
    assert (standing.release.version, standing.generation) == (NEXT, 2)
    assert platform.health(BLUE).instance != before


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        pytest.param("3.0.0", r"3\.0\.0 in green .*exit code 3", id="exits-at-once"),
        pytest.param("3.1.0", r"3\.1\.0 in green was not ready .*503", id="never-ready"),
        pytest.param("3.2.0", r"answers .*not what was deployed", id="another-version"),
    ],
)
def test_what_cannot_become_ready_is_said_with_its_reason(platform: Platform, version: str, reason: str) -> None:
    """A candidate that cannot serve is not ready, and the users stay where they are."""
    live = make_live(platform)
    with pytest.raises(NotReady, match=reason):
        stand(platform, version, GREEN, 2)
    assert platform.live().color is BLUE
    assert platform.answer(None).identity == live.identity


def test_a_switch_is_observed(platform: Platform) -> None:
    """After the switch every answer, on fresh and on kept connections, is the new color's."""
    make_live(platform)
    green = stand(platform, NEXT, GREEN, 2)
    platform.hold_connections()
    traffic = platform.switch(GREEN, platform.live(), 2)
    observation = platform.observe(green.identity, time.monotonic())
    assert observation.complete, observation.reason
    assert observation.fresh > 0
    assert observation.kept > 0
    assert traffic == platform.live()
    assert (traffic.color, traffic.identity) == (GREEN, green.identity)


def test_a_switch_that_did_not_happen_is_not_observed(platform: Platform) -> None:
    """Who does not have the users is not seen to have them, and the reason says who answers."""
    make_live(platform)
    green = stand(platform, NEXT, GREEN, 2)
    observation = platform.observe(green.identity, time.monotonic() - 60)
    assert not observation.complete
    assert "blue 1.0.0" in observation.reason


def test_a_stale_token_is_a_conflict_and_changes_nothing(platform: Platform) -> None:
    """Whoever saw traffic before it moved cannot move it."""
    stale = platform.live()
    live = make_live(platform)
    stand(platform, NEXT, GREEN, 2)
    present = platform.live()
    with pytest.raises(Conflict, match="somebody else moved it"):
        platform.switch(GREEN, stale, 2)
    assert platform.live() == present
    assert platform.answer(None).identity == live.identity


def test_users_are_not_sent_where_nothing_stands(platform: Platform) -> None:
    """A switch to an empty color is refused and changes nothing."""
    make_live(platform)
    before = platform.live()
    with pytest.raises(Conflict, match="nothing stands in green"):
        platform.switch(GREEN, before, 2)
    assert platform.live() == before


def test_every_switch_has_a_token_of_its_own(platform: Platform) -> None:
    """A switch there and back is told from no switch at all."""
    make_live(platform)
    stand(platform, NEXT, GREEN, 2)
    first = platform.live()
    back = platform.switch(BLUE, platform.switch(GREEN, first, 2), 2)
    assert back.color is first.color
    assert back.token != first.token


def test_the_live_color_is_never_retired(platform: Platform) -> None:
    """Retiring it is a conflict, and it goes on to answer."""
    live = make_live(platform)
    with pytest.raises(Conflict, match="blue has the users"):
        platform.retire(BLUE)
    assert platform.answer(None).identity == live.identity


def test_a_color_is_retired_once_and_again(platform: Platform) -> None:
    """Retiring leaves nothing, and retiring nothing is no error."""
    stand(platform, GOOD, GREEN)
    for _ in range(2):
        platform.retire(GREEN)
        assert platform.standing(GREEN) is None
        assert not platform.health(GREEN).running
        assert platform.answer(GREEN).status != 200


def test_what_is_remembered_is_what_stands(subject: Subject, platform: Platform) -> None:
    """What is kept of a deployment comes back the same, in another process too."""
    deployment = stand(platform, GOOD, BLUE)
    kept = deployment.model_copy(update={"verified": True, "kept_until": "2030-01-01T00:00:00Z"})
    for _ in range(2):
        platform.remember(kept)
        assert subject.open().standing(BLUE) == kept


def test_a_dead_color_is_told_from_a_running_one(subject: Subject, platform: Platform) -> None:
    """After a kill the color does not run, the reason is given, and status names it as a problem."""
    stand(platform, GOOD, BLUE)
    subject.kill(BLUE)
    health = subject.open().health(BLUE)
    assert not health.running
    assert health.reason
    assert platform.standing(BLUE) is not None
    assert any("blue does not run" in problem for problem in platform.problems())


def test_up_restores_what_was_killed(subject: Subject, platform: Platform) -> None:
    """What stood in a color answers again, and a second time there is nothing to do."""
    live = make_live(platform)
    subject.kill(BLUE)
    assert any("1.0.0 restored" in did for did in platform.up())
    assert platform.answer(None).identity == live.identity
    assert platform.up() == []
    assert platform.problems() == []


def test_no_request_is_open_at_rest(platform: Platform) -> None:
    """A color that nobody asks has none in flight, nor has an empty one."""
    stand(platform, GOOD, BLUE)
    assert platform.open_requests(BLUE) == 0
    assert platform.open_requests(GREEN) == 0


def test_a_log_is_read_from_where_it_was_left(platform: Platform) -> None:
    """Reading on from an offset shows nothing twice."""
    stand(platform, GOOD, BLUE)
    _, offset = platform.log(BLUE)
    assert platform.log(BLUE, offset) == ("", offset)
    assert platform.log(GREEN)[0] == ""


def test_a_color_and_the_users_have_addresses_of_their_own(platform: Platform) -> None:
    """Nobody reaches a candidate by the users' address."""
    addresses = {platform.users().url, *(platform.address(color).url for color in platform.places)}
    assert len(addresses) == 3


def test_what_one_process_audits_another_reads(subject: Subject, platform: Platform) -> None:
    """The log is the environment's, not the process's, and its chain is whole; whoever never acted is not mentioned."""
    before = len(platform.audit.entries())
    for release in ("one", "two"):
        subject.open().audit.append(audited(release))
    assert [entry.release for entry in platform.audit.entries()[before:]] == ["one", "two"]
    assert platform.audit.mentions("one")
    assert not platform.audit.mentions("three")


def test_every_verb_may_be_called_again(platform: Platform) -> None:
    """Each leaves the same world after a second call as after the first."""
    release = platform.prepare(GOOD)
    platform.migrate(release)
    platform.migrate(release)
    first, second = (platform.stand_up(release, BLUE, 1) for _ in range(2))
    assert first.identity == second.identity
    platform.hold_connections()
    platform.hold_connections()
    platform.switch(BLUE, platform.switch(BLUE, platform.live(), 1), 1)
    for _ in range(2):
        assert platform.observe(first.identity, time.monotonic()).complete
    assert platform.live().color is BLUE
