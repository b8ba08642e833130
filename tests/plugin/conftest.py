"""Projects of the plugin's tests: one where 1.0.0 has the users and 1.1.0 stands in green, one where nobody stands."""

from collections.abc import Iterator

import pytest

from tests.world import World
from verdigris.model import Color

CLUSTERS = """
[environments.staging]
platform = "kubernetes"
strategy = "rolling"
url = "https://staging.example.invalid"
namespace = "staging"
kubernetes = { manifests = "k8s", image = "images/{version}.json" }

[environments.production]
platform = "kubernetes"
url = "https://production.example.invalid"
namespace = "production"
kubernetes = { manifests = "k8s", image = "images/{version}.json" }
"""
DEEP = """
def test_it_answers_twice(http):
    assert [http.get("/").status_code for _ in range(2)] == [200, 200]
"""


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both colors stand; nothing in it changes them."""
    world = World(tmp_path_factory.mktemp("standing"), extra=CLUSTERS)
    world.suite("verification", DEEP)
    platform = world.up().controller().platform
    for version, color in (("1.0.0", Color.BLUE), ("1.1.0", Color.GREEN)):
        platform.stand_up(platform.prepare(world.version(version)), color, 1)
        if color is Color.BLUE:
            platform.switch(color, platform.live(), 1)
    yield world
    world.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Settings and suites; nothing runs and nobody is live."""
    world = World(tmp_path_factory.mktemp("empty"), extra=CLUSTERS)
    world.suite("verification", DEEP)
    world.version("1.0.0")
    yield world
    world.close()
