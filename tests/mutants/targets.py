"""What is mutated, by which tests that must be noticed, and which mutants nobody could notice."""

from typing import NamedTuple


class Target(NamedTuple):
    """Functions of a module, and the test files that speak of them, the quickest first."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()
    """All where none is named."""

    @property
    def name(self) -> str:
        """The module as it is imported."""
        return f"verdigris.{self.module}"


TARGETS = (
    Target("watch.rules", ("test_watch_policy",)),
    Target("suites.rules", ("test_policy",)),
    Target("watch.monitor", ("test_seen",), ("Seen.add", "Seen.view")),
    Target("flow.rollback", ("test_back",)),
    Target(
        "flow.blue_green",
        ("test_release",),
        ("drain", "keep", "candidate_of", "_same_process", "_same_release", "_before_switch"),
    ),
    Target(
        "flow.recovery",
        ("test_recovery", "test_operators_rollback"),
        (
            "recover",
            "_not_switched",
            "_ours",
            "_first",
            "_finish_rollback",
            "rollback",
            "_move_back",
            "_let_live",
            "require_ended",
            "previous",
            "destination",
            "_named",
            "idle_color",
            "retire_overdue",
        ),
    ),
    Target("flow.rolling", ("test_rolling",), ("_untouched", "_require_known", "recover", "_stands")),
    Target(
        "flow.safeguard",
        ("test_deciding",),
        (
            "Safeguard._end",
            "Safeguard._settle",
            "Safeguard._back",
            "Safeguard._by_one_write",
            "Safeguard._write_back",
            "Safeguard._try_to_enter",
            "Safeguard._leave",
            "Safeguard._taken_over",
            "_users_met",
        ),
    ),
    Target("flow.context", ("test_tools",), ("take_along", "tolerate", "finish", "stopped")),
    Target("state.unconfirmed", ("test_unconfirmed",)),
    Target("model", ("test_model",), ("exit_status_of",)),
    Target("watch.samples", ("test_samples",)),
    Target("watch.probe", ("test_samples",), ("Probe.planned", "Probe.due", "Probe.since")),
)

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("flow.recovery", "live is None or present is None", "present is None"): (
        "nothing stands where nobody is live; the first half is there for the types"
    ),
    ("flow.recovery", "tools.platform.live().color or Color.BLUE", "tools.platform.live().color"): (
        "only a color that has the users comes here; the second half is there for the types"
    ),
}
"""By module, what stands there and what would: why nobody could tell them apart."""
