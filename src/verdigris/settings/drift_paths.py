"""Paths into objects, and the patterns by which settings allow that environments differ there."""

import re
from fnmatch import fnmatchcase

Path = tuple[str, ...]
_PART = re.compile(r'"([^"]*)"|([^."]+)')


def said(path: Path) -> str:
    """A path as text; a key with a dot in it stands in quotes."""
    return ".".join(f'"{part}"' if "." in part else part for part in path)


def parts(text: str) -> Path:
    """A pattern's parts.

    Raises:
        ValueError: where it is none.
    """
    found = tuple(quoted or plain for quoted, plain in _PART.findall(text))
    if said(found).replace('"', "") != text.replace('"', "") or not found:
        raise ValueError(f'{text!r} is no path, such as "deployment.spec.template.spec.containers.*.resources"')
    return found


def matches(pattern: str, path: Path) -> bool:
    """Whether a pattern covers a path: part by part, ``*`` for anything in a part, and all that is below it.

    A first part without a name, such as ``deployment``, covers the objects of that kind under every name.
    """
    wanted = parts(pattern)
    if len(wanted) > len(path):
        return False
    kind = path[0] if "/" in wanted[0] else path[0].partition("/")[0]
    return all(fnmatchcase(part, glob) for part, glob in zip((kind, *path[1:]), wanted, strict=False))
