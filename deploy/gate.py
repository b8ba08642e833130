"""Run a suite in a process group of its own and read what it showed.

The child gets an allow-list of variables and no options of anybody's: no ``addopts``, no plugin that was not named, no
selection. It has a deadline, and a watchdog that looks at its evidence: where no line came for ``hang`` seconds, it
hangs. What it wrote is the only thing believed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import evidence as evidence_module
from deploy import lifeline
from deploy.errors import Refused
from deploy.evidence import Evidence
from deploy.model import Color, Identity, Value
from deploy.platform import Platform
from deploy.redact import Redactor, secrets
from deploy.settings import SecretReference, Settings, SuiteSettings

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE",
              "PLAYWRIGHT_BROWSERS_PATH", "VERDIGRIS_CHROMIUM")  # fmt: skip
_ALWAYS = ("deploy.plugin",)


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
        platform: says where a target is reached; suites are told, so that they need no credentials of it.
    """

    def __init__(self, settings: Settings, environment: str, platform: Platform) -> None:
        self.platform = platform
        self.settings = settings
        self.environment = environment
        self.redactor = Redactor(secrets(settings.environment(environment), settings.root))

    def collect(self, suite: str, folder: Path) -> Run:
        """Collect a suite's tests without running one."""
        return self._run(suite, folder, "candidate", None, ["--collect-only", "-q"])

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
        if target != "rehearsal":
            address = self.platform.users() if target == "live" else self.platform.address(Color(target))
            more["VERDIGRIS_ADDRESS"] = address.model_dump_json()
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
        written = folder / "evidence.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written.unlink(missing_ok=True)
        except OSError as error:
            raise Refused(f"{folder}: no evidence can be written there: {error.strerror}") from None
        env = {key: os.environ[key] for key in (*_PASSED_ON, *self._named()) if key in os.environ}
        env |= {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "VERDIGRIS_EVIDENCE": str(written),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(more or {}),
        }
        if expected is not None:
            env["VERDIGRIS_EXPECT"] = expected.header()
        began = time.monotonic()
        with (folder / "output.log").open("wb") as output, lifeline.held() as end:
            child = subprocess.Popen(
                self._command(suite, settings, folder, target, options),
                cwd=self.settings.root,
                env=env | {lifeline.VARIABLE: str(end)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(end,),
            )
            try:
                ended = _watch(child, written, settings, progress, stop)
            finally:
                _end(child)
        self.redactor.files(folder)
        return Run(
            suite=suite,
            evidence=evidence_module.read(written),
            ended=ended,
            seconds=round(time.monotonic() - began, 3),
            exit_status=child.returncode,
            output=_tail(folder / "output.log"),
        )

    def _named(self) -> tuple[str, ...]:
        """The variable that the settings name for the database; suites read it themselves."""
        database = self.settings.environment(self.environment).database
        url = database.url if database is not None else None
        return (url.from_env,) if isinstance(url, SecretReference) and url.from_env else ()

    def _command(self, suite: str, settings: SuiteSettings, folder: Path, target: str, options: list[str]) -> list[str]:
        plugins = [*_ALWAYS, *settings.plugins]
        if settings.workers:
            plugins.append("xdist")
            options = [*options, "-n", str(settings.workers)]
        if "playwright" in settings.plugins:
            options = [*options, "--screenshot", "only-on-failure", "--output", str(folder / "artifacts")]
        words = [sys.executable, "-m", "pytest", str(self.settings.root / settings.folder)]
        words += [word for plugin in dict.fromkeys(plugins) for word in ("-p", plugin)]
        words += ["-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings=default", "--import-mode=importlib"]
        words += ["--rootdir", str(self.settings.root), "--settings", str(self.settings.path)]
        words += ["--env", self.environment, "--target", target, "--strict-markers", "-o", "junit_family=xunit2"]
        return [*words, "--junitxml", str(folder / "junit.xml"), "-o", f"junit_suite_name={suite}", *options]


def _watch(
    child: "subprocess.Popen[bytes]",
    written: Path,
    settings: SuiteSettings,
    progress: Callable[[Evidence], None] | None,
    stop: threading.Event | None,
) -> str:
    """Wait for the child; why it was ended, or nothing where it ended by itself."""
    began = moved = time.monotonic()
    size = -1
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.05)
            return "" if child.returncode >= 0 else f"killed by signal {-child.returncode}"
        if stop is not None and stop.is_set():
            return "the release no longer needs it"
        present = time.monotonic()
        grown = written.stat().st_size if written.exists() else -1
        if grown != size:
            size, moved = grown, present
            if progress is not None:
                progress(evidence_module.read(written))
        if present - began > settings.deadline:
            return f"its deadline of {settings.deadline:g} s passed"
        if present - moved > settings.hang:
            return f"it hangs: nothing ended for {settings.hang:g} s"


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the whole group; browsers and load generators go with their suite."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4000))
        return file.read().decode(errors="replace")
