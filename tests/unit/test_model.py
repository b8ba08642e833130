"""The values of a release."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deploy.errors import ExitStatus
from deploy.model import COLORS, Color, Identity, Kind, Objection, Step, exit_status_of
from tests.unit.made import EXPECTED, OTHER, record

WORD = st.text(st.characters(codec="ascii", exclude_characters=";=", categories=("L", "N", "P", "S")), min_size=1)


@settings(max_examples=150, deadline=None)
@given(st.builds(Identity, color=st.sampled_from(Color), version=WORD, build=WORD, config=WORD))
def test_an_identity_survives_its_header(identity: Identity) -> None:
    """What is written into the header is what is read from it."""
    assert Identity.parse(identity.header()) == identity


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_header_is_read(text: str) -> None:
    """What is not an identity is ``None``, never an error."""
    found = Identity.parse(text)
    assert found is None or Identity.parse(found.header()) == found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("color=blue;version=1;build=b", id="no-config"),
        pytest.param("color=red;version=1;build=b;config=c", id="no-such-color"),
        pytest.param("1.0.0", id="a-bare-version"),
    ],
)
def test_what_is_not_a_whole_identity_is_none(text: str) -> None:
    """Half an identity proves nothing."""
    assert Identity.parse(text) is None


def test_spaces_and_more_in_a_header_are_borne() -> None:
    """An application may say more of itself, in any order."""
    assert Identity.parse("config=c0; build=b2;  region=x; version=2.0.0; color=green") == EXPECTED


def test_the_other_color_of_the_other_is_the_same() -> None:
    """There are two colors."""
    assert [color.other.other for color in COLORS] == list(COLORS)
    assert OTHER.color.other is EXPECTED.color


def test_beside_the_one_place_of_an_environment_that_rolls_there_is_no_other() -> None:
    """Whoever asks for it has taken it for a color."""
    with pytest.raises(ValueError, match="one place"):
        Color.LIVE.other  # noqa: B018 - a property that raises


def test_a_value_is_frozen_and_refuses_unknown_keys() -> None:
    """A transition returns a new value; a word that nobody knows is an error."""
    with pytest.raises(ValidationError, match="frozen"):
        EXPECTED.version = "3"
    with pytest.raises(ValidationError, match="more"):
        Identity.model_validate({**EXPECTED.model_dump(), "more": 1})


def test_a_transition_returns_a_new_record() -> None:
    """The record before is as it was, and the timeline only grows."""
    before = record()
    after = before.at(Step.MIGRATE, "the database", verified=True)
    assert (before.step, before.timeline) == (Step.PREPARE, ())
    assert (after.step, after.verified, [moment.text for moment in after.timeline]) == (
        Step.MIGRATE,
        True,
        ["the database"],
    )


ORDER = (Kind.REFUSED, Kind.NOT_VALID, Kind.FAILED, Kind.NOT_CONCLUSIVE)
STATUS = dict(
    zip(
        ORDER,
        (
            ExitStatus.REFUSED,
            ExitStatus.HELD_NOT_VALID,
            ExitStatus.HELD_FAILED,
            ExitStatus.HELD_NOT_CONCLUSIVE,
        ),
        strict=True,
    )
)


@pytest.mark.parametrize(
    ("one", "two"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1]}") for pair in product(ORDER, ORDER)]
)
def test_the_exit_status_is_that_of_the_worst_objection(one: Kind, two: Kind) -> None:
    """In the order refused, not valid, failed, not conclusive, whichever came first."""
    found = tuple(Objection(rule="any", kind=kind, text="") for kind in (one, two))
    assert exit_status_of(found) is STATUS[min(one, two, key=ORDER.index)]


def test_a_hold_without_a_reason_is_not_valid() -> None:
    """Absence of proof is never a pass."""
    assert exit_status_of(()) is ExitStatus.HELD_NOT_VALID


@pytest.mark.parametrize("status", [pytest.param(status, id=str(int(status))) for status in ExitStatus])
def test_every_exit_status_has_a_meaning(status: ExitStatus) -> None:
    """And none but the first two is a number of pytest's own."""
    assert status.meaning
    assert int(status) in (0, 2) or int(status) > 5
