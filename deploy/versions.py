"""The version of a commit, and the tags of its image: from git's tag, commit and branch."""

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.branches import RefusedError

_TAG = re.compile(r"v?(\d+\.\d+\.\d+[0-9A-Za-z.-]*)")
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
FIRST = "0.0.0"
"""The version that commits come after which no tag stands before."""
_LONGEST = 128
"""Characters of an image's tag: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests"""


@dataclass(frozen=True)
class Sources:
    """What git says of the sources; empty strings where it says nothing."""

    described: str
    """``git describe``: the last version's tag, and how many commits ago that was, ``1.5.0-7-gabc1234``."""
    commit: str
    commits: int
    """How many commits there are up to this one."""
    branch: str
    changed: bool
    """Whether files differ from the commit."""

    @staticmethod
    def read(root: Path) -> "Sources":
        """Ask git."""
        return Sources(
            described=_git(root, "describe", "--tags", "--match", "[0-9]*", "--match", "v[0-9]*"),
            commit=_git(root, "rev-parse", "HEAD"),
            commits=int(_git(root, "rev-list", "--count", "HEAD") or 0),
            branch=_git(root, "branch", "--show-current"),
            changed=bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
        )

    def on(self, branch: str) -> "Sources":
        """The same on another branch: a CI job checks a commit out, not a branch."""
        return replace(self, branch=branch)


def version_of(sources: Sources, *, changed: bool = False) -> str:
    """The version of a commit: that of its tag, or the last tag with the number of commits since, as git describes it.

    Args:
        changed: whether files may differ from the commit.

    Raises:
        RefusedError: if git knows of no commit, or files differ from it.
    """
    if sources.changed and not changed:
        raise RefusedError("files were changed since the last commit; commit them, or name a --version")
    if found := _TAG.fullmatch(sources.described):
        return found[1]
    if not sources.commit:
        raise RefusedError("git knows no commit here, so there is no version; name a --version")
    return f"{FIRST}-{sources.commits}-g{sources.commit[:7]}"


def tags(version: str, sources: Sources) -> list[str]:
    """The tags of a version's image: the version alone, and with its commit and branch."""
    commit = sources.commit[:12] + ("-changed" if sources.commit and sources.changed else "")
    branch = _NOT_IN_A_TAG.sub("-", sources.branch).strip("-.")
    tag = _NOT_IN_A_TAG.sub("-", version)[:_LONGEST]  # a version may have a "+"
    return [tag, *(f"{tag}-{word}"[:_LONGEST] for word in (commit, branch) if word)]


def _git(root: Path, *words: str) -> str:
    try:
        asked = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
