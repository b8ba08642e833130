"""Any sequence of releases, rollbacks, kills and recoveries keeps one proven color live."""

import tempfile
from pathlib import Path
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.flow import BAD_START, BAD_SUITE, BAD_WATCH, GOOD, Killed, Shop
from verdigris.model import Color, Outcome

ANY = st.sampled_from((*GOOD, BAD_SUITE, BAD_WATCH, BAD_START))
MOMENT = st.one_of(st.none(), st.integers(0, 12))


class Operations(RuleBasedStateMachine):
    """What persons and accidents do to an environment, in any order."""

    strategy: Literal["blue-green", "rolling"] = "blue-green"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.shop = Shop(Path(self.folder.name), self.strategy)
        self.generation = 0

    @initialize()
    def first(self) -> None:
        """Somebody is live."""
        assert self.shop.release(GOOD[0]).outcome is Outcome.CONFIRMED

    @rule(version=ANY, die_at=MOMENT)
    def release(self, version: str, die_at: int | None) -> None:
        """A release ends confirmed with the users, or they are where they were; or it dies on its way."""
        self.shop.recover()
        before = self.shop.live
        try:
            record = self.shop.release(version, die_at)
        except Killed:
            return
        assert self.shop.live == (version if record.outcome is Outcome.CONFIRMED else before)
        assert (record.outcome is Outcome.CONFIRMED) is (version in GOOD)

    @rule(die_at=MOMENT)
    def rollback(self, die_at: int | None) -> None:
        """A person goes back, where there is somewhere to go."""
        try:
            self.shop.rollback(die_at)
        except Killed:
            return
        assert self.shop.live in GOOD

    @rule(die_at=st.integers(0, 6))
    def recover_dies(self, die_at: int) -> None:
        """A recovery may be killed as well."""
        try:
            self.shop.recover(self.shop.platform(die_at))
        except Killed:
            return

    @precondition(lambda self: self.strategy == "blue-green")
    @rule()
    def idle_dies(self) -> None:
        """What stands in the idle color ends."""
        platform = self.shop.platform()
        live = platform.live().color or Color.BLUE
        if platform.standing(live.other) is not None:
            platform.tell(live.other, running=False)

    @invariant()
    def one_proven_color_is_live(self) -> None:
        """The users are with a release that was verified or had them before, and generations only grow."""
        self.shop.check()
        generation = self.shop.journal.read().generation
        assert generation >= self.generation
        self.generation = generation
        assert self.shop.platform().world.stamp <= generation

    def teardown(self) -> None:
        """Whatever was left, recover makes an end of it, and the users are with a good release."""
        self.shop.recover()
        assert self.shop.live in GOOD
        assert self.shop.recover() is None
        self.folder.cleanup()


class RollingOperations(Operations):
    """The same where there is one place only."""

    strategy = "rolling"


TestOperations, TestRollingOperations = Operations.TestCase, RollingOperations.TestCase
for _case in (TestOperations, TestRollingOperations):
    _case.settings = settings(max_examples=8, stateful_step_count=6, deadline=None)
