"""Suites reach an environment by its name, with its certificate verified: httpx, Chromium and Locust alike."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.names.conftest import ROOT, with_certificate_test
from tests.names.served import NAME, Server, named
from tests.world import World
from verdigris.suites.evidence import Evidence, read

PAGE = """
def test_page(page, http):
    page.goto("/")
    assert page.evaluate("location.href") == "https://{name}/"
    assert page.evaluate("isSecureContext")
"""
LOAD = "load = {{ users = 3, seconds = 2, requests = {requests}, paths = ['/', '/readyz'] }}\n"
CERTIFICATE = "smoke/test_certificate.py"


def run(world: World, environment: str, tmp_path: Path, *words: str, **env: str) -> tuple[int, str, Evidence]:
    """Run the suites, and read what was recorded."""
    written = tmp_path / "evidence.jsonl"
    done = world.pytest("--env", environment, *words, VERDIGRIS_EVIDENCE=str(written), **env)
    return done.returncode, done.stdout + done.stderr, read(written)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Settings and suites; nothing runs."""
    world = with_certificate_test(World(tmp_path_factory.mktemp("bare")))
    yield world
    world.close()


def test_smoke_passes_by_name(by_name: World, tmp_path: Path) -> None:
    """Every answer comes from the release that the name serves, and the evidence says at which address."""
    code, text, found = run(by_name, "named", tmp_path, "-m", "smoke")
    assert code == 0, text
    assert f"live at https://{NAME} (connected to at 127.0.0.1:" in text
    assert {test.id: test.outcome for test in found.tests}[f"{CERTIFICATE}::{TEST}"] == "passed"
    assert list(found.ips) == ["127.0.0.1"]
    assert [seen.split(";")[:2] for seen in found.identities] == [["color=blue", "version=1.0.0"]]


TEST = "test_certificate_is_trusted_and_does_not_expire_soon"


@pytest.mark.usefixtures("browser")
def test_chromium_reaches_the_name_and_trusts_its_issuer(by_name: World, tmp_path: Path) -> None:
    """The page is on the name's own address, in a context that the browser calls secure."""
    by_name.suite("verification", PAGE.format(name=NAME))
    code, text, found = run(by_name, "named", tmp_path, "-m", "verification")
    assert code == 0, text
    assert [test.outcome for test in found.tests] == ["passed"]


def test_locust_reaches_the_name_and_verifies_it(by_name: World, tmp_path: Path) -> None:
    """The load is answered by the release that the name serves."""
    code, text, found = load(by_name, tmp_path)
    assert code == 0, text
    assert found.tests[0].figures["failures"] == 0
    assert found.tests[0].figures["requests"] >= 20
    assert all("version=1.0.0" in seen for seen in found.identities)


def load(world: World, tmp_path: Path) -> tuple[int, str, Evidence]:
    """Run the shipped performance suite, with a small load."""
    for file in ("locustfile.py", "test_budget.py"):
        world.suite("performance", (ROOT / "performance" / file).read_text(), file)
    settings = world.root / "environments.toml"
    before = settings.read_text()
    settings.write_text(before.replace("[environments.named]\n", "[environments.named]\n" + LOAD.format(requests=20)))
    try:
        return run(world, "named", tmp_path, "-m", "performance")
    finally:
        settings.write_text(before)


def test_fault_28_locust_asks_nobody_whom_it_cannot_verify(
    bare: World, serve: Callable[..., Server], stranger: str, tmp_path: Path
) -> None:
    """Every request of the load fails, and no answer is counted."""
    server = serve()
    named(bare, server.place, stranger)
    code, text, found = load(bare, tmp_path)
    assert code == 1, text
    assert "CERTIFICATE_VERIFY_FAILED" in found.tests[0].reason
    assert (found.identities, server.hosts) == ({}, set())


@pytest.mark.usefixtures("browser")
def test_fault_28_chromium_looks_away_from_nothing(
    bare: World, serve: Callable[..., Server], stranger: str, tmp_path: Path
) -> None:
    """A certificate of an issuer that it does not know stops it before a page is asked for."""
    server = serve()
    named(bare, server.place, stranger)
    bare.suite("verification", PAGE.format(name=NAME).replace(", http", ""))
    code, text, found = run(bare, "named", tmp_path, "-m", "verification")
    assert code == 1, text
    assert "ERR_CERT_AUTHORITY_INVALID" in found.tests[0].reason
    assert server.hosts == set()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param("expired", f"the certificate of {NAME} expired on", id="27-expired"),
        pytest.param("soon", "9.5 days are left, at least 14 must be", id="27-expires-soon"),
        pytest.param("other-name", f"shown for {NAME} is not for that name", id="28-another-name"),
    ],
)
def test_fault_27_28_smoke_fails_of_a_certificate(
    bare: World, serve: Callable[..., Server], trusted: str, tmp_path: Path, kind: str, words: str
) -> None:
    """The test of the certificate fails and says what is wrong with it."""
    named(bare, serve(kind).place, trusted)
    code, text, found = run(bare, "named", tmp_path, CERTIFICATE)
    assert code == 1, text
    assert [test.outcome for test in found.tests] == ["failed"]
    assert words in found.tests[0].reason


def test_the_days_a_certificate_must_have_left_are_a_setting(
    bare: World, serve: Callable[..., Server], trusted: str, tmp_path: Path
) -> None:
    """``checks.certificate_days = 9`` accepts one that ends in nine and a half."""
    named(bare, serve("soon").place, trusted, more="\n[checks]\ncertificate_days = 9\n")
    code, text, _ = run(bare, "named", tmp_path, CERTIFICATE)
    assert code == 0, text


def test_fault_28_smoke_fails_of_another_authority(
    bare: World, serve: Callable[..., Server], stranger: str, tmp_path: Path
) -> None:
    """Every test of smoke fails in words; a request that was never answered stands in the evidence with its reason."""
    named(bare, serve().place, stranger)
    code, text, found = run(bare, "named", tmp_path, "-m", "smoke")
    assert code == 1, text
    assert {test.outcome for test in found.tests} == {"failed"}
    assert all("issued by nobody who is trusted here" in test.reason for test in found.tests)
    asked = [test.exchanges[0] for test in found.tests if test.exchanges]
    assert asked
    assert all("issued by nobody who is trusted here" in one.error for one in asked)


def test_fault_29_a_name_that_does_not_resolve_leaves_no_evidence(bare: World, trusted: str, tmp_path: Path) -> None:
    """The run ends with a usage error that names the name; without evidence nothing is valid."""
    named(bare, "", trusted)
    code, text, found = run(bare, "named", tmp_path, "-m", "smoke")
    assert code == 4, text
    assert f"the name {NAME} does not resolve" in text
    assert (found.collected, found.closed) == (None, None)


@pytest.mark.parametrize(
    ("url", "collected"), [pytest.param("https://shop.example.test", 3, id="https"), ("http://shop.example.test", 2)]
)
def test_the_certificate_is_tested_where_users_are_served_over_https(
    bare: World, trusted: str, url: str, collected: int
) -> None:
    """Elsewhere the test is not collected, rather than skipped."""
    named(bare, "127.0.0.1", trusted, url)
    done = bare.pytest("--env", "named", "-m", "smoke", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{collected} tests collected" in done.stdout
    assert ("test_certificate.py" in done.stdout) == (collected == 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "cannot be read: No such file or directory", id="missing"),
        pytest.param("no certificate", "holds no certificate in PEM form", id="another file"),
    ],
)
def test_a_ca_that_is_none_is_said(bare: World, content: str | None, words: str) -> None:
    """The message names the key and the file, which is found from the folder of the settings."""
    if content is not None:
        (bare.root / "mine.pem").write_text(content)
    named(bare, "127.0.0.1", "mine.pem")
    done = bare.pytest("--env", "named", "-m", "smoke")
    (bare.root / "mine.pem").unlink(missing_ok=True)
    assert done.returncode == 4
    assert f"environments.named.ca = 'mine.pem' {words}" in done.stderr


def test_a_color_without_https_is_tested_by_the_users_certificate(by_name: World, tmp_path: Path) -> None:
    """On ``local`` a color is HTTP only; the certificate that its test reads is the one that users meet."""
    code, text, found = run(by_name, "local", tmp_path, "--target", "blue", CERTIFICATE)
    assert code == 0, text
    assert [test.outcome for test in found.tests] == ["passed"]
