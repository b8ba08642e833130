"""The values of a release."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.made import EXPECTED, OTHER, record
from verdigris.errors import ExitStatus
from verdigris.model import (
    COLORS,
    Color,
    Identity,
    Kind,
    Objection,
    Step,
    described,
    exit_status_of,
    same_identity,
)

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


WHOLE = EXPECTED.header()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param((), "no identity", id="no-header"),
        pytest.param(("",), "it has no 'color'", id="an-empty-header"),
        pytest.param((WHOLE, WHOLE), "2 identity headers, expected is one", id="the-same-twice"),
        pytest.param((WHOLE, ""), "2 identity headers, expected is one", id="an-empty-one-beside-it"),
        pytest.param((WHOLE, OTHER.header()), "2 identity headers, expected is one", id="two"),
        pytest.param(
            ("color=green;version=2.0.0", "build=b2;config=c0"), "2 identity headers", id="two-halves-that-make-a-whole"
        ),
        pytest.param((f"{WHOLE}, {WHOLE}",), "as if two headers were joined", id="the-same-joined"),
        pytest.param((f"{WHOLE},{OTHER.header()}",), "as if two headers were joined", id="two-joined"),
        pytest.param((f"{WHOLE}, region=x",), "as if two headers were joined", id="one-and-something-joined"),
        pytest.param((f"region=x, {WHOLE}",), "as if two headers were joined", id="something-and-one-joined"),
        pytest.param((f"{WHOLE}\n{WHOLE}",), "no identity", id="joined-as-a-browser-does"),
        pytest.param((f"{WHOLE};version=2.0.0",), "'version' stands in it twice", id="a-key-twice"),
        pytest.param((f"{WHOLE};version=",), "'version' stands in it twice", id="a-key-twice-and-empty"),
        pytest.param((f"{WHOLE};region=x;region=y",), "'region' stands in it twice", id="an-unknown-key-twice"),
        pytest.param((WHOLE.replace("b2", ""),), "it has no 'build'", id="an-empty-key"),
        pytest.param((f"{WHOLE};region",), "'region' is not KEY=VALUE", id="a-key-without-a-value"),
        pytest.param((WHOLE.replace("green", "red"),), "'red' is no color", id="no-such-color"),
        pytest.param((WHOLE.replace("b2", "b\x002"),), "'build' is", id="a-control-character"),
    ],
)
def test_what_is_not_exactly_one_identity_is_nobodys_and_said(lines: tuple[str, ...], words: str) -> None:
    """One header, each key once: what two headers say together is what neither said."""
    assert Identity.of(lines) is None
    assert words in described(lines)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(WHOLE, id="as-it-is-written"),
        pytest.param(WHOLE.replace(";", "; "), id="spaces-after-the-semicolon"),
        pytest.param(f"  {WHOLE.replace('=', ' = ')} ; ", id="spaces-everywhere"),
        pytest.param(";".join(reversed(WHOLE.split(";"))), id="in-another-order"),
        pytest.param(f"{WHOLE};region=x", id="with-more"),
    ],
)
def test_an_identity_is_compared_as_parsed(text: str) -> None:
    """However it is written, it is the same, in a sample and in words."""
    assert Identity.of([text]) == EXPECTED
    assert described([text]) == WHOLE
    assert same_identity(text, EXPECTED)
    assert not same_identity(text, OTHER)
    assert not same_identity(None, EXPECTED)


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
