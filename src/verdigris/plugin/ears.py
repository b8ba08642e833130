"""Hears every exception that reaches no test: that of a thread, and that of the destruction of an object.

The interpreter has one hook for each, and pytest, a library or a test may put one of its own there at any moment, which
hides the failure from whoever was there before. So for the time of a run the two modules have a class of their own, in
which setting the hook puts an ear in front of whatever was set. What was set is called as before, and is what is read.
"""

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

Hear = Callable[[str, threading.Thread | None], None]


class Ears:
    """Tells ``hear`` of each exception from ``begin`` to ``end``."""

    def __init__(self, hear: Hear) -> None:
        self._hooks = ((threading, "excepthook"), (sys, "unraisablehook"))
        self._hear = hear
        self._classes: list[type[ModuleType]] = []

    def begin(self) -> None:
        """Listen."""
        for module, name in self._hooks:
            present = type(module)
            self._classes.append(present)
            module.__class__ = type(present.__name__, (present,), {name: _hook(name, self._hear)})
            setattr(module, name, getattr(module, name))

    def end(self) -> None:
        """Leave the hooks as they were set last."""
        for (module, name), before in zip(self._hooks, self._classes, strict=False):
            hook = getattr(module, name)
            module.__class__ = before
            setattr(module, name, hook)
        self._classes.clear()


def _hook(name: str, hear: Hear) -> property:
    def get(module: ModuleType) -> Any:
        hook = vars(module)[name]
        return hook.hook if isinstance(hook, _Ear) else hook

    def put(module: ModuleType, hook: Any) -> None:
        vars(module)[name] = hook if isinstance(hook, _Ear) else _Ear(hear, hook)

    return property(get, put)


class _Ear:
    """A hook with an ear in front of it."""

    def __init__(self, hear: Hear, hook: Callable[[Any], Any] | None) -> None:
        self.hear = hear
        self.hook = hook

    def __call__(self, args: Any) -> None:
        thread, value = getattr(args, "thread", None), args.exc_value
        if not (isinstance(value, SystemExit) and not value.code):  # a thread that ends itself, as by sys.exit()
            where = f"the thread {thread.name}" if thread else "a thread or the destruction of an object"
            kind = getattr(args.exc_type, "__name__", "an exception")
            self.hear(f"{where} raised {kind}: {str(value)[:300]}, which no test saw", thread)
        if self.hook is not None:
            self.hook(args)
