"""Trouble of kinds that the code does not name, on real processes: faults 64, 65, 67 and 69.

A part of what ``python -m bench trouble`` plants everywhere: each kind in the watch, where users are on a release that
is not confirmed, and at one drawn call of another step.
"""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.trouble.matrix import KINDS, Stage, chosen, stage
from tests.world import World
from verdigris.errors import ExitStatus

SIGNALS = ("sighup", "sigterm", "sigquit", "sigusr1")
BROKEN = ("raises-foreign-base", "raises-memory", "raises-system-exit", "shallow-stack")
POOR = ("full-disk", "no-descriptors")
SILENT = ("stdout-gone", "stderr-gone", "both-closed", "stdout-blocked", "sigpipe", "sigtstp", "surrogates")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A world in which trouble is planted again and again."""
    with stage(tmp_path_factory.mktemp("trouble") / "world") as made:
        yield made


@pytest.fixture(scope="module")
def calls(troubled: Stage) -> list[str]:
    """What a good release calls, with the step of each."""
    return troubled.calls("good")


def number_of(calls: list[str], step: str) -> int:
    """A call early in a step, from 1, of its own calls: a slow machine makes fewer in the same time."""
    return 1 + sum(call.split()[0] == step for call in calls) // 4


@pytest.mark.parametrize("kind", [*SIGNALS, *BROKEN, *POOR])
def test_what_stops_a_watch_takes_users_back(troubled: Stage, calls: list[str], kind: str) -> None:
    """A good release that could not be watched to its end is not confirmed: exit status 13, in time, nothing held."""
    found = troubled.meet("good", kind, number_of(calls, "watch"), "in the watch", step="watch")
    assert not found.wrong, found
    assert found.exit_status == ExitStatus.ROLLED_BACK, found
    assert troubled.world.live() == "1.0.0"


def test_a_machine_that_starts_no_threads_moves_no_users_for_good(troubled: Stage, calls: list[str]) -> None:
    """Nobody can watch the switch then: held or rolled back, and the next release goes through."""
    found = troubled.meet(
        "good", "no-threads", calls.index("switch platform.standing") + 1, "at the switch", go_on=True
    )
    assert not found.wrong, found
    assert found.exit_status in (ExitStatus.ROLLED_BACK, ExitStatus.HELD_NOT_CONCLUSIVE), found


@pytest.mark.parametrize("kind", SILENT)
def test_an_output_that_fails_stops_no_rollback(troubled: Stage, calls: list[str], kind: str) -> None:
    """The watch objects to the release, and the rollback that is due is carried out whoever reads of it."""
    found = troubled.meet("bad", kind, number_of(calls, "verify"), "in the verification", step="verify")
    assert not found.wrong, found
    assert found.exit_status == ExitStatus.ROLLED_BACK, found


@pytest.mark.parametrize("kind", ["stdout-gone", "both-closed", "sigtstp", "surrogates"])
def test_an_output_that_fails_keeps_no_good_release_from_its_users(
    troubled: Stage, calls: list[str], kind: str
) -> None:
    """It is confirmed as without it."""
    found = troubled.meet("good", kind, number_of(calls, "watch"), "in the watch", step="watch")
    assert not found.wrong, found
    assert (found.exit_status, troubled.world.live()) == (ExitStatus.CONFIRMED, "1.1.0")


@pytest.mark.parametrize("run", ["bad", "rollback", "recover"])
def test_drawn_trouble_ends_safely(troubled: Stage, run: str, record_property: object) -> None:
    """Three kinds of all, at drawn calls of all steps; the seed stands in the message."""
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)  # noqa: S311 - drawn, not secret
    calls = troubled.calls(run)
    for kind in rng.sample(sorted(KINDS), 3):
        at = rng.choice(chosen(calls, rng, 2))
        found = troubled.meet(run, kind, at, calls[at - 1])
        assert not found.wrong, f"seed {seed}: {found}"


def test_a_failure_with_half_a_character_is_an_ordinary_failure(make_world: Callable[..., World]) -> None:
    """A test's message holds a lone surrogate: held, the test is named, the records are written."""
    world = make_world()
    world.version("1.0.0")
    world.suite(
        "smoke",
        """
        import json
        def test_title(http):
            assert http.get("/").status_code == 200
            title = json.loads('"\\\\ud83d"')
            assert title == "x", title
        """,
    )
    world.up()
    done = world.command("release", "1.0.0")
    assert done.returncode == ExitStatus.HELD_FAILED, done.stdout + done.stderr
    assert "test_title" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    record = world.controller().journal.read().record
    assert record is not None
    assert (world.root / "reports" / record.id / "report.html").exists()
    assert record.id in (world.state / "audit.jsonl").read_text()
    assert world.command("verify", "--target", "blue").returncode == ExitStatus.HELD_FAILED
