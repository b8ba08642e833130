"""Each platform once, for every test of the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.platform import Platform
from tests.platform.subjects import Fake, Local, Subject
from tests.world import World


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """One environment for all tests of a module; each begins with nobody live."""
    world = World(tmp_path_factory.mktemp("local"), local="stable_seconds = 0.05", ready_seconds=3)
    try:
        yield Local(world)
    finally:
        world.close()


@pytest.fixture(params=["fake", "local"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """The platform under test, nobody live, nothing standing."""
    if request.param == "fake":
        return Fake(tmp_path)
    local: Local = request.getfixturevalue("local")
    return local.reset()


@pytest.fixture
def platform(subject: Subject) -> Platform:
    """An instance of it."""
    return subject.open()
