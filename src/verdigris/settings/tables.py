"""The tables of the settings file, each key with what it means and what it is where it is left out.

A secret written into the file is refused: a value that is one is named by where it is found.
"""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from verdigris.errors import SettingsError
from verdigris.redaction.forms import READ, passwords

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
            READ.add(value)
            return value
        try:
            value = (root / str(self.from_file)).read_text().strip()
        except OSError as error:
            raise SettingsError(f"the secret's file {self.from_file} cannot be read: {error.strerror}") from None
        READ.add(value)
        return value


EnvValue = str | SecretReference


def no_plain_secrets(env: dict[str, EnvValue]) -> dict[str, EnvValue]:
    """Refuse a value that is a secret, by its name, or because it holds a password."""
    for key, value in env.items():
        if not isinstance(value, str):
            continue
        if _SECRET_KEY.search(key) or passwords(value):
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
    certificate_days: float = Field(default=14, ge=0)
    """Days for which the certificate of an address served over HTTPS must still be valid."""


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

    _secrets = field_validator("env")(no_plain_secrets)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (not self.command):
            raise ValueError("a service has either a url or a command")
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
    guardian: bool = True
    """Whether a small process finishes, at once and by itself, a run whose deployer died."""
    tls: bool = True
    """Whether users are served over HTTPS too."""
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """The application's variables; they and the command make the configuration hash."""

    _secrets = field_validator("env")(no_plain_secrets)
