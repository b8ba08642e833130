"""The shops of the flows' tests: environments on the fake platform, in which some versions were released."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.unit.flow import GOOD, Shop
from verdigris.model import Outcome


@pytest.fixture(scope="module")
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shop]:
    """An environment in which some versions were released, made once, to be copied; a module may set its STRATEGY."""
    usual = getattr(request.module, "STRATEGY", "blue-green")
    made: dict[tuple[str, ...], Shop] = {}

    def get(*versions: str, strategy: str = usual) -> Shop:
        key = (strategy, *versions)
        if key not in made:
            made[key] = Shop(tmp_path_factory.mktemp("released"), strategy)
            for version in versions:
                assert made[key].release(version).outcome is Outcome.CONFIRMED
        return made[key]

    return get


@pytest.fixture
def make_shop(released: Callable[..., Shop], tmp_path: Path) -> Callable[..., Shop]:
    """Make an environment in which some versions were released."""
    numbers = count()

    def make(*versions: str, **options: str) -> Shop:
        return released(*versions, **options).copy(tmp_path / str(next(numbers)))

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """An environment where the first good version has the users."""
    return make_shop(GOOD[0])
