"""Who answered: every answer is asked, and the evidence keeps what was said."""

import json
from pathlib import Path

import pytest

from tests.world import World
from verdigris.model import Color
from verdigris.suites.evidence import Evidence, read


def suite(world: World, text: str) -> str:
    """A file of its own, outside the suites; the path to name it by."""
    (world.root / "own").mkdir(exist_ok=True)
    (world.root / "own" / "test_own.py").write_text(text)
    return "own/test_own.py"


def evidence(world: World, tmp_path: Path, *words: str, **env: str) -> tuple[int, str, Evidence]:
    """Run, and read what was recorded."""
    written = tmp_path / "evidence.jsonl"
    done = world.pytest("--env", "local", *words, VERDIGRIS_EVIDENCE=str(written), **env)
    return done.returncode, done.stdout + done.stderr, read(written)


def test_the_evidence_is_whole(standing: World, tmp_path: Path) -> None:
    """What was collected comes first, a start and an end for each test, and the closing line last."""
    code, text, found = evidence(standing, tmp_path, "-m", "smoke")
    assert code == 0, text
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "evidence.jsonl").read_text().splitlines()]
    assert kinds == ["collected", "started", "test", "started", "test", "closed"]
    assert found.collected is not None
    assert found.collected.suite == "smoke"
    assert found.collected.target == "live"
    assert found.collected.ids == ("smoke/test_it.py::test_home_is_served", "smoke/test_it.py::test_it_is_ready")
    assert found.collected.expected is not None
    assert found.closed is not None
    assert (found.closed.tests, found.closed.exit_status) == (2, 0)
    assert found.identities == {found.collected.expected: 2}


def test_workers_record_identities_too(standing: World, tmp_path: Path) -> None:
    """With ``-n 2`` the evidence is the same as without."""
    code, text, found = evidence(standing, tmp_path, "-n", "2")
    assert code == 0, text
    assert found.collected is not None
    assert len(found.collected.ids) == len(found.tests) == 3
    assert found.identities == {found.collected.expected: 4}
    assert found.closed is not None


def test_each_test_runs_once_for_each_target(standing: World, tmp_path: Path) -> None:
    """``--target blue,green`` asks both colors, and each answer comes from the one that was asked."""
    code, text, found = evidence(standing, tmp_path, "-m", "smoke", "--target", "blue,green")
    assert code == 0, text
    names = [test.id.partition("[")[2].rstrip("]") for test in found.tests]
    assert sorted(names) == ["blue", "blue", "green", "green"]
    for test in found.tests:
        color = test.id.partition("[")[2].rstrip("]")
        assert all(seen.startswith(f"color={color};") for seen in test.identities)


def test_the_candidate_is_asked_on_its_own_address(standing: World, tmp_path: Path) -> None:
    """``--target candidate`` is the color that has no users."""
    code, text, found = evidence(standing, tmp_path, "-m", "smoke", "--target", "candidate")
    assert code == 0, text
    assert all("version=1.1.0" in seen for seen in found.identities)


def test_an_answer_of_the_other_color_fails_its_test(standing: World, tmp_path: Path) -> None:
    """A test that asks the users' address instead of its target fails, and the stranger stands in the evidence."""
    url = standing.controller().platform.users().url
    path = suite(standing, f'def test_wrong(http):\n    http.get("{url}/")\n')
    code, text, found = evidence(standing, tmp_path, "--target", "green", path)
    assert code == 1, text
    assert found.tests[0].outcome == "failed"
    assert [stranger.seen.split(";")[0] for stranger in found.tests[0].strangers] == ["color=blue"]
    assert "was answered by color=blue" in text


def test_a_stranger_is_recorded_though_the_test_looks_away(standing: World, tmp_path: Path) -> None:
    """A test that catches everything passes; its evidence is not valid all the same."""
    url = standing.controller().platform.users().url
    body = f'def test_wrong(http):\n    try:\n        http.get("{url}/")\n    except AssertionError:\n        pass\n'
    code, text, found = evidence(standing, tmp_path, "--target", "green", suite(standing, body))
    assert code == 1, text
    assert "1 answers came from somebody else" in text.partition("not proven")[2]
    assert len(found.tests[0].strangers) == 1


@pytest.mark.parametrize(
    ("version", "code"), [pytest.param("1.0.0", 0, id="the one that is live"), pytest.param("9.9.9", 1, id="another")]
)
def test_a_version_can_be_expected(standing: World, tmp_path: Path, version: str, code: int) -> None:
    """``--expect`` is held against every answer; the evidence names no whole identity, so it cannot gate."""
    ended, text, found = evidence(standing, tmp_path, "-m", "smoke", "--expect", version)
    assert ended == code, text
    assert found.collected is not None
    assert found.collected.expected is None


def test_an_answer_without_identity_is_somebody_elses(tmp_path: Path) -> None:
    """Where the header is missing, the test fails, and the evidence says that nobody said who they were."""
    world = World(tmp_path)
    platform = world.up().controller().platform
    try:
        platform.stand_up(platform.prepare(world.version("1.0.0")), Color.BLUE, 1)
        platform.switch(Color.BLUE, platform.live(), 1)
        plan = json.loads((tmp_path / "versions" / "1.0.0" / "build.json").read_text())
        (tmp_path / "versions" / "1.0.0" / "build.json").write_text(json.dumps({**plan, "fault": "no-identity"}))
        world.command("down")
        for record in (world.state / "colors").glob("*.json"):
            assert record.exists()
        world.command("up")  # comes up without its identity, which is not what was deployed
        code, text, found = evidence(world, tmp_path, "-m", "smoke")
        assert code == 1, text
        assert found.tests[0].strangers[0].seen == "no identity"
    finally:
        world.close()


def test_the_routers_own_error_is_a_failure_and_no_stranger(tmp_path: Path) -> None:
    """Where nobody answers behind the router, its 503 fails the test and says nothing of a wrong color."""
    world = World(tmp_path)
    platform = world.up().controller().platform
    try:
        platform.stand_up(platform.prepare(world.version("1.0.0")), Color.BLUE, 1)
        platform.switch(Color.BLUE, platform.live(), 1)
        from verdigris.platform.local import process

        record = world.state / "processes" / "blue.json"
        process.stop(f"{platform.mark}:blue", record)  # type: ignore[attr-defined]
        code, text, found = evidence(world, tmp_path, "-m", "smoke")
        assert code == 1, text
        assert [test.outcome for test in found.tests] == ["failed", "failed"]
        assert not any(test.strangers for test in found.tests)
        assert "/ answered 503" in text
    finally:
        world.close()
