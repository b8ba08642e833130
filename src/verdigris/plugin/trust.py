"""What Chromium must be told so that it reaches the target's names and trusts their issuer; it looks away from nothing.

Chromium on Linux trusts what stands in the NSS database of its home folder, so it gets a home of its own.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from verdigris.platform import Address
from verdigris.platform.base import origin

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def resolver_rules(addresses: Iterable[Address]) -> list[str]:
    """The argument that says where the names are reached, where the settings say it."""
    rules = {f"MAP {name} {one.connect}": None for one in addresses if one.connect for name in sorted(one.names)}
    return [f"--host-resolver-rules={','.join(rules)}"] if rules else []


def authorities(addresses: Iterable[Address]) -> list[str]:
    """The files of certificates that the browser needs."""
    return list(dict.fromkeys(one.ca for one in addresses if one.ca and origin(one.url).scheme == "https"))


def certutil() -> str:
    """The program that writes an NSS database.

    Raises:
        pytest.UsageError: where there is none, with the package that brings it.
    """
    found = shutil.which("certutil")
    if found is None:
        raise pytest.UsageError(
            "the environment names a ca, and Chromium trusts it by an NSS database, which needs certutil; "
            "run: apt-get install libnss3-tools (or your system's nss-tools)"
        )
    return found


def home(folder: Path, files: Iterable[str]) -> Path:
    """Make ``folder`` a home in which the certificates of ``files`` are trusted."""
    database = folder / ".pki" / "nssdb"
    database.mkdir(parents=True)
    program = certutil()
    _run(program, "-N", "-d", f"sql:{database}", "--empty-password")
    single = folder / "one.pem"
    certificates = [pem for file in files for pem in _PEM.findall(Path(file).read_text(encoding="utf-8"))]
    for number, pem in enumerate(certificates):  # certutil reads only the first of a file
        single.write_text(pem + "\n", encoding="utf-8")
        _run(program, "-A", "-d", f"sql:{database}", "-n", f"authority {number}", "-t", "C,,", "-i", str(single))
    return folder


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise pytest.UsageError(f"{' '.join(words)} failed: {done.stderr.strip() or done.stdout.strip()}")
