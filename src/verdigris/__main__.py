"""``python -m verdigris`` is ``verdigris``."""

from verdigris.cli import entry

entry()
