"""Have a suite run and read what it showed.

It gets no options of anybody's: no ``addopts``, no plugin that was not named, no selection. It has a deadline, and a
watchdog that looks at its evidence (:mod:`verdigris.suites.watchdog`). What it wrote is the only thing believed. Where
it runs is a runner's business: a process of this machine, or a Job of the cluster.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from verdigris import private_files
from verdigris.errors import Refused
from verdigris.model import Identity, Value
from verdigris.platform import Platform
from verdigris.redaction.redactor import SHORTEST, Redactor
from verdigris.settings import SecretReference, Settings, SuiteSettings
from verdigris.settings.secrets import secrets
from verdigris.suites import evidence as evidence_module
from verdigris.suites import plain_files
from verdigris.suites.evidence import Evidence
from verdigris.suites.process_runner import LocalRunner
from verdigris.suites.runner import EVIDENCE, OUTPUT, Place, Runner, Running, Task
from verdigris.suites.unredacted import Unredacted, unredacted
from verdigris.suites.watchdog import Watchdog

_ALWAYS = ("verdigris.plugin",)
_UNLOADED = "ignore::pytest.PytestConfigWarning"
"""The project's pytest settings name options of plugins that no suite has; nothing else of its filters is changed."""
_SHOWN = 4_000_000
"""Bytes of evidence up to which the progress of a run is shown from it."""
REHEARSAL = "rehearsal"
"""The target that is no color: the live version on a migrated copy of the database."""


class Run(Value):
    """One run of a suite."""

    suite: str
    evidence: Evidence
    ended: str = ""
    """Where it was ended from outside: by what."""
    seconds: float = 0.0
    exit_status: int | None = None
    output: str = ""
    """The last of what it printed."""


class Gate:
    """Runs the suites of one environment.

    Args:
        platform: of the environment.
        holder: who runs them; a release's Jobs are removed by whoever recovers it.
    """

    def __init__(self, settings: Settings, environment: str, platform: Platform, holder: str = "release") -> None:
        self.settings = settings
        self.environment = environment
        self.platform = platform
        self.here = _local(settings, environment, platform)
        self.runner = _runner(settings, environment, platform, holder) or self.here

    @cached_property
    def redactor(self) -> Redactor:
        """Takes what the suites know and nobody may read out of what they wrote."""
        known = secrets(self.settings.environment(self.environment), self.settings.root)
        more = self.runner.secrets() | self.platform.secrets()
        return Redactor({*known, *(text for text in more if len(text) >= SHORTEST)})

    def collect(self, suite: str, folder: Path, stop: threading.Event | None = None) -> Run:
        """Collect a suite's tests without running one."""
        chosen, more = self.settings.environment(self.environment), {}
        if self.runner is self.here and chosen.ca and (chosen.url or "").startswith("https:"):
            more["VERDIGRIS_AUTHORITY"] = chosen.ca
        return self._run(suite, folder, "candidate", None, ["--collect-only", "-q"], stop=stop, more=more)

    def run(
        self,
        suite: str,
        folder: Path,
        target: str,
        expected: Identity,
        progress: Callable[[Evidence], None] | None = None,
        stop: threading.Event | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a suite against ``target``, where ``expected`` must answer; its files go to ``folder``."""
        more = dict(env or {})
        if target != REHEARSAL:  # suites are told where their target is, so that they need no credentials for it
            more["VERDIGRIS_ADDRESS"] = self.runner.address(target).model_dump_json()
        if target == "live" and self.runner is not self.here:  # a switch was observed from here, not from there
            more["VERDIGRIS_AWAIT"] = str(self.settings.environment(self.environment).switch_seconds)
        return self._run(suite, folder, target, expected, [], progress, stop, more)

    def _run(
        self,
        suite: str,
        folder: Path,
        target: str,
        expected: Identity | None,
        options: list[str],
        progress: Callable[[Evidence], None] | None = None,
        stop: threading.Event | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Run:
        settings = self.settings.suites[suite]
        written = folder / EVIDENCE
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}
        if expected is not None:
            env["VERDIGRIS_EXPECT"] = expected.header()
        began = time.monotonic()
        runner = self.here if target == REHEARSAL else self.runner  # only this machine has the way to a rehearsal
        with self._aside(folder) as aside:
            task = Task(
                suite=suite,
                folder=aside.folder,
                command=lambda place: self._command(suite, settings, place, target, options),
                env=env,
                seconds=settings.deadline,
                held=aside.held,
            )
            watchdog = Watchdog(aside.folder, settings)
            with runner.start(task) as running:
                ended = _watch(running, watchdog, aside, progress, stop)
            spoilt = "" if ended else watchdog.spoilt()
            aside.finish()
        shown = evidence_module.read(written)
        return Run(
            suite=suite,
            evidence=shown.model_copy(update={"broken": spoilt}) if spoilt else shown,
            ended=ended,
            seconds=round(time.monotonic() - began, 3),
            exit_status=running.exit_status,
            output=plain_files.tail(folder / OUTPUT, 4000),
        )

    @contextlib.contextmanager
    def _aside(self, records: Path) -> Iterator[Unredacted]:
        """Where the suite writes; nothing of an earlier run is left in its records.

        Raises:
            Refused: where that cannot be made.
        """
        with contextlib.ExitStack() as stack:
            redactor = self.redactor
            try:
                private_files.folder(records)
                for name in (EVIDENCE, OUTPUT):
                    (records / name).unlink(missing_ok=True)  # never opened: it may be a named pipe
                private_files.write(records / OUTPUT, b"")
                made = stack.enter_context(unredacted(redactor, records))
                private_files.write(made.folder / OUTPUT, b"")
            except OSError as error:
                raise Refused(f"{records}: no evidence can be written there: {error.strerror}") from None
            yield made

    def _command(self, suite: str, settings: SuiteSettings, place: Place, target: str, options: list[str]) -> list[str]:
        plugins = [*_ALWAYS, *settings.plugins]
        if settings.workers:
            plugins.append("xdist")
            options = [*options, "-n", str(settings.workers)]
        if "playwright" in settings.plugins:
            options = [*options, "--screenshot", "only-on-failure", "--output", str(place.folder / "artifacts")]
        words = [place.python, "-m", "pytest", str(place.root / settings.folder)]
        words += [word for plugin in dict.fromkeys(plugins) for word in ("-p", plugin)]
        words += ["-p", "no:cacheprovider", "-o", "addopts=", "-W", _UNLOADED, "--import-mode=importlib"]
        words += ["--rootdir", str(place.root), "--settings", str(place.root / self.settings.path.name)]
        words += ["--env", self.environment, "--target", target, "--strict-markers", "-o", "junit_family=xunit2"]
        return [*words, "--junitxml", str(place.folder / "junit.xml"), "-o", f"junit_suite_name={suite}", *options]


def _runner(settings: Settings, environment: str, platform: Platform, holder: str) -> Runner | None:
    """Where the environment's suites run, where that is not this machine."""
    chosen = settings.environment(environment)
    if chosen.kubernetes is None or chosen.kubernetes.runner != "job":
        return None
    from verdigris.suites.job.runner import JobRunner

    return JobRunner(settings, environment, platform, holder)


def _local(settings: Settings, environment: str, platform: Platform) -> LocalRunner:
    database = settings.environment(environment).database
    url = database.url if database is not None else None
    named = (url.from_env,) if isinstance(url, SecretReference) and url.from_env else ()  # suites read it themselves
    return LocalRunner(platform, settings.root, named)


def _watch(
    running: Running,
    watchdog: Watchdog,
    aside: Unredacted,
    progress: Callable[[Evidence], None] | None,
    stop: threading.Event | None,
) -> str:
    """Wait for its end; why it was ended, or nothing where it ended by itself."""
    while not running.wait(0.05):
        aside.bring()
        if stop is not None and stop.is_set():
            return "the release no longer needs it"
        if problem := watchdog.look(running):
            return problem
        if progress is not None and watchdog.grown and watchdog.size <= _SHOWN:
            progress(evidence_module.read(watchdog.written))
    return running.ended
