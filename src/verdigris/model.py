"""The values a release is made of: frozen, comparable, and the same in the journal, the code and the reports."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from verdigris.errors import ExitStatus

SCHEMA = 1
"""Version of the journal's schema; a newer one is refused rather than guessed at."""


def now() -> str:
    """The present, in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


LONGEST_TEXT = 100_000
"""Characters of one text in a value; what an application says is cut there, so that a journal can be written."""
_UNSTORABLE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as it can be kept in any file: halves of surrogate pairs replaced, and no longer than allowed.

    An application's JSON may hold "\\ud83d", and a file's name any byte; neither is text that UTF-8 has.
    """
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]} ... ({len(text) - LONGEST_TEXT:,} more characters)"
    return text if text.isascii() else _UNSTORABLE.sub("\ufffd", text)


def _storable(value: Any) -> Any:
    if type(value) is str:
        return storable(value)
    if type(value) is dict:
        return {_storable(key): _storable(one) for key, one in value.items()}
    return type(value)(map(_storable, value)) if type(value) in (list, tuple) else value


class Value(BaseModel):
    """A frozen value that refuses unknown keys, and takes any text in a form that can be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _made_storable(cls, values: Any) -> Any:
        """What cannot be kept is replaced where it enters: once in a value, it could stop the journal."""
        return _storable(values)


class Color(StrEnum):
    """The places a release can stand in: two colors, or the one place of an environment that rolls."""

    BLUE = "blue"
    GREEN = "green"
    LIVE = "live"
    """The one place where the strategy is ``rolling``: whatever stands there has the users."""

    @property
    def other(self) -> "Color":
        """The opposite color.

        Raises:
            ValueError: of ``live``, beside which there is no other place.
        """
        if self is Color.LIVE:
            raise ValueError("an environment that rolls has one place: beside 'live' there is no other")
        return Color.GREEN if self is Color.BLUE else Color.BLUE


COLORS = (Color.BLUE, Color.GREEN)
"""The places where the strategy is ``blue-green``."""


def in_place(color: Color | str, version: str) -> str:
    """A version and where it stands, in words; where there is one place only, it is not worth a word."""
    return version if color == Color.LIVE else f"{color} {version}"


class Identity(Value):
    """What proves who answered: color, version, build and configuration hash."""

    color: Color
    version: str
    build: str
    config: str

    def header(self) -> str:
        """The value of the identity header, ``color=blue;version=1.0.0;build=0ab1;config=9f3c``."""
        return f"color={self.color};version={self.version};build={self.build};config={self.config}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a header's value; ``None`` if it is not one whole identity.

        Spaces and the order of keys do not matter, and an application may say more of itself. A key that stands twice
        makes it nobody's, and so does a comma by which HTTP joins two headers into one that neither said.
        """
        found = _pairs(text)
        return None if isinstance(found, str) else cls.model_validate(found)

    @classmethod
    def of(cls, lines: Sequence[str]) -> Self | None:
        """Read the identity headers of one answer; ``None`` unless it has exactly one, and that is whole."""
        return cls.parse(lines[0]) if len(lines) == 1 else None

    def __str__(self) -> str:
        return f"{in_place(self.color, self.version)} (build {self.build}, config {self.config})"


_KEYS = ("color", "version", "build", "config")
_JOINED = re.compile(r",(\s|.*=)")


def _pairs(text: str) -> dict[str, str] | str:
    """The keys of an identity and their values, or why it is none."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            return f"{part!r} is not KEY=VALUE"
        if key in pairs:
            return f"{key!r} stands in it twice"
        if _JOINED.search(value) or not value.isprintable():
            return f"{key!r} is {value[:80]!r}, as if two headers were joined into one"
        pairs[key] = value
    if missing := [key for key in _KEYS if not pairs.get(key)]:
        return f"it has no {missing[0]!r}"
    if pairs["color"] not in set(Color):
        return f"{pairs['color']!r} is no color"
    return {key: pairs[key] for key in _KEYS}


def described(lines: Sequence[str]) -> str:
    """What the identity headers of one answer say: the identity as it is always written, or in words why it is none."""
    if not lines:
        return "no identity"
    if len(lines) > 1:
        return f"no identity: {len(lines)} identity headers, expected is one: {' | '.join(lines)[:300]}"
    found = _pairs(lines[0])
    if isinstance(found, str):
        return f"no identity: {found}: {lines[0][:300]}"
    return Identity.model_validate(found).header()


def same_identity(text: str | None, expected: Identity) -> bool:
    """Whether a header's value says ``expected``, compared as parsed."""
    return text is not None and Identity.parse(text) == expected


class Release(Value):
    """A version on its way: what is promoted or rolled back as one unit."""

    version: str
    build: str
    config: str
    migration: str | None = None
    artifact: str
    edited: str = ""
    """The digest of what a person made of it by hand, where a run took that as it is."""

    def identity(self, color: Color) -> Identity:
        """How this release answers when it stands in ``color``."""
        return Identity(color=color, version=self.version, build=self.build, config=self.config)


class Deployment(Value):
    """A release that stands in a color."""

    color: Color
    release: Release
    generation: int
    deployed: str
    verified: bool = False
    """Whether the required suites ever passed on it."""
    kept_until: str | None = None
    """The end of the rollback window of a color that was replaced, or ``None``."""

    @property
    def identity(self) -> Identity:
        """How this deployment must answer."""
        return self.release.identity(self.color)


class Traffic(Value):
    """Who has the users, and the token that a compare-and-swap must present."""

    color: Color | None
    identity: Identity | None
    token: str

    @property
    def idle(self) -> Color:
        """The color that serves nobody, in which a candidate stands up."""
        return self.color.other if self.color else Color.BLUE


class Step(StrEnum):
    """The states of a release, each journaled before its effect."""

    PREPARE = "prepare"
    MIGRATE = "migrate"
    DEPLOY = "deploy"
    VERIFY = "verify"
    SWITCH = "switch"
    WATCH = "watch"
    SETTLE = "settle"
    ROLLBACK = "rollback"
    DONE = "done"


class Outcome(StrEnum):
    """What a release came to."""

    CONFIRMED = "confirmed"
    HELD = "held"
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"
    PERSON_NEEDED = "a person is needed"


class Kind(StrEnum):
    """What an objection is about; the worst of them names the exit status."""

    FAILED = "failed"
    NOT_CONCLUSIVE = "not conclusive"
    NOT_VALID = "not valid"
    REFUSED = "refused"


class Objection(Value):
    """One reason not to go on."""

    rule: str
    kind: Kind
    text: str
    suite: str | None = None


class SuiteResult(Value):
    """What a suite came to, as the journal and the reports carry it."""

    suite: str
    verdict: str
    collected: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    folder: str = ""
    """The folder of its evidence, relative to the release's report."""


class Moment(Value):
    """One line of the timeline."""

    at: str
    step: Step
    text: str


class Record(Value):
    """The durable record of a release; every transition returns a new one."""

    schema_version: int = SCHEMA
    id: str
    action: str = "release"
    """``release``, ``rollback`` or ``candidate`` (a candidate stood up for suites alone)."""
    environment: str
    version: str
    actor: str
    generation: int
    started: str
    step: Step = Step.PREPARE
    release: Release | None = None
    live: Deployment | None = None
    """Who had the users when the release began."""
    candidate: Color | None = None
    switched: bool = False
    """Whether users may have met the candidate: from the switch on, or from the deploy on where the strategy rolls."""
    verified: bool = False
    required: tuple[str, ...] = ()
    tests: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The ids frozen in prepare, by suite."""
    suites: tuple[SuiteResult, ...] = ()
    objections: tuple[Objection, ...] = ()
    outcome: Outcome | None = None
    exit_status: ExitStatus | None = None
    timeline: tuple[Moment, ...] = ()
    notes: dict[str, str] = Field(default_factory=dict)
    """Facts for the report: acknowledgements, durations, what a control run showed."""

    def at(self, step: Step, text: str, **changes: object) -> "Record":
        """The same record at ``step``, with a line in its timeline."""
        moment = Moment(at=now(), step=step, text=text)
        return self.with_changes(step=step, timeline=(*self.timeline, moment), **changes)

    def with_changes(self, **changes: object) -> "Record":
        """The same record with ``changes``, validated, at the same step.

        Raises:
            ValidationError: if a change has no such field or is no value of it.
        """
        return type(self).model_validate({**dict(self), **changes})

    def objecting(self, *objections: Objection) -> "Record":
        """The same record with more reasons not to go on."""
        return self.with_changes(objections=(*self.objections, *objections))

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.step is Step.DONE


def exit_status_of(objections: tuple[Objection, ...]) -> ExitStatus:
    """The exit status of a held release; evidence that is not valid says nothing of the candidate, so it is first."""
    kinds = {objection.kind for objection in objections}
    for kind, status in (
        (Kind.REFUSED, ExitStatus.REFUSED),
        (Kind.NOT_VALID, ExitStatus.HELD_NOT_VALID),
        (Kind.FAILED, ExitStatus.HELD_FAILED),
        (Kind.NOT_CONCLUSIVE, ExitStatus.HELD_NOT_CONCLUSIVE),
    ):
        if kind in kinds:
            return status
    return ExitStatus.HELD_NOT_VALID
