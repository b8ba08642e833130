"""``python -m deploy`` is ``verdigris``."""

from deploy.cli import entry

entry()
