"""Where a settings file is wrong, and in which words: file, line, key, and what is accepted there."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

_INNER = re.compile(r"function-|tuple\[|(str|SecretReference)$")
"""Parts of pydantic's locations that are no keys: which of several types was tried."""


def explain(path: Path, text: str, error: ValidationError, schema: dict[str, Any]) -> str:
    """A line for each thing that is wrong.

    Args:
        path: the file.
        text: what stands in it.
        error: what pydantic found.
        schema: the JSON schema of the whole file, to say which keys are accepted.
    """
    lines = []
    for item in error.errors():
        location = tuple(str(part) for part in item["loc"] if not _INNER.match(str(part)))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key; accepted here: {listed(_accepted(schema, location[:-1]))}"
        elif item["type"] == "missing":
            message = "is required"
        lines.append(f"{path}:{line_of(text, location)}: {'.'.join(location) or 'the file'}: {message}")
    return "\n".join(dict.fromkeys(lines))


def _accepted(schema: dict[str, Any], location: tuple[str, ...]) -> list[str]:
    """The keys of the table at ``location``, from the schema."""
    node = schema
    for part in location:
        node = _table(schema, node)
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items") or {}
    return sorted(set(_table(schema, node).get("properties", {})) - {"path"})


def _table(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in (node, *node.get("anyOf", ())):
        if "$ref" in option:
            return dict(schema["$defs"][option["$ref"].rsplit("/", 1)[1]])
    return node


def line_of(text: str, location: tuple[str, ...]) -> int:
    """The line of the deepest part of ``location`` that stands in the file."""
    keys = [part for part in location if not part.isdigit()]
    best, best_depth, table = 1, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            found = table
        elif pair := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            found = table + [part.strip().strip("\"'") for part in pair[1].split(".")]
        else:
            continue
        depth = len(found)
        if keys[:depth] == found and depth > best_depth:
            best, best_depth = number, depth
    return best


def listed(names: Iterable[str]) -> str:
    """Names in a message, sorted."""
    return ", ".join(sorted(names)) or "none"
