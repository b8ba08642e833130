"""``environments.toml``, validated whole before anything is touched.

Unknown keys are errors; so is a secret written into the file: a value that is one is named by where it is found,
``{ from_env = "NAME" }`` or ``{ from_file = "path" }``. Every message names the file, the line and the key.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from verdigris.errors import SettingsError, UsageError
from verdigris.settings.database import DatabaseSettings
from verdigris.settings.kubernetes import DriftSettings, KubernetesSettings
from verdigris.settings.messages import explain, line_of, listed
from verdigris.settings.tables import (
    AllowedSkip,
    ApiCheck,
    Checks,
    EnvValue,
    IdentitySettings,
    LoadCheck,
    LocalSettings,
    MetricsCheck,
    PageCheck,
    SecretReference,
    ServiceSettings,
    SuiteSettings,
    Table,
    WatchSettings,
    no_plain_secrets,
)

__all__ = [
    "FILE_NAME",
    "SIZE_LIMIT",
    "AllowedSkip",
    "ApiCheck",
    "Checks",
    "DatabaseSettings",
    "DriftSettings",
    "EnvValue",
    "Environment",
    "IdentitySettings",
    "KubernetesSettings",
    "LoadCheck",
    "LocalSettings",
    "MetricsCheck",
    "PageCheck",
    "SecretReference",
    "ServiceSettings",
    "Settings",
    "SuiteSettings",
    "Table",
    "WatchSettings",
    "find",
    "load",
    "parse",
]

FILE_NAME = "environments.toml"
SIZE_LIMIT = 1_000_000
"""Bytes; a settings file larger than this is refused unread."""
DEPTH_LIMIT = 50
"""Parts of a dotted key."""
_PLACE = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


class Environment(Table):
    """One environment: where it is, what runs it, and what a release to it must show."""

    platform: Literal["local", "kubernetes"]
    """What runs the colors."""
    strategy: Literal["blue-green", "rolling"] = "blue-green"
    """How a release comes to the users."""
    url: str | None = None
    """The users' address; on ``local`` it is made from ``local.port``."""
    address: str | None = None
    """The host, or host:port, that is connected to in place of what DNS says; what is verified stays the name."""
    ca: str | None = None
    """A file of certificates to trust in place of the system's."""
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
    notify_env: dict[str, EnvValue] = Field(default_factory=dict)
    """Its variables, beside those that every process has: ``PATH``, ``HOME``, a proxy; nothing else is passed on."""
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
    kubernetes: KubernetesSettings | None = None
    """What belongs to the platform ``kubernetes``."""

    _secrets = field_validator("notify_env")(no_plain_secrets)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.platform == "local":
            if self.local is None:
                raise ValueError('platform = "local" needs a table "local" with port, command and artifact')
            if self.url is not None:
                raise ValueError("url is made from local.port where the platform is local")
            if self.address is not None or self.ca is not None:
                raise ValueError("address and ca belong to an environment with a url")
            if self.kubernetes is not None:
                raise ValueError('a table "kubernetes" belongs to platform = "kubernetes" only')
            if self.strategy != "blue-green":
                raise ValueError('the strategy of a local environment is "blue-green"')
        elif self.local is not None:
            raise ValueError('a table "local" belongs to platform = "local" only')
        elif self.url is None or self.namespace is None or self.kubernetes is None:
            raise ValueError('platform = "kubernetes" needs url, namespace and a table "kubernetes"')
        elif self.database is not None and self.database.embedded:
            raise ValueError('database.embedded belongs to platform = "local" only')
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url = {self.url!r} is not an http or https address")
        place = _PLACE.fullmatch("host" if self.address is None else self.address)
        if place is None or int(place[2] or 0) > 65535:
            raise ValueError(f'address = {self.address!r} is no host or host:port, such as "127.0.0.1:8443"')
        return self

    @property
    def https(self) -> bool:
        """Whether users are served over HTTPS."""
        return self.local.tls if self.local is not None else urlsplit(self.url or "").scheme == "https"


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
    drift: DriftSettings = DriftSettings()
    """In what environments may differ."""
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
                        f"environments.{name}.suites: unknown suite {suite!r}; known: {listed(self.suites)}"
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
            raise UsageError(f"unknown environment {name!r}; {self.path.name} has: {listed(self.environments)}")
        return self.environments[name]

    def authority(self, name: str) -> str | None:
        """The file of the certificates that are trusted in that environment, where it names one.

        Raises:
            SettingsError: where it holds none.
        """
        ca = self.environment(name).ca
        if ca is None:
            return None
        path = self.root / ca
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SettingsError(f"environments.{name}.ca = {ca!r} cannot be read: {error.strerror}") from None
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise SettingsError(f"environments.{name}.ca = {ca!r} holds no certificate in PEM form")
        return str(path)

    def is_critical(self, suite: str) -> bool:
        """Whether every test of a suite is critical; all of smoke always is."""
        return suite == "smoke" or self.suites[suite].critical

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
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; name the settings file with --settings") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    return parse(path, text)


def parse(path: Path, text: str) -> Settings:
    """The settings that ``text`` says, as if it stood in the file ``path``.

    Raises:
        SettingsError: naming file, line, key and what is accepted.
    """
    try:
        _refuse_depth(path, text)
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    if "path" in data:
        raise SettingsError(f"{path}:{line_of(text, ('path',))}: path: unknown key")
    if "suites" in data and isinstance(data["suites"], dict):
        for name in ("smoke", "verification", "performance"):
            table = data["suites"].setdefault(name, {})
            if isinstance(table, dict):
                table.setdefault("folder", name)
    try:
        return Settings.model_validate({**data, "path": path.resolve()})
    except ValidationError as error:
        raise SettingsError(explain(path, text, error, Settings.model_json_schema())) from None


def _refuse_depth(path: Path, text: str) -> None:
    """Refuse dotted keys by the hundred: to read them takes minutes (fault 47)."""
    for number, line in enumerate(text.splitlines(), start=1):
        key = line.partition("=")[0]
        if (key.count(".") > DEPTH_LIMIT and not key.lstrip().startswith("#")) or line.count(".") > 40 * DEPTH_LIMIT:
            raise SettingsError(f"{path}:{number}: nested deeper than {DEPTH_LIMIT} tables; that is no settings file")


def find() -> Path:
    """The settings file that a command means when none is named."""
    if named := os.environ.get("VERDIGRIS_SETTINGS"):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise SettingsError(f"no {FILE_NAME} in {here} or above it; name one with --settings")


def _contain(root: Path, folder: str, key: str) -> None:
    """Refuse a path that leaves the folder of the settings file, by its words or by a link (fault 49)."""
    path = Path(folder)
    if path.is_absolute() or ".." in path.parts or not (root / path).resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{key} = {folder!r} must stay inside the folder of the settings file")
