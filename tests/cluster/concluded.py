"""What a release or a rollback came to, and what users saw of it."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.summary import Summary
from bench.traffic import Traffic


class Concluded:
    """A release or a rollback that came to its end: its exit status and the record it printed."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status = done.returncode
        self.said = done.stdout + done.stderr
        try:
            self.record: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"no record was printed (exit {done.returncode}):\n{self.said[-4000:]}") from None
        self.said = f"{done.stderr}\n{self.reasons}"

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each suite that was run."""
        return {suite["suite"]: suite["verdict"] for suite in self.record["suites"]}

    @property
    def steps(self) -> list[str]:
        """The steps that were journaled, each once."""
        return list(dict.fromkeys(moment["step"] for moment in self.record["timeline"]))

    @property
    def reasons(self) -> str:
        """Why it was not confirmed."""
        return "\n".join(objection["text"] for objection in self.record["objections"])


@dataclass
class Done:
    """A release or a rollback, with what the users saw meanwhile."""

    end: Concluded
    users: Summary


def with_users(users: Traffic, act: Callable[[], Concluded]) -> Done:
    """Do something while users come in."""
    with users:
        end = act()
        return Done(end, users.stop())


def colors(users: Summary) -> set[str]:
    """The colors and versions that answered; answers that the ingress gave by itself are of nobody."""
    return {colors_of({one: 1}) for one in users.identities}


def colors_of(identities: dict[str, int]) -> str:
    """Color and version of an identity; of several, one after the other."""
    return ", ".join(sorted(" ".join(re.findall(r"(?:color|version)=([^;]*)", one)) for one in identities))
