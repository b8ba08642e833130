"""The settings are validated whole, and every message names file, line, key and what is accepted."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from verdigris.errors import SettingsError, UsageError
from verdigris.settings import SIZE_LIMIT, SecretReference, Settings, find, load

REPOSITORY = Path(__file__).parents[2]
LOCAL = """\
application = "shop"
{top}
[suites.smoke]
folder = "smoke"
{suite}
[environments.local]
platform = "local"
{environment}
[environments.local.local]
port = 8400
command = ["run"]
artifact = "versions/{{version}}"
{local}
"""
CLUSTER = """\
application = "shop"
[environments.far]
platform = "kubernetes"
url = "https://shop.example.com"
namespace = "shop"
kubernetes = {{ manifests = "k8s", image = "images/{{version}}.json" }}
{environment}
"""


def local(**parts: str) -> str:
    """A local environment's settings, with ``top``, ``suite``, ``environment`` and ``local`` put in."""
    return LOCAL.format(**{"top": "", "suite": "", "environment": "", "local": "", **parts})


def cluster(environment: str = "") -> str:
    """A Kubernetes environment's settings."""
    return CLUSTER.format(environment=environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings stand."""
    return tmp_path / "environments.toml"


def read(file: Path, text: str) -> Settings:
    """Load ``text``."""
    file.write_text(text, encoding="utf-8")
    return load(file)


def refused(file: Path, text: str) -> str:
    """The message with which ``text`` is refused."""
    with pytest.raises(SettingsError) as raised:
        read(file, text)
    return str(raised.value)


def line_of(text: str, part: str) -> int:
    """The number of the first line that has ``part``."""
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def test_the_repositorys_own_settings_load() -> None:
    """The three clusters have the addresses and the namespaces of the mission, and local stands beside them."""
    loaded = load(REPOSITORY / "environments.toml")
    assert loaded.application == "chatbot"
    assert {name: (it.url, it.namespace) for name, it in loaded.environments.items() if it.platform != "local"} == {
        "dev": ("https://dev.chatbot-platform.example.com", "chatbot-platform-dev"),
        "staging": ("https://staging.chatbot-platform.example.com", "chatbot-platform-staging"),
        "production": ("https://chatbot-platform.example.com", "chatbot-platform-prod"),
    }
    assert loaded.environment("production").strategy == "blue-green"
    assert {loaded.environment(name).strategy for name in ("dev", "staging")} == {"rolling"}
    assert loaded.environment("local").platform == "local"
    assert loaded.root == REPOSITORY


def test_the_suites_are_there_without_being_named(file: Path) -> None:
    """Smoke, verification and performance are folders of those names."""
    loaded = read(file, local())
    assert {name: suite.folder for name, suite in loaded.suites.items()} == {
        "smoke": "smoke",
        "verification": "verification",
        "performance": "performance",
    }


BAD = [
    pytest.param(
        local(environment="colour = 1"), "colour", "environments.local.colour", "unknown key; accepted here:", id="typo"
    ),
    pytest.param(
        local(local="prot = 1"), "prot", "environments.local.local.prot", "port", id="typo-names-the-right-one"
    ),
    pytest.param(local(top="[chekcs]"), "chekcs", "chekcs", "checks", id="an-unknown-table"),
    pytest.param(local(suite="deadline = 0"), "deadline", "suites.smoke.deadline", "greater than 0", id="zero"),
    pytest.param(local(suite='hang = "long"'), "hang", "suites.smoke.hang", "valid number", id="a-word-for-a-number"),
    pytest.param(
        local().replace('"local"\n', '"cloud"\n', 1),
        "platform",
        "environments.local.platform",
        "'kubernetes'",
        id="platform",
    ),
    pytest.param(
        local(environment='strategy = "canary"'), "strategy", "environments.local.strategy", "'rolling'", id="strategy"
    ),
    pytest.param(
        local(environment='suites = ["smok"]'),
        "",
        "the file",
        "environments.local.suites: unknown suite 'smok'; known: performance, smoke, verification",
        id="unknown-suite",
    ),
    pytest.param(
        local().replace("port = 8400", "port = 80"), "port", "environments.local.local.port", "1024", id="port-too-low"
    ),
    pytest.param(
        local().replace("port = 8400\n", ""),
        "[environments.local.local]",
        "environments.local.local.port",
        "is required",
        id="a-key-that-is-missing",
    ),
    pytest.param(
        local(environment="watch = { rate = 5000 }"),
        "watch",
        "environments.local.watch.rate",
        "1000",
        id="inline-table",
    ),
    pytest.param(local().replace('"shop"', '"My Shop"'), "application", "application", "pattern", id="a-bad-name"),
    pytest.param(
        local(environment='allow_skips = [{ test = "a" }]'),
        "allow_skips",
        "environments.local.allow_skips.0.owner",
        "is required",
        id="a-leave-without-an-owner",
    ),
    pytest.param(
        cluster("local = { port = 8400, command = ['x'], artifact = 'a' }"),
        "[environments.far]",
        "environments.far",
        'belongs to platform = "local" only',
        id="a-local-table-on-a-cluster",
    ),
    pytest.param(
        cluster().replace('namespace = "shop"\n', ""),
        "[environments.far]",
        "environments.far",
        "needs url, namespace",
        id="a-cluster-without-a-namespace",
    ),
    pytest.param(
        cluster("database = { embedded = true }"),
        "[environments.far]",
        "environments.far",
        'database.embedded belongs to platform = "local" only',
        id="an-embedded-database-on-a-cluster",
    ),
    pytest.param(
        cluster().replace("https://", "ftp://"),
        "[environments.far]",
        "environments.far",
        "not an http or https address",
        id="an-address-of-another-kind",
    ),
    pytest.param(
        local().split("[environments.local.local]")[0],
        "[environments.local]",
        "environments.local",
        'needs a table "local" with port, command and artifact',
        id="local-without-its-table",
    ),
    pytest.param(
        local(environment='url = "https://x"'),
        "[environments.local]",
        "environments.local",
        "made from local.port",
        id="an-address-for-local",
    ),
    pytest.param(
        local(environment='strategy = "rolling"'),
        "[environments.local]",
        "environments.local",
        '"blue-green"',
        id="rolling-on-local",
    ),
    pytest.param(
        local(environment="services = { pay = {} }"),
        "services",
        "environments.local.services.pay",
        "either a url or a command",
        id="a-service-that-is-nowhere",
    ),
    pytest.param(
        local(environment="database = {}"),
        "database",
        "environments.local.database",
        "either embedded = true or has a url",
        id="a-database-that-is-nowhere",
    ),
    pytest.param(
        local(environment='database = { embedded = true, admin = "postgresql://db/x" }'),
        "database",
        "environments.local.database",
        "an embedded one is copied whole",
        id="an-account-of-an-embedded-database",
    ),
]


@pytest.mark.parametrize(("text", "on", "key", "words"), BAD)
def test_a_bad_key_is_named_with_its_line(file: Path, text: str, on: str, key: str, words: str) -> None:
    """``file:line: key: what is accepted``."""
    message = refused(file, text)
    assert f"{file}:{line_of(text, on)}: {key}: " in message
    assert words in message


def test_every_mistake_is_said_at_once(file: Path) -> None:
    """A person mends the file in one go."""
    message = refused(file, local(suite="hang = 0", environment="drain_seconds = 0", local="colour = 1"))
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('env = { PASSWORD = "x" }', id="password"),
        pytest.param('env = { DB_PASSWD = "x" }', id="passwd"),
        pytest.param('env = { API_KEY = "x" }', id="api-key"),
        pytest.param('env = { api_token = "x" }', id="token"),
        pytest.param('env = { CLIENT_SECRET = "x" }', id="secret"),
        pytest.param('env = { DATABASE_URL = "postgresql://me:hunter2@db/x" }', id="an-address-with-a-password"),
    ],
)
def test_a_secret_in_the_file_is_refused(file: Path, line: str) -> None:
    """The message says how to name where it is found, and does not repeat it."""
    message = refused(file, local(local=line))
    assert "from_env" in message
    assert "hunter2" not in message
    assert "environments.local.local.env" in message


@pytest.mark.parametrize("key", ["url", "admin"])
def test_a_databases_password_is_refused(file: Path, key: str) -> None:
    """An address with a password is a secret, wherever it stands."""
    other = "" if key == "url" else 'url = "postgresql://db/x", '
    message = refused(file, cluster(f'database = {{ {other}{key} = "postgresql://me:hunter2@db/x" }}'))
    assert f'{key} = {{ from_env = "DATABASE_URL" }}' in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('env = { PASSWORD = { from_env = "A", from_file = "b" } }', id="both"),
        pytest.param("env = { PASSWORD = {} }", id="neither"),
    ],
)
def test_a_secret_is_found_in_one_place(file: Path, line: str) -> None:
    """A variable or a file, not both and not none."""
    assert "from_env" in refused(file, local(local=line))


def test_a_secret_is_read_from_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a variable as it is, from a file without the end of its line."""
    monkeypatch.setenv("THE_SECRET", "from a variable")
    (tmp_path / "secret").write_text("from a file\n")
    assert SecretReference(from_env="THE_SECRET").read(tmp_path) == "from a variable"
    assert SecretReference(from_file="secret").read(tmp_path) == "from a file"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        pytest.param(SecretReference(from_env="NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE is not set", id="variable"),
        pytest.param(SecretReference(from_file="gone"), "gone cannot be read: No such file", id="file"),
    ],
)
def test_a_secret_that_is_not_there_is_named(tmp_path: Path, reference: SecretReference, words: str) -> None:
    """By where it should be."""
    with pytest.raises(SettingsError, match=words):
        reference.read(tmp_path)


@pytest.mark.parametrize("path", ["../else", "/etc", "a/../../b"])
@pytest.mark.parametrize("key", ["reports", "suites.smoke.folder"])
def test_a_path_that_leaves_the_folder_is_refused(file: Path, key: str, path: str) -> None:
    """Suites and reports stay beside the settings (fault 49)."""
    text = local(top=f'reports = "{path}"') if key == "reports" else local().replace('"smoke"', f'"{path}"')
    assert f"{key} = {path!r} must stay inside the folder" in refused(file, text)


def test_a_link_that_leaves_the_folder_is_refused(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Not by its words but by where it leads (fault 49)."""
    (file.parent / "smoke").symlink_to(tmp_path_factory.mktemp("else"))
    assert "suites.smoke.folder = 'smoke' must stay inside the folder" in refused(file, local())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"a = ", "not valid TOML: Invalid value (at", id="not-toml"),
        pytest.param(b"a = 1\na = 2\n", "not valid TOML: Cannot overwrite a value (at line 2", id="a-key-twice"),
        pytest.param(b"a = '\xff'", "cannot be read", id="not-utf-8"),
        pytest.param(b"a = " + b"[" * 5000, "not valid TOML", id="brackets-without-end"),
        pytest.param(b"#" * (SIZE_LIMIT + 1), f"larger than {SIZE_LIMIT} bytes", id="too-large"),
        pytest.param(b"", "application: is required", id="empty"),
        pytest.param(b'path = "x"\n', ":1: path: unknown key", id="a-key-of-the-programs-own"),
    ],
)
def test_a_file_that_is_no_settings_file_is_refused(file: Path, content: bytes, words: str) -> None:
    """With its name, whatever is in it (faults 46 and 47)."""
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert words in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    """And so is the option that names another."""
    with pytest.raises(SettingsError, match=rf"{re.escape(str(file))}: no such file.*--settings"):
        load(file)


def test_the_nearest_file_above_is_found(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person expects who works in a folder of the project."""
    read(file, local())
    below = file.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.delenv("VERDIGRIS_SETTINGS", raising=False)
    monkeypatch.chdir(below)
    assert find() == file
    monkeypatch.setenv("VERDIGRIS_SETTINGS", "else.toml")
    assert find() == Path("else.toml")


def test_an_unknown_environment_is_answered_with_the_known_ones(file: Path) -> None:
    """A word on the command line was wrong."""
    with pytest.raises(UsageError, match=r"unknown environment 'prod'; environments\.toml has: local"):
        read(file, local()).environment("prod")


def test_an_environments_load_takes_the_place_of_the_general_one(file: Path) -> None:
    """And leaves the other checks."""
    loaded = read(file, local(top="checks = { answer_ms = 7 }", environment='load = { profile = "short", users = 2 }'))
    assert (loaded.checks.load.profile, loaded.checks_of("local").load.profile) == ("standard", "short")
    assert loaded.checks_of("local").answer_ms == 7


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.text(st.sampled_from('[]{}.="\nab1,'), max_size=40)))
@example(text="environments = 1")
@example(text="suites = []")
@example(text="suites = { smoke = 1 }")
@example(text="[[environments]]")
@example(text="[environments.'a.b']\nplatform = 'x'")
def test_any_text_loads_or_is_refused(file: Path, text: str) -> None:
    """No other error comes out of a settings file."""
    file.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(SettingsError):
        load(file)
