"""Verification is never turned off, anywhere in the repository's code."""

import re

from tests.names.conftest import ROOT

LOOKS_AWAY = re.compile(
    r"CERT_NONE|CERT_OPTIONAL|verify\s*=\s*False|check_hostname\s*=\s*False|insecure\s*=\s*True|_create_unverified_context"
    r"|ignore_https_errors|ignore-certificate-errors|verify_ssl\s*=\s*False|get_server_certificate"
    r"|--insecure\b|\bcurl\b.* -k\b"
)
FOLDERS = ("src", "deploy", "smoke", "verification", "performance", "examples", "bench", "docs", "k8s", "scripts")


def test_fault_28_nothing_looks_away_from_a_certificate() -> None:
    """No file has one of the many words for it; the load's user, whose library looks away by itself, says no to it."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix != ".png"}
    assert [str(path) for path, text in texts.items() if LOOKS_AWAY.search(text)] == []
    assert "insecure = False" in texts[ROOT / "performance" / "locustfile.py"]
    assert len(texts) > 100
