r"""Text made safe to print, whoever wrote it: an application, a test, a person's own settings.

A terminal obeys escape bytes. A CI runner obeys what it takes for a command: ``::error::`` at the beginning of a line,
``##[error]`` or ``##vso[...]`` anywhere in one. What stood there can still be read afterwards.
"""

import json
import re
from typing import Any

from verdigris.redaction.redactor import Redactor, read_here

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_AT_THE_BEGINNING = re.compile(r"(?m)^(\s*)(::)")
_ANYWHERE = re.compile(r"#(?=#(?:[A-Za-z]*)\[)")


def clean(text: str) -> str:
    """Text that neither a terminal nor a CI runner obeys (fault 52)."""
    text = _CONTROL.sub("\ufffd", text)
    return _ANYWHERE.sub("#\u200b", _AT_THE_BEGINNING.sub("\\1\u200b\\2", text))


def shown(text: str, *, free: bool = True) -> str:
    """The same, without the secrets that this process has read.

    Args:
        free: whether it is somebody's words; a table of ours keeps its words, whatever a secret is called.
    """
    redactor = Redactor(read_here())
    return clean(redactor.text(text) if free else redactor.raw(text.encode("utf-8", "replace"), free=False).decode())


def in_json(content: Any) -> str:
    """JSON for scripts: the same for whoever parses it, and nothing that a runner takes for a command."""
    text = json.dumps(Redactor(read_here()).value(content), indent=1)  # all ASCII: escapes are escaped
    return _ANYWHERE.sub("\\\\u0023", text)
