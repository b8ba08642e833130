"""Secrets are taken out where text is kept: the values that the settings only refer to, in every form they may be in.

A secret is known by its value. What an application says of itself is nobody's to trust, so whatever a suite wrote, and
every word of a record, goes through here before a person, a report or a log sees it.
"""

import base64
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from deploy.errors import SettingsError
from deploy.settings import Environment, EnvValue, SecretReference

INSTEAD = "[secret]"
SHORTEST = 4
"""Letters; a shorter one would take out half of every text."""


def secrets(environment: Environment, root: Path) -> frozenset[str]:
    """The values of an environment's secrets, as far as they can be read; passwords in addresses too."""
    values: list[EnvValue] = [*environment.local.env.values()] if environment.local else []
    values += [value for service in environment.services.values() for value in service.env.values()]
    if environment.database is not None:
        values += [value for value in (environment.database.url, environment.database.admin) if value is not None]
    found: set[str] = set()
    for value in values:
        if isinstance(value, SecretReference):
            try:
                text = value.read(root).strip()
            except SettingsError:
                continue
            found |= {text, (urlsplit(text).password or "") if "://" in text else ""}
    return frozenset(text for text in found if len(text) >= SHORTEST)


def forms(secret: str) -> tuple[str, ...]:
    """A secret as text, in JSON, in a URL, in markup, and in Base64; the longest first."""
    quoted = json.dumps(secret)[1:-1]
    found = {
        secret,
        quoted,
        json.dumps(quoted)[1:-1],
        repr(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        html.escape(secret, quote=False),
        base64.b64encode(secret.encode()).decode(),
    }
    return tuple(sorted(found, key=len, reverse=True))


class Redactor:
    """Takes known secrets out of texts, values and files."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        every = sorted({form for value in values for form in forms(value)}, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, every))) if every else None
        self.bytes = re.compile(b"|".join(re.escape(form.encode()) for form in every)) if every else None

    def text(self, text: str) -> str:
        """The text without them."""
        return self.pattern.sub(INSTEAD, text) if self.pattern else text

    def value(self, value: Any) -> Any:
        """The strings in lists and tables without them."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in value.items()}
        return [self.value(one) for one in value] if isinstance(value, (list, tuple)) else value

    def files(self, folder: Path) -> None:
        """Every file of a folder without them; one without a secret is not touched."""
        if self.bytes is None:
            return
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                if self.bytes.search(content):
                    path.write_bytes(self.bytes.sub(INSTEAD.encode(), content))
