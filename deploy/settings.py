"""``environments.toml``, validated whole before anything is touched.

Unknown keys are errors; so is a secret written into the file: a value that is one is named by where it is found,
``{ from_env = "NAME" }`` or ``{ from_file = "path" }``. Every message names the file, the line and the key.
"""

import os
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from deploy.errors import SettingsError, UsageError

FILE_NAME = "environments.toml"
SIZE_LIMIT = 1_000_000
"""Bytes; a settings file larger than this is refused unread."""

_SECRET_KEY = re.compile(r"(?i)(password|passwd|secret|token|api_?key|credential|private_?key)")


class Table(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretReference(Table):
    """Where a secret is found; exactly one of the two."""

    from_env: str | None = None
    """The variable that holds it."""
    from_file: str | None = None
    """The file that holds it; relative to the folder of the settings file."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.from_env is None) == (self.from_file is None):
            raise ValueError('a secret is { from_env = "NAME" } or { from_file = "path" }')
        return self

    def read(self, root: Path) -> str:
        """The secret's value.

        Raises:
            SettingsError: where the variable is not set or the file cannot be read.
        """
        if self.from_env is not None:
            value = os.environ.get(self.from_env)
            if value is None:
                raise SettingsError(f"the secret's environment variable {self.from_env} is not set")
            return value
        try:
            return (root / str(self.from_file)).read_text().strip()
        except OSError as error:
            raise SettingsError(f"the secret's file {self.from_file} cannot be read: {error.strerror}") from None


EnvValue = str | SecretReference


def _no_plain_secrets(env: dict[str, EnvValue]) -> dict[str, EnvValue]:
    for key, value in env.items():
        if not isinstance(value, str):
            continue
        if _SECRET_KEY.search(key) or (urlsplit(value).password if "://" in value else None):
            raise ValueError(
                f'{key} looks like a secret; name where it is found: {key} = {{ from_env = "{key.upper()}" }}'
            )
    return env


class IdentitySettings(Table):
    """How an answer says who gave it."""

    header: str = "x-release"
    """The response header that holds the identity."""
    grade: Literal["application", "routed"] = "application"
    """``routed``: the application says nothing of itself, so the router adds the header by color."""


class SuiteSettings(Table):
    """How one suite is run."""

    folder: str
    """The folder of its tests; by default the suite's name."""
    deadline: float = Field(default=300, gt=0)
    """Seconds the whole suite may take."""
    hang: float = Field(default=60, gt=0)
    """Seconds without a finished test after which the suite counts as hanging."""
    plugins: tuple[str, ...] = ()
    """pytest plugins to load by name; none is loaded by itself."""
    workers: int = Field(default=0, ge=0)
    """pytest-xdist workers; 0 runs in one process, which is quicker for short suites."""
    critical: bool = False
    """Whether every test of it is critical; all of smoke always is."""


class AllowedSkip(Table):
    """A skip that does not make a suite invalid, for as long as somebody answers for it."""

    test: str
    """The id of the test."""
    owner: str
    """Who answers for it."""
    expires: date
    """The last day on which it is allowed."""
    reason: str = ""
    """Why it is skipped."""


class PageCheck(Table):
    """A page that must be served."""

    path: str
    """The path of the page."""
    contains: str = ""
    """Text that must stand in it."""
    content_type: str = "text/html"
    """How its content type must begin."""


class ApiCheck(Table):
    """A request and what its answer must be."""

    path: str
    """The path that is asked."""
    method: Literal["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"] = "GET"
    """The request's method."""
    body: dict[str, Any] | None = None
    """The JSON that is sent."""
    status: int = 200
    """The status that must be answered."""
    keys: tuple[str, ...] = ()
    """Keys that the answer's JSON object must have."""


class MetricsCheck(Table):
    """Prometheus metrics that must be there."""

    path: str = "/metrics"
    """Where the metrics are."""
    require: tuple[str, ...] = ()
    """The names that must be there."""


class LoadCheck(Table):
    """The load profile and its budgets."""

    profile: str = "standard"
    """The name under which its figures are shown."""
    users: int = Field(default=10, gt=0)
    """Users at a time."""
    seconds: float = Field(default=30, gt=0)
    """How long they ask."""
    p95_ms: float = Field(default=500, gt=0)
    """Milliseconds within which 95 of 100 requests must be answered."""
    error_rate: float = Field(default=0.0, ge=0, lt=1)
    """The share of requests that may fail."""
    requests: int = Field(default=100, gt=0)
    """The least number of requests from which anything is concluded."""
    paths: tuple[str, ...] = ("/",)
    """What each user asks for, in turn."""


class Checks(Table):
    """What the suites know of the application."""

    health: tuple[str, ...] = ("/healthz",)
    """Paths that must answer 200."""
    pages: tuple[PageCheck, ...] = (PageCheck(path="/"),)
    """Pages that must be served."""
    api: tuple[ApiCheck, ...] = ()
    """Requests and what they must be answered."""
    assets_of: str = "/"
    """The page whose scripts, styles and images are the static assets."""
    metrics: MetricsCheck | None = None
    """Metrics that must be there."""
    load: LoadCheck = LoadCheck()
    """The load and its budgets."""
    answer_ms: float = Field(default=1000, gt=0)
    """Milliseconds within which a health endpoint and a page must answer."""


class WatchSettings(Table):
    """The time after the switch in which a release is taken back by itself."""

    seconds: float = Field(default=60, gt=0)
    """How long it is."""
    profile: str = "standard"
    """The name under which it is shown."""
    rate: float = Field(default=50, gt=0, le=1000)
    """Probes a second through the users' address."""
    path: str = "/"
    """What the probe asks for."""
    answer_ms: float = Field(default=1000, gt=0)
    """Milliseconds under which ``within`` of the answers of each window must stay."""
    within: float = Field(default=0.95, gt=0, le=1)
    """The share of answers that must come within ``answer_ms``."""
    errors: int = Field(default=0, ge=0)
    """Failed probes that are borne over the whole watch."""
    window: float = Field(default=1.0, gt=0)
    """Seconds; what is judged at a time."""
    strikes: int = Field(default=2, ge=1)
    """Windows in a row over the latency budget before it is an objection."""
    log_errors: str | None = None
    """A regular expression; a line of the candidate's log that matches it is an objection."""


class ServiceSettings(Table):
    """An external service: its address, or on ``local`` the command that runs it."""

    url: str | None = None
    """Its address, where it runs elsewhere."""
    command: tuple[str, ...] = ()
    """``local`` only: the command that runs it; ``{port}`` stands for its port."""
    ready: str = "/"
    """The path that answers 200 when it is ready."""
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """Its variables."""

    _secrets = field_validator("env")(_no_plain_secrets)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (not self.command):
            raise ValueError("a service has either a url or a command")
        return self


class DatabaseSettings(Table):
    """The application's database."""

    embedded: bool = False
    """``local`` only: the harness runs PostgreSQL itself."""
    name: str = "application"
    """The name of the database, where it is embedded."""
    url: EnvValue | None = None
    """Where it is not embedded; a secret reference when it holds a password."""
    revision_query: str | None = "SELECT version_num FROM alembic_version"
    """SQL that answers the migration level in its first column."""
    writes: bool = False
    """Whether suites may write to it."""
    connections: int | None = Field(default=None, gt=0)
    """The most connections that one color opens; two colors' are checked against the server's limit beforehand."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.embedded == (self.url is not None):
            raise ValueError("a database is either embedded = true or has a url")
        if isinstance(self.url, str) and urlsplit(self.url).password:
            raise ValueError('the url holds a password; use url = { from_env = "DATABASE_URL" }')
        return self


class LocalSettings(Table):
    """How ``local`` makes and runs the application: processes on this machine."""

    port: int = Field(ge=1024, le=65500)
    """The users' port; the environment uses this one and the 39 above it."""
    command: tuple[str, ...] = Field(min_length=1)
    """The command that runs the application, in the artifact's folder."""
    artifact: str
    """The folder of a version's artifact; ``{version}`` stands for the version."""
    build: tuple[tuple[str, ...], ...] = ()
    """Commands that make an artifact that is not there yet."""
    manifest: str = "build.json"
    """A JSON file in the artifact with version, build and migration; where it is ``""``, the build ID is a digest."""
    migrate: tuple[str, ...] = ()
    """The command that brings the database to the level of the version, in the artifact's folder."""
    ready: str = "/"
    """The path that answers 200 when it is ready."""
    ready_seconds: float = Field(default=30, gt=0)
    """Seconds within which it must be ready."""
    stable_seconds: float = Field(default=0.3, ge=0)
    """How long it must stay ready before it counts."""
    tls: bool = True
    """Whether users are served over HTTPS too."""
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """The application's variables; they and the command make the configuration hash."""

    _secrets = field_validator("env")(_no_plain_secrets)


class Environment(Table):
    """One environment: where it is, what runs it, and what a release to it must show."""

    platform: Literal["local", "kubernetes"]
    """What runs the colors."""
    strategy: Literal["blue-green", "rolling"] = "blue-green"
    """How a release comes to the users."""
    url: str | None = None
    """The users' address; on ``local`` it is made from ``local.port``."""
    namespace: str | None = None
    """The Kubernetes namespace."""
    suites: tuple[str, ...] = ("smoke", "verification", "performance")
    """What a release requires; what it leaves out is printed with every verdict."""
    demands: Literal["application", "routed"] = "routed"
    """The least grade of identity that its evidence must have."""
    tenant: str | None = None
    """The tenant that tests write to; without one they write nothing."""
    rollback_window: float = Field(default=600, ge=0)
    """Seconds that the old color is kept after a confirmed release."""
    drain_seconds: float = Field(default=30, gt=0)
    """Seconds that the old color's open requests are waited for."""
    switch_seconds: float = Field(default=5, gt=0)
    """Seconds within which a switch must be observed."""
    notify: tuple[str, ...] = ()
    """A command that reads the outcome as JSON on its standard input."""
    allow_skips: tuple[AllowedSkip, ...] = ()
    """Skips that do not make a suite invalid."""
    load: LoadCheck | None = None
    """The load of this environment, where it is not that of ``checks``."""
    watch: WatchSettings = WatchSettings()
    """The time in which a release is taken back by itself."""
    database: DatabaseSettings | None = None
    """The application's database."""
    services: dict[str, ServiceSettings] = Field(default_factory=dict)
    """The external services, by name; each is a fixture of that name."""
    local: LocalSettings | None = None
    """What belongs to the platform ``local``."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.platform == "local":
            if self.local is None:
                raise ValueError('platform = "local" needs a table "local" with port, command and artifact')
            if self.url is not None:
                raise ValueError("url is made from local.port where the platform is local")
            if self.strategy != "blue-green":
                raise ValueError('the strategy of a local environment is "blue-green"')
        elif self.local is not None:
            raise ValueError('a table "local" belongs to platform = "local" only')
        elif self.url is None or self.namespace is None:
            raise ValueError('platform = "kubernetes" needs url and namespace')
        elif self.database is not None and self.database.embedded:
            raise ValueError('database.embedded belongs to platform = "local" only')
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url = {self.url!r} is not an http or https address")
        return self


def _default_suites() -> dict[str, SuiteSettings]:
    return {name: SuiteSettings(folder=name) for name in ("smoke", "verification", "performance")}


class Settings(Table):
    """The whole file."""

    application: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    """The application's name: lower-case letters, digits and hyphens."""
    reports: str = "reports"
    """The folder of the reports."""
    identity: IdentitySettings = IdentitySettings()
    """How an answer says who gave it."""
    suites: dict[str, SuiteSettings] = Field(default_factory=_default_suites)
    """How each suite is run, by name."""
    checks: Checks = Checks()
    """What the suites know of the application."""
    environments: dict[str, Environment] = Field(min_length=1)
    """The environments, by name."""
    path: Path = Field(default=Path(FILE_NAME), exclude=True)

    @property
    def root(self) -> Path:
        """The folder of the settings file; paths in it are relative to this."""
        return self.path.parent

    @model_validator(mode="after")
    def _contained(self) -> Self:
        for name, environment in self.environments.items():
            if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
                raise ValueError(f"environments.{name}: a name is lower-case letters, digits and hyphens")
            for suite in environment.suites:
                if suite not in self.suites:
                    raise ValueError(
                        f"environments.{name}.suites: unknown suite {suite!r}; known: {_list(self.suites)}"
                    )
        for name, suite_settings in self.suites.items():
            _contain(self.root, suite_settings.folder, f"suites.{name}.folder")
        _contain(self.root, self.reports, "reports")
        return self

    def environment(self, name: str) -> Environment:
        """The environment of that name.

        Raises:
            UsageError: where there is none.
        """
        if name not in self.environments:
            raise UsageError(f"unknown environment {name!r}; {self.path.name} has: {_list(self.environments)}")
        return self.environments[name]

    def checks_of(self, name: str) -> Checks:
        """What the suites know of the application in that environment."""
        load = self.environment(name).load
        return self.checks.model_copy(update={"load": load}) if load else self.checks


def load(path: Path | None = None) -> Settings:
    """Read and validate the settings.

    Args:
        path: the file; without it ``VERDIGRIS_SETTINGS`` or ``environments.toml`` of this folder or the nearest above.

    Raises:
        SettingsError: naming file, line, key and what is accepted.
    """
    path = path or find()
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise SettingsError(f"{path}: larger than {SIZE_LIMIT} bytes; that is no settings file")
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; name the settings file with --settings") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    if "path" in data:
        raise SettingsError(f"{path}:{_line(text, ('path',))}: path: unknown key")
    if "suites" in data and isinstance(data["suites"], dict):
        for name in ("smoke", "verification", "performance"):
            table = data["suites"].setdefault(name, {})
            if isinstance(table, dict):
                table.setdefault("folder", name)
    try:
        return Settings.model_validate({**data, "path": path.resolve()})
    except ValidationError as error:
        raise SettingsError(_explain(path, text, error)) from None


def find() -> Path:
    """The settings file that a command means when none is named."""
    if named := os.environ.get("VERDIGRIS_SETTINGS"):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise SettingsError(f"no {FILE_NAME} in {here} or above it; name one with --settings")


_INNER = re.compile(r"function-|tuple\[|(str|SecretReference)$")
"""Parts of pydantic's locations that are no keys: which of several types was tried."""


def _explain(path: Path, text: str, error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        location = tuple(str(part) for part in item["loc"] if not _INNER.match(str(part)))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key; accepted here: {_list(_accepted(location[:-1]))}"
        elif item["type"] == "missing":
            message = "is required"
        lines.append(f"{path}:{_line(text, location)}: {'.'.join(location) or 'the file'}: {message}")
    return "\n".join(dict.fromkeys(lines))


def _accepted(location: tuple[str, ...]) -> list[str]:
    """The keys of the table at ``location``, from the model's own schema."""
    schema: dict[str, Any] = Settings.model_json_schema()
    node = schema
    for part in location:
        node = _table(schema, node)
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items") or {}
    return sorted(set(_table(schema, node).get("properties", {})) - {"path"})


def _table(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in (node, *node.get("anyOf", ())):
        if "$ref" in option:
            return dict(schema["$defs"][option["$ref"].rsplit("/", 1)[1]])
    return node


def _line(text: str, location: tuple[str, ...]) -> int:
    """The line of the deepest part of ``location`` that stands in the file."""
    keys = [part for part in location if not part.isdigit()]
    best, best_depth, table = 1, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            found = table
        elif pair := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            found = table + [part.strip().strip("\"'") for part in pair[1].split(".")]
        else:
            continue
        depth = len(found)
        if keys[:depth] == found and depth > best_depth:
            best, best_depth = number, depth
    return best


def _contain(root: Path, folder: str, key: str) -> None:
    """Refuse a path that leaves the folder of the settings file, by its words or by a link (fault 49)."""
    path = Path(folder)
    if path.is_absolute() or ".." in path.parts or not (root / path).resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{key} = {folder!r} must stay inside the folder of the settings file")


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
