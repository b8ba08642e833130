"""The rules of evidence: each is needed, and nothing but a whole pass goes by them."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.made import EXPECTED, IDS, OTHER, TODAY, case, collected, evidence, ran
from verdigris.model import Kind, Objection
from verdigris.settings import AllowedSkip
from verdigris.suites.evidence import (
    OUTCOMES,
    SELECTION,
    Closed,
    CollectError,
    Evidence,
    LeftOut,
    Stranger,
    Tested,
    Warned,
)
from verdigris.suites.rules import MOST, RULES, Case, folded, objections

FIRST = IDS[0]
ALLOWED = AllowedSkip(test=FIRST, owner="somebody", expires=TODAY)
SPACED = "; ".join(reversed(EXPECTED.header().split(";")))
STRANGER = Stranger(url="http://x/", status=200, seen=OTHER.header(), expected=EXPECTED.header())


def closed(exit_status: int = 0, tests: int = 3) -> Closed:
    """A closing line."""
    return Closed(exit_status=exit_status, tests=tests)


def unknown(*identities: dict[str, int]) -> Case:
    """A run by hand of which nobody says who has to answer; the first tests were answered so."""
    tests = (ran(test, identities=seen) for test, seen in zip(IDS, identities, strict=False))
    return case(evidence=evidence(*tests, collected=collected(expected=None)), expected=None)


ONLY = [
    pytest.param("ended", case(ended="its deadline of 60 s passed"), id="ended-by-its-deadline"),
    pytest.param("closed", case(evidence=evidence(closed=None)), id="no-closing-line"),
    pytest.param("closed", case(evidence=evidence(broken="line 3 cannot be understood")), id="a-broken-line"),
    pytest.param("closed", case(evidence=evidence(closed=closed(tests=4))), id="closing-line-counts-more"),
    pytest.param(
        "collect-error",
        case(evidence=evidence(collect_errors=(CollectError(id="smoke/test_b.py", text="E   boom"),))),
        id="a-file-cannot-be-collected",
    ),
    pytest.param(
        "nothing",
        case(
            *(ran(test, "skipped") for test in IDS),
            allow_skips=tuple(AllowedSkip(test=test, owner="somebody", expires=TODAY) for test in IDS),
        ),
        id="every-test-skipped-with-leave",
    ),
    pytest.param(
        "complete",
        case(evidence=evidence(tests=(ran(IDS[0]), ran(IDS[1])), closed=closed(tests=2))),
        id="a-frozen-test-did-not-run",
    ),
    pytest.param("complete", case(frozen=IDS[:2]), id="a-test-ran-that-was-not-frozen"),
    pytest.param("complete", case(evidence=evidence(collected=None)), id="does-not-say-what-it-collected"),
    pytest.param("complete", case(evidence=evidence(collected=collected(deselected=1))), id="a-deselection"),
    pytest.param(
        "complete",
        case(evidence=evidence(left_out=(LeftOut(id="smoke/test_b.py", by="collect_ignore"),))),
        id="a-file-was-ignored",
    ),
    pytest.param(
        "complete",
        case(evidence=evidence(left_out=(LeftOut(id="smoke/test_a.py::test_else", by=SELECTION),))),
        id="a-conftest-set-a-selecting-option",
    ),
    pytest.param(
        "complete",
        case(evidence=evidence(left_out=(LeftOut(id="smoke/test_b.py", by="a hook"),)), selected=True),
        id="a-hook-chose-beside-a-person",
    ),
    pytest.param("call", case(ran(FIRST, phases=("setup", "teardown"))), id="set-up-only"),
    pytest.param("call", case(ran(FIRST, calls=0)), id="the-function-was-never-entered"),
    pytest.param("call", case(ran(FIRST, raised="AssertionError in call")), id="a-failure-reported-as-a-pass"),
    pytest.param("asserts", case(evidence=evidence(collected=collected(asserts=False))), id="asserts-are-off"),
    pytest.param(
        "warning", case(evidence=evidence(warnings=(Warned(id=FIRST, text="it returned bool"),))), id="a-value-returned"
    ),
    pytest.param("answer", case(ran(FIRST, answers=0)), id="one-test-asked-nobody"),
    pytest.param("fewer", case(confirmed=(*IDS, "smoke/test_a.py::test_gone")), id="fewer-than-last-confirmed"),
    pytest.param(
        "fewer", case(confirmed=(IDS[0], "smoke/test_a.py::test_old", IDS[2])), id="a-lost-test-beside-a-new-one"
    ),
    pytest.param("failure", case(ran(FIRST, "failed", reason="no")), id="a-failed-test"),
    pytest.param("failure", case(ran(FIRST, "error", reason="no")), id="an-error-in-a-fixture"),
    pytest.param("failure", case(ran(FIRST, "failed", attempts=2)), id="a-failure-on-the-second-attempt"),
    pytest.param("failure", case(ran(FIRST, "failed", answers=0)), id="a-failure-before-anybody-was-asked"),
    pytest.param("skip", case(ran(FIRST, "skipped")), id="a-skip-nobody-allowed"),
    pytest.param("skip", case(ran(FIRST, "xfailed")), id="an-expected-failure"),
    pytest.param("skip", case(ran(FIRST, "xpassed")), id="an-unexpected-pass"),
    pytest.param(
        "skip",
        case(ran(FIRST, "skipped", critical=True), allow_skips=(ALLOWED,)),
        id="a-critical-test-skipped-with-leave",
    ),
    pytest.param(
        "skip",
        case(ran(FIRST, "skipped"), allow_skips=(ALLOWED,), all_critical=True),
        id="a-skip-with-leave-where-all-is-critical",
    ),
    pytest.param(
        "skip",
        case(ran(FIRST, "skipped"), allow_skips=(ALLOWED,), today=date(2026, 6, 2)),
        id="a-leave-that-expired-yesterday",
    ),
    pytest.param("rerun", case(ran(FIRST, attempts=2)), id="a-pass-on-the-second-attempt"),
    pytest.param(
        "duplicate",
        case(evidence=evidence(tests=(*(ran(test) for test in IDS), ran(FIRST)), closed=closed(tests=4))),
        id="a-test-twice",
    ),
    pytest.param("identity", case(evidence=evidence(collected=collected(expected=None))), id="nobody-was-expected"),
    pytest.param(
        "identity", case(evidence=evidence(collected=collected(expected=OTHER.header()))), id="another-was-expected"
    ),
    pytest.param(
        "identity",
        case(evidence=evidence(collected=collected(grade="routed")), demands="application"),
        id="routed-where-application-is-demanded",
    ),
    pytest.param("identity", case(ran(FIRST, strangers=[STRANGER])), id="a-stranger-answered"),
    pytest.param("identity", case(*(ran(test, identities={OTHER.header(): 1}) for test in IDS)), id="all-by-another"),
    pytest.param("identity", unknown({"nobody": 1}, {"nobody": 1}, {"somebody": 1}), id="two-that-nobody-knows"),
    pytest.param("identity", unknown({OTHER.header(): 1}), id="two-identities-and-nobody-says-which"),
    pytest.param("identity", case(ran(FIRST, identities={OTHER.header(): 1})), id="answers-of-the-live-color"),
    pytest.param(
        "identity",
        case(*(ran(test, identities={}, answers=0, used={"database": 1}) for test in IDS)),
        id="no-answer-of-the-candidate-at-all",
    ),
    pytest.param("exit-status", case(evidence=evidence(closed=closed(exit_status=3))), id="pytest-broke"),
    pytest.param(
        "exit-status", case(evidence=evidence(closed=closed(exit_status=1))), id="a-failure-that-is-not-shown"
    ),
]


def test_an_identity_that_is_written_another_way_is_the_candidates() -> None:
    """Evidence is compared as parsed: who was expected, and who answered."""
    tests = [ran(test, identities={SPACED: 1}) for test in IDS]
    assert objections(case(evidence=evidence(*tests, collected=collected(expected=SPACED)))) == ()


def test_a_whole_pass_has_no_objection() -> None:
    """Every frozen test passed on the expected identity: go on."""
    assert objections(case()) == ()


@pytest.mark.parametrize(("rule", "bad"), ONLY)
def test_a_case_is_caught_by_its_rule_alone(rule: str, bad: Case) -> None:
    """One thing is wrong, and the rule that is about it objects."""
    assert {objection.rule for objection in objections(bad)} == {rule}


@pytest.mark.parametrize(("rule", "bad"), ONLY)
def test_without_its_rule_a_bad_case_goes_through(monkeypatch: pytest.MonkeyPatch, rule: str, bad: Case) -> None:
    """No other rule stands in for the one that is taken out."""
    others = {name: one for name, one in RULES.items() if name != rule}  # a copy, for the order of the table matters
    monkeypatch.setattr("verdigris.suites.rules.RULES", others)
    assert objections(bad) == ()


def test_every_rule_has_a_case_that_only_it_catches() -> None:
    """A rule without such a case would not be needed."""
    assert {param.values[0] for param in ONLY} == set(RULES)


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(case(ran(FIRST, "skipped"), allow_skips=(ALLOWED,)), id="a-skip-with-leave-until-today"),
        pytest.param(case(confirmed=(*IDS, "gone"), acknowledged="it was wrong"), id="fewer-tests-acknowledged"),
        pytest.param(case(confirmed=IDS[:2]), id="more-tests-than-before"),
        pytest.param(case(confirmed=(*IDS[1:], IDS[0])), id="the-same-tests-in-another-order"),
        pytest.param(case(demands="application"), id="application-where-it-is-demanded"),
        pytest.param(
            case(evidence=evidence(collected=collected(grade="routed"))), id="routed-where-nobody-demands-more"
        ),
        pytest.param(case(ran(FIRST, answers=0, used={"certificate": 1})), id="a-certificate-was-read"),
        pytest.param(case(ran(FIRST, answers=0, no_target="it reads a file")), id="a-test-marked-no-target"),
        pytest.param(
            case(evidence=evidence(left_out=(LeftOut(id="one", by=SELECTION),)), selected=True), id="chosen-by-hand"
        ),
        pytest.param(
            case(
                evidence=evidence(left_out=(LeftOut(id="one", by=SELECTION),), collected=collected(deselected=1)),
                selected=True,
            ),
            id="deselected-by-hand-and-by-name",
        ),
        pytest.param(unknown({SPACED: 1}), id="written-another-way-and-nobody-knows"),
        pytest.param(unknown(*[{"a text": 1}] * 3), id="all-say-the-same-text-and-nobody-knows"),
        pytest.param(
            case(evidence=evidence(collected=collected(expected=None)), expected=None), id="all-agree-and-nobody-knows"
        ),
        pytest.param(
            case(*(ran(test, identities={}, answers=0, used={"database": 1}) for test in IDS), selected=True),
            id="only-the-database-chosen-by-hand",
        ),
    ],
)
def test_what_is_allowed_has_no_objection(good: Case) -> None:
    """A word that the settings or a person gave is heard."""
    assert objections(good) == ()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        pytest.param(case(ran(FIRST, "failed")), Kind.FAILED, id="a-failure-speaks-of-the-candidate"),
        pytest.param(case(evidence=evidence(closed=None)), Kind.NOT_VALID, id="a-cut-off-run-says-nothing"),
        pytest.param(case(*(ran(test, "failed") for test in IDS)), Kind.FAILED, id="nothing-but-failures"),
        pytest.param(case(*(ran(test, "skipped") for test in IDS)), Kind.NOT_VALID, id="nothing-but-skips"),
    ],
)
def test_a_failure_is_told_from_evidence_that_is_not_valid(bad: Case, kind: Kind) -> None:
    """Only a complete run may say that the candidate is bad."""
    assert {objection.kind for objection in objections(bad)} == {kind}


def test_an_objection_names_its_suite_and_the_test() -> None:
    """What the operator reads says where to look."""
    (objection,) = objections(case(ran(FIRST, "failed", reason="\n  E  no answer\nmore")))
    assert objection.suite == "smoke"
    assert objection.text == f"{FIRST} failed: E  no answer"


def texts(it: Case) -> list[str]:
    """What is said of it."""
    return [one.text for one in objections(it)]


def test_what_ran_when_a_suite_was_ended_is_named() -> None:
    """Where nothing did, nothing is said of it."""
    begun = evidence().model_copy(update={"hanging": (IDS[1], IDS[2])})
    assert texts(case(ended="too late")) == ["it was ended: too late"]
    assert texts(case(ended="too late", evidence=begun)) == [f"it was ended: too late; running was {IDS[1]}, {IDS[2]}"]


def test_of_several_strangers_the_first_is_named_and_nothing_is_said_twice() -> None:
    """Their answers are among the identities too, and are one objection."""
    second = STRANGER.model_copy(update={"url": "http://y/"})
    stranger = ran(FIRST, strangers=[STRANGER, second], identities={OTHER.header(): 2})
    (text,) = texts(case(stranger))
    assert text.startswith("2 answers came from somebody else: http://x/ (200) was answered by")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (1, f"{IDS[2]} was collected before the release and did not run"),
        (2, f"2 tests were collected before the release and did not run: {IDS[1]}, {IDS[2]}"),
    ],
)
def test_one_missing_test_is_told_as_one_and_two_as_two(missing: int, said: str) -> None:
    """In words that fit."""
    left = IDS[: len(IDS) - missing]
    assert texts(case(evidence=evidence(tests=tuple(map(ran, left)), closed=closed(tests=len(left))))) == [said]


@pytest.mark.parametrize(("number", "more"), [(3, ""), (4, " and 1 more"), (5, " and 2 more")])
def test_three_names_are_said_and_the_others_are_counted(number: int, more: str) -> None:
    """None is counted that was named."""
    lost = MANY[:number]
    (text,) = texts(case(confirmed=(*IDS, *lost)))
    assert f"showed are gone: {', '.join(lost[:3])}{more}; bring them back" in text


def test_of_a_long_reason_the_beginning_is_said() -> None:
    """Three hundred letters of it."""
    assert texts(case(ran(FIRST, "failed", reason="a" * 299 + "bcd"))) == [f"{FIRST} failed: {'a' * 299}b"]


def test_what_is_folded_keeps_the_suite_of_its_first() -> None:
    """Where several suites have the same to say."""
    said = [Objection(rule="one", kind=Kind.FAILED, text=f"{n}", suite=f"suite {n}") for n in range(MOST + 3)]
    assert [one.suite for one in folded(said)] == [f"suite {n}" for n in range(MOST)]


MANY = tuple(f"smoke/test_m.py::test_{number}" for number in range(29))


def test_many_tests_that_did_not_run_are_one_objection_and_its_cause_comes_first() -> None:
    """One line for 29 tests, after what kept them from running."""
    stopped = evidence(collected=collected(ids=MANY), tests=(), closed=closed(4, 0))
    found = objections(case(evidence=stopped, frozen=MANY, error="Chromium needs certutil"))
    assert [one.rule for one in found] == ["exit-status", "nothing", "complete", "identity"]
    assert found[0].text == "pytest ended with exit status 4: Chromium needs certutil"
    assert found[2].text == (
        f"29 tests were collected before the release and did not run: {MANY[0]}, {MANY[1]}, {MANY[2]} and 26 more"
    )


@pytest.mark.parametrize(
    ("tests", "rule"),
    [
        pytest.param([ran(one, "failed", reason="no") for one in MANY], "failure", id="failures"),
        pytest.param([ran(one, "skipped", reason="no") for one in MANY], "skip", id="skips"),
        pytest.param([ran(one, attempts=2) for one in MANY], "rerun", id="reruns"),
    ],
)
def test_what_a_rule_says_of_many_tests_is_folded(tests: list[Tested], rule: str) -> None:
    """Nine by name, then their number; nothing else is hidden behind them."""
    failed = int(rule == "failure")
    it = evidence(collected=collected(ids=MANY), tests=tuple(tests), closed=closed(failed, 29))
    found = [one for one in objections(case(evidence=it, frozen=MANY)) if one.rule == rule]
    assert len(found) == MOST
    assert found[0].text.startswith(MANY[0])
    assert found[-1].text.startswith(f"and 20 more like these: {MANY[9]}, {MANY[10]}, {MANY[11]} and 17 more")


@pytest.mark.parametrize("number", [MOST, MOST + 1])
def test_a_few_of_a_kind_are_all_said(number: int) -> None:
    """Up to the limit each has its own objection."""
    tests = MANY[:number]
    it = evidence(
        collected=collected(ids=tests), tests=tuple(ran(one, "failed") for one in tests), closed=closed(1, number)
    )
    found = [one for one in objections(case(evidence=it, frozen=tests)) if one.rule == "failure"]
    assert len(found) == MOST
    assert found[-1].text.startswith("and 2 more" if number > MOST else MANY[9])


def test_lost_and_new_tests_are_named() -> None:
    """A rename shows as both, with what to do."""
    (found,) = objections(case(confirmed=(IDS[0], "smoke/test_a.py::test_old", IDS[2])))
    assert found.text == (
        "1 of the 3 tests that the last confirmed release showed are gone: smoke/test_a.py::test_old; "
        f"new: {IDS[1]}; bring them back, or acknowledge it with --fewer-tests REASON"
    )


def test_a_collect_error_without_a_text_is_an_objection_all_the_same() -> None:
    """A rule never fails on what it judges."""
    broken = evidence(collect_errors=(CollectError(id="smoke/test_b.py", text=""),))
    assert [objection.rule for objection in objections(case(evidence=broken))] == ["collect-error"]


SPOIL: dict[str, Callable[[Evidence], Evidence]] = {
    "drop the closing line": lambda it: it.model_copy(update={"closed": None}),
    "drop the collection": lambda it: it.model_copy(update={"collected": None}),
    "lose a test": lambda it: it.model_copy(update={"tests": it.tests[1:]}),
    "double a test": lambda it: it.model_copy(update={"tests": (*it.tests, *it.tests[-1:])}),
    "another's answer": lambda it: _first(it, identities={OTHER.header(): 1}),
    "a stranger": lambda it: _first(it, strangers=(STRANGER,)),
    "asks nobody": lambda it: _first(it, answers=0),
    "never called": lambda it: _first(it, calls=0),
    "set up only": lambda it: _first(it, phases=("setup", "teardown")),
    "a swallowed failure": lambda it: _first(it, raised="AssertionError in call"),
    "a warning": lambda it: it.model_copy(update={"warnings": (Warned(text="a thread raised"),)}),
    "a file left out": lambda it: it.model_copy(update={"left_out": (LeftOut(id="a", by="a hook"),)}),
    "a rerun": lambda it: _first(it, attempts=2),
    "another id": lambda it: _first(it, id="smoke/test_a.py::test_else"),
    **{name: lambda it, name=name: _first(it, outcome=name) for name in OUTCOMES if name != "passed"},  # type: ignore[misc]
}


def _first(it: Evidence, **changes: Any) -> Evidence:
    tests = tuple(test.model_copy(update=changes) if number == 0 else test for number, test in enumerate(it.tests))
    return it.model_copy(update={"tests": tests})


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(SPOIL)), min_size=1, max_size=3, unique=True))
def test_spoilt_evidence_always_has_an_objection(what: list[str]) -> None:
    """However a good run is spoilt, something objects."""
    spoilt = evidence()
    for name in what:
        spoilt = SPOIL[name](spoilt)
    assert objections(case(evidence=spoilt))


TESTS = st.lists(
    st.builds(
        Tested,
        id=st.sampled_from((*IDS, "smoke/test_a.py::test_else")),
        outcome=st.sampled_from(OUTCOMES),
        identities=st.sampled_from(({EXPECTED.header(): 1}, {OTHER.header(): 1}, {})),
        attempts=st.sampled_from((1, 1, 1, 2)),
        calls=st.sampled_from((1, 1, 1, 0)),
        answers=st.sampled_from((1, 1, 1, 0)),
        phases=st.sampled_from((("setup", "call", "teardown"), ("setup", "teardown"))),
    ),
    max_size=5,
)
EVIDENCE = st.builds(
    Evidence,
    collected=st.sampled_from((None, collected(), collected(), collected(expected=OTHER.header()))),
    tests=st.one_of(TESTS.map(tuple), st.just(tuple(ran(test) for test in IDS))),
    closed=st.sampled_from((None, closed(), closed(), closed(1), closed(5))),
    broken=st.sampled_from(("", "", "line 2 cannot be understood")),
)


def whole(it: Evidence) -> bool:
    """A complete run of exactly the frozen ids, all passed at once, by the expected identity."""
    return (
        it.collected is not None
        and it.collected.expected == EXPECTED.header()
        and it.closed is not None
        and (it.closed.exit_status, it.closed.tests) == (0, len(IDS))
        and not it.broken
        and sorted(test.id for test in it.tests) == sorted(IDS)
        and all(test.outcome == "passed" and test.attempts == 1 for test in it.tests)
        and all(test.calls and test.answers and "call" in test.phases for test in it.tests)
        and set(it.identities) == {EXPECTED.header()}
    )


@settings(max_examples=300, deadline=None)
@given(EVIDENCE)
def test_only_a_whole_pass_has_no_objection(it: Evidence) -> None:
    """No objection means a complete pass, and a complete pass means no objection."""
    assert (objections(case(evidence=it)) == ()) is whole(it)


def test_without_an_expected_identity_two_identities_do_not_agree() -> None:
    """In a run by hand of which nobody says who must answer, a second one who answers is an objection."""
    two = case(expected=None, evidence=evidence(collected=collected(expected=None)))
    two = two.model_copy(update={"evidence": _first(two.evidence, identities={OTHER.header(): 1})})
    assert {objection.rule for objection in objections(two)} == {"identity"}


def test_fault_29_what_kept_a_suite_from_running_is_said() -> None:
    """A run without a closing line is not valid, and the objection has what pytest said of it."""
    found = objections(case(evidence=evidence(closed=None), error="ERROR: the name shop does not resolve"))
    assert [(one.rule, one.kind) for one in found] == [("closed", Kind.NOT_VALID)]
    assert found[0].text.endswith("(ERROR: the name shop does not resolve)")
