"""Commands of the settings that make what a version is, on whatever platform."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from verdigris.errors import SettingsError, UsageError

BUILD_SECONDS = 1200


def fill(text: str, values: Mapping[str, str], key: str) -> str:
    """Put ``values`` in for ``{name}``.

    Raises:
        SettingsError: naming the key and the names that are known.
    """
    try:
        return text.format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError):
        raise SettingsError(
            f"{key}: {text!r}: known here are {', '.join('{' + name + '}' for name in values)}"
        ) from None


def require_version(version: str) -> None:
    """Refuse what is no version.

    Raises:
        UsageError: naming what is accepted.
    """
    if not version or version.startswith((".", "-")) or not all(c.isalnum() or c in "._+-" for c in version):
        raise UsageError(f"{version!r} is not a version: letters, digits, and . _ + - are accepted")


def build(version: str, commands: Sequence[Sequence[str]], root: Path, values: Mapping[str, str], key: str) -> None:
    """Run the commands that make a version.

    Raises:
        UsageError: where one cannot be run or fails, with what it said.
    """
    for number, command in enumerate(commands):
        words = [fill(word, values, f"{key}[{number}]") for word in command]
        try:
            done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"version {version!r} cannot be built: {words[0]}: {error}") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-1500:]
            raise UsageError(f"version {version!r} cannot be built: {said} (exit {done.returncode})")
