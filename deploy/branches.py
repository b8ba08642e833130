"""Which branch is deployed to which environment."""

BRANCHES = {"develop": "dev", "main": "staging", "master": "production"}
MANUAL = "production"
"""The environment of a run that a person started."""


class RefusedError(Exception):
    """Nothing is deployed; the message says why, and what is accepted."""


def environment_of(branch: str, *, manual: bool) -> str:
    """The environment that a branch is deployed to.

    Raises:
        RefusedError: if it is deployed nowhere.
    """
    if manual:
        return MANUAL
    if branch in BRANCHES:
        return BRANCHES[branch]
    accepted = ", ".join(f"{name} ({environment})" for name, environment in BRANCHES.items())
    what = f"the branch {branch!r} is" if branch else "what is on no branch is"
    raise RefusedError(f"{what} deployed nowhere; accepted: {accepted}, or --manual ({MANUAL})")
