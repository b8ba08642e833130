"""What a run of the suites knows: the settings, the environment, and whom it tests."""

import contextlib
import os
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from verdigris import settings as settings_module
from verdigris.errors import PlatformError, Refused, UsageError
from verdigris.model import COLORS, Color, Identity, Traffic
from verdigris.platform import Address, Platform, open_platform
from verdigris.platform.connection import require_names
from verdigris.platform.observer import Observer
from verdigris.settings import Checks, Environment, Settings

EXPECT = "VERDIGRIS_EXPECT"
"""The identity that a release tells its suites to expect; a variable, because no person types it."""
ADDRESS = "VERDIGRIS_ADDRESS"
"""Where a release tells its suites to find their target, as JSON; they need no credentials of a cluster then."""
AWAIT = "VERDIGRIS_AWAIT"
"""Seconds that a release gives the target until it is reached from where its suites run; they begin in any case."""
REHEARSAL = "VERDIGRIS_REHEARSAL"
"""Where the rehearsal of a migration is reached, and after a blank its database; the target ``rehearsal`` needs it."""


class Unknown(pytest.PytestWarning):
    """The evidence of this run cannot gate anything: nobody said who must answer."""


@dataclass(frozen=True)
class Target:
    """Whom a test asks: a name, an address, and the identity that must answer."""

    name: str
    color: Color | None
    address: Address
    identity: Identity | None
    version: str | None
    header: str
    grade: str

    @property
    def url(self) -> str:
        """Where requests go."""
        return self.address.url

    def accepts(self, identity: Identity) -> bool:
        """Whether an answer of ``identity`` is an answer of this target, as far as is known."""
        if self.identity is not None:
            return identity == self.identity
        return self.version is None or identity.version == self.version

    def said_by(self, header: str) -> bool:
        """Whether an identity header says an answer of this target, however it is written."""
        identity = Identity.parse(header)
        return identity is not None and self.accepts(identity)

    def __str__(self) -> str:
        expected = self.identity or (f"version {self.version}" if self.version else "whoever answers first")
        return f"{self.name} at {self.address}, expecting {expected}"


@dataclass
class Context:
    """One run."""

    settings: Settings
    name: str
    environment: Environment
    checks: Checks
    platform: Platform
    targets: dict[str, Target]
    expected: Identity | None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    def of(cls, config: pytest.Config) -> "Context":
        """Read the options.

        Raises:
            VerdigrisError: where they name something that is not there.
        """
        named = config.getoption("--settings")
        settings = settings_module.load(Path(named) if named else None)
        name = config.getoption("--env")
        environment = settings.environment(name)
        platform = open_platform(settings, name)
        header = os.environ.get(EXPECT)
        expected = Identity.parse(header) if header else None
        closing = contextlib.ExitStack()
        wanted = config.getoption("--target")
        if version := config.getoption("--candidate"):
            wanted = _stand_up(config, settings, name, version, wanted, closing)
        context = cls(settings, name, environment, settings.checks_of(name), platform, {}, expected, closing)
        if any(config.getoption(option) for option in ("collectonly", "showfixtures", "show_fixtures_per_test")):
            return context  # nobody has to stand anywhere to say which tests and fixtures there are
        try:
            for word in (wanted or "live").split(","):
                context.targets[word] = context.target(word, config.getoption("--expect"))
                require_names(context.targets[word].address)
        except BaseException:
            closing.close()
            raise
        return context

    def target(self, word: str, version: str | None) -> Target:
        """The target that ``word`` means.

        Raises:
            UsageError: where it is no target, or nobody stands there.
        """
        header, grade = self.settings.identity.header, self.settings.identity.grade
        if word == "rehearsal" and (place := os.environ.get(REHEARSAL)):
            address = Address(url=place.split(" ")[0])
            return Target(word, None, address, self.expected, version, header, grade)
        if self.environment.strategy == "rolling" and word != "live":
            raise UsageError(f"--target {word}: {self.name} rolls, so only live is accepted: there is no other place")
        if word not in ("live", "candidate", *COLORS):
            raise UsageError(f"--target {word!r}: accepted are live, candidate, blue, green, or blue,green")
        if told := os.environ.get(ADDRESS):
            color, address = self.expected.color if self.expected else None, Address.model_validate_json(told)
            if self.expected and header and (seconds := os.environ.get(AWAIT)):
                ready = self.environment.kubernetes.ready if self.environment.kubernetes else "/"
                Observer(address, header, ready).wait_for(self.expected, time.monotonic(), float(seconds))
            return Target(word, color, address, self.expected, version, header, grade)
        if word == "live":
            traffic = self._live()
            if traffic is not None and traffic.color is None:
                raise UsageError(f"nobody is live in {self.name} yet; run: verdigris release VERSION --env {self.name}")
            identity = self.expected or (None if version or traffic is None else traffic.identity)
            color = traffic.color if traffic else None
            return Target(word, color, self.platform.users(), identity, version, header, grade)
        traffic = self.platform.live()
        color = traffic.idle if word == "candidate" else Color(word)
        deployment = self.platform.standing(color)
        if deployment is None:
            raise UsageError(f"--target {word}: nothing stands in {color} of {self.name}; see: verdigris status")
        identity = self.expected or (None if version else deployment.identity)
        return Target(word, color, self.platform.address(color), identity, version, header, grade)

    def _live(self) -> Traffic | None:
        """Who has the users; ``None`` where only the cluster knows and this account does not reach it."""
        try:
            return self.platform.live()
        except (UsageError, Refused, PlatformError) as error:
            if self.environment.platform == "local":
                raise
            warnings.warn(f"nobody says who is live, so all answers must agree: {error}", Unknown, stacklevel=2)
            return None

    def close(self) -> None:
        """Undo what the run did itself."""
        self.closing.close()


def _stand_up(
    config: pytest.Config,
    settings: Settings,
    name: str,
    version: str,
    wanted: str | None,
    closing: contextlib.ExitStack,
) -> str:
    """Stand a candidate up in the main process; the workers of pytest-xdist find it standing."""
    if wanted not in (None, "candidate"):
        raise UsageError("--candidate tests what it stands up; --target is not accepted beside it")
    if not hasattr(config, "workerinput"):
        from verdigris.controller import candidate

        closing.enter_context(candidate(settings, name, version))
    return "candidate"


CONTEXT: pytest.StashKey[Context] = pytest.StashKey()
