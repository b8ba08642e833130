"""The values of an environment's secrets, so that they can be taken out of whatever is kept or printed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from verdigris.errors import SettingsError
from verdigris.redaction.forms import known
from verdigris.settings import Environment, SecretReference

_NOT_SECRET = {("kubernetes", "cluster")}
"""What may be found elsewhere and is no secret: the messages about it must name it."""


def secrets(environment: Environment, root: Path) -> frozenset[str]:
    """The values of an environment's secrets, as far as they can be read, and what is secret in each of them."""
    found: set[str] = set()
    for reference in _references(environment):
        try:
            found |= known(reference.read(root))
        except (SettingsError, ValueError):
            continue
    return frozenset(found | _made_here(root))


def _made_here(root: Path) -> set[str]:
    """The passwords of the databases that run on this machine; they were made here, and stand in no settings."""
    found: set[str] = set()
    for path in root.glob(".verdigris/*/database/passwords.json"):
        try:
            passwords = json.loads(path.read_text(encoding="utf-8"))
            found |= {part for role, word in passwords.items() for part in (str(word), f"{role}:{word}")}
        except (OSError, ValueError, AttributeError):
            continue  # nothing that the database would let anybody in with
    return found


def _references(value: Any, path: tuple[str, ...] = ()) -> Iterator[SecretReference]:
    """Every reference in a table, whatever it is called there."""
    if isinstance(value, SecretReference):
        if path not in _NOT_SECRET:
            yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _references(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _references(one, (*path, name))
    elif isinstance(value, tuple):
        for one in value:
            yield from _references(one, path)
