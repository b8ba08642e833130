"""An authority, servers that show its certificates, and a world whose users are served by name."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.names.served import BUNDLE, NAME, Server, named, put, show
from tests.world import SMOKE, World
from verdigris.model import Color
from verdigris.platform import Address
from verdigris.plugin.browser import chromium
from verdigris.plugin.trust import certutil

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def browser() -> None:
    """Chromium, and what it needs to trust an issuer."""
    try:
        chromium()
        certutil()
    except pytest.UsageError as error:
        if os.environ.get("VERDIGRIS_REQUIRE_ALL"):
            raise
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test here asks a cluster: the environments are on one by name only."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who issues the certificates."""
    return trustme.CA(organization_name="Shop")


@pytest.fixture(scope="session")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of its certificate."""
    path = tmp_path_factory.mktemp("authority") / BUNDLE
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of an authority that issued nothing."""
    path = tmp_path_factory.mktemp("stranger") / BUNDLE
    trustme.CA(organization_name="Stranger").cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def serve(authority: trustme.CA) -> Iterator[Callable[[str], Server]]:
    """Start a server that shows a certificate of a kind."""
    started: list[Server] = []

    def start(kind: str = "good") -> Server:
        started.append(Server(show(authority, kind)))
        return started[-1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def address(serve: Callable[[str], Server], trusted: str) -> Callable[..., Address]:
    """The address of a new server of a kind, by its name."""

    def make(kind: str = "good", ca: str | None = trusted) -> Address:
        return Address(url=f"https://{NAME}", connect=serve(kind).place, ca=ca)

    return make


def with_certificate_test(world: World) -> World:
    """Add the shipped test of the certificate to a world's smoke suite."""
    world.suite("smoke", SMOKE)
    world.suite("smoke", (ROOT / "smoke" / "test_certificate.py").read_text(), "test_certificate.py")
    return world


@pytest.fixture(scope="module")
def by_name(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, trusted: str, stranger: str
) -> Iterator[World]:
    """The tiny application behind Envoy; the environment ``named`` reaches it by its name, which DNS does not know."""
    world = with_certificate_test(World(tmp_path_factory.mktemp("by-name"), tls=True))
    put(world.state / "tls", authority, authority.issue_cert(NAME, "127.0.0.1"))
    platform = world.up().controller().platform
    try:
        platform.stand_up(platform.prepare(world.version("1.0.0")), Color.BLUE, 1)
        platform.switch(Color.BLUE, platform.live(), 1)
        secure = str(platform.users().secure_url).rpartition(":")[2]
        both = world.root / "both.pem"  # the second of a file counts as the first does
        both.write_text(Path(stranger).read_text() + Path(trusted).read_text())
        named(world, f"127.0.0.1:{secure}", both.name)
        yield world
    finally:
        world.close()
