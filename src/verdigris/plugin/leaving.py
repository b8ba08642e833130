"""Nobody leaves a run by hand with 0, or puts another program in its place, before its tests are known to have passed.

A suite runs in the process that tells the exit status, and can end that process at any moment: with ``os._exit``, or
``os.execv``, in a test, in a hook, in what it registered with ``atexit``. So both are watched from before the first
conftest is imported until the process ends. The exit status itself is told by a wrapper around all of pytest, which is
entered before any hook of a suite can be called, and which nobody who is registered later stands around.
"""

import os
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from verdigris.plugin.context import EXPECT
from verdigris.redaction.printable import shown

if TYPE_CHECKING:
    from verdigris.plugin.proof import Proof

_EARLY = "the run was left before it was judged, so nothing is proven"
_REPLACED = "the process of the run cannot be replaced before its tests passed; start another one, as by subprocess.run"
LEAVING: pytest.StashKey["Leaving"] = pytest.StashKey()


class Leaving:
    """Tells the exit status of a run by hand, however it ends."""

    def __init__(self) -> None:
        self.judges = EXPECT not in os.environ
        """Whether it is a run by hand, which no release judges."""
        self.proof: Proof | None = None
        self._status: int | None = None
        self._process = os.getpid()
        self._terminal = os.dup(2)  # pytest's own capture takes descriptor 2
        for module in (os, sys.modules[os.name]):
            module._exit = self._leaves(os._exit)  # type: ignore[attr-defined]
            for name in ("execv", "execve"):  # the other ones call these
                setattr(module, name, self._replaces(getattr(module, name)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        """Take what the person chose before anybody can change it; tell how the run ended after everybody else."""
        from verdigris.plugin.selection import SELECTION, Selection

        selection = config.stash[SELECTION] = Selection.of(config)
        self.judges = self.judges and not selection.collects_only
        try:
            status = yield
        except SystemExit as error:
            status = self._judged(error.code if isinstance(error.code, int) else int(bool(error.code)))
            if status != error.code:
                raise SystemExit(status) from error
            raise
        return self._judged(status)

    def _judged(self, status: Any) -> Any:
        unproven = [one.text for one in self.proof.objections()] if self.proof else ["no test ran"]
        if not status and self.judges and unproven:
            status = pytest.ExitCode.TESTS_FAILED
            for text in unproven if self.proof is None or not self.proof.said else ():
                sys.stderr.write(f"not proven: {shown(text)}\n")
        self._status = int(status or 0)
        return status

    def _left_with(self) -> int:
        """The least exit status that the run may be left with now."""
        if not self.judges or os.getpid() != self._process:
            return 0
        if self._status is not None:
            return self._status
        return int(self.proof is None or self.proof.judged is None or bool(self.proof.judged))

    def _leaves(self, leave: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
        def watched(status: int) -> NoReturn:
            least = 0 if status else self._left_with()
            if least and self._status is None:
                os.write(self._terminal, f"\nverdigris: {_EARLY}\n".encode())
            leave(status or least)

        return watched

    def _replaces(self, replace: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        def watched(*words: Any, **named: Any) -> NoReturn:
            if self._left_with():
                raise RuntimeError(_REPLACED)
            replace(*words, **named)

        return watched
