"""Each platform once, for every test of the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import NamespaceMaker, admin, buildah, images, kubeconfig, make_namespace
from tests.cluster.images import Images
from tests.cluster.world import ClusterWorld
from tests.platform.subjects import Fake, Kubernetes, Local, Subject
from tests.world import World
from verdigris.platform import Platform

__all__ = ["admin", "buildah", "images", "kubeconfig", "make_namespace"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """One environment for all tests of a module; each begins with nobody live."""
    world = World(tmp_path_factory.mktemp("local"), local="stable_seconds = 0.05", ready_seconds=3)
    try:
        yield Local(world)
    finally:
        world.close()


@pytest.fixture(scope="module")
def kubernetes(make_namespace: NamespaceMaker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Kubernetes:
    """One namespace for all tests of a module; each begins with nobody live."""
    root = tmp_path_factory.mktemp("kubernetes")
    return Kubernetes(ClusterWorld(root, make_namespace(), images, ready_seconds=6))


@pytest.fixture(params=["fake", "local", "kubernetes"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """The platform under test, nobody live, nothing standing."""
    if request.param == "fake":
        return Fake(tmp_path)
    found: Local | Kubernetes = request.getfixturevalue(request.param)
    return found.reset()


@pytest.fixture
def platform(subject: Subject) -> Platform:
    """An instance of it."""
    return subject.open()
