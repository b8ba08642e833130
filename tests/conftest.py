"""What the project's own tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a small project with an environment of its own; it is taken down afterwards."""
    made: list[World] = []

    def make(**options: Any) -> World:
        root = tmp_path / f"world-{len(made)}"
        root.mkdir()
        made.append(World(root, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A project that is up, with versions 1.0.0 and 1.1.0 that are good."""
    world = make_world()
    world.version("1.0.0")
    world.version("1.1.0")
    return world.up()
