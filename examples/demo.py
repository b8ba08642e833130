"""The main job on the example, as ``make demo`` shows it: four releases of the chatbot under users' traffic.

The first release, with nobody live yet; a good one; one that its suites hold; one that passes its suites, is slow once
it has users, and is rolled back by its watch. The users never retry, and what they lost is counted.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from bench.traffic import Plan, Traffic

ROOT = Path(__file__).resolve().parent.parent
RATE = 200
RELEASES = (
    ("1.0.0", 0, "the first release, proven although nobody is live yet"),
    ("1.1.0", 0, "a good release: proven, switched, watched, confirmed"),
    ("1.2.0", 10, "answers some messages with the wrong status, and is held by its suites"),
    ("1.3.0", 13, "passes every suite, is slow once users come, and is taken back by its watch"),
)


def verdigris(*words: str) -> int:
    """Run the command line; its output goes where ours goes."""
    return subprocess.run([sys.executable, "-m", "verdigris", *words], cwd=ROOT, check=False).returncode


def main() -> int:
    """Run the demonstration; 0 where everything came out as it must."""
    out = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    out.print("[bold]the environment[/]")
    if verdigris("down", "--forget") or verdigris("up"):
        return 1
    before = set(_reports())
    failures = []
    users = Plan(
        url="http://127.0.0.1:8400",
        secure_url="https://127.0.0.1:8401",
        ca=str(ROOT / ".verdigris" / "local" / "tls" / "ca.pem"),
        rate=RATE,
        paths=("/", "/version", "/healthz"),
        wait=True,
    )
    with Traffic(users) as traffic:
        for version, expected, what in RELEASES:
            out.print()
            out.print(f"[bold]{version}[/]  {what}")
            status = verdigris("release", version)
            if status != expected:
                failures.append(f"{version} ended with {status}, expected was {expected}")
        summary = traffic.stop()
    out.print()
    out.print("[bold]what came of it[/]")
    verdigris("status")
    out.print()
    if summary.lost or not summary.requests:
        failures.append(f"users lost {summary.lost} of {summary.requests} requests: {json.dumps(summary.errors)}")
    out.print(f"users' requests: {summary.requests:,} at {RATE} a second, none retried; lost: [bold]{summary.lost}[/]")
    out.print(f"users on new and kept connections: {summary.new:,} and {summary.kept:,}, HTTPS: {summary.https:,}")
    out.print(f"took {time.monotonic() - began:.0f} s, with the short profiles of environments.toml for load and watch")
    out.print("\nreports:")
    for report in sorted(set(_reports()) - before):
        out.print(f"  {report.relative_to(ROOT)}")
    out.print("\nthe chatbot is still up at http://127.0.0.1:8400; stop it with: .venv/bin/verdigris down")
    for failure in failures:
        out.print(f"[bold red]not as it must be:[/] {failure}")
    return 1 if failures else 0


def _reports() -> list[Path]:
    return list((ROOT / "reports").glob("*/report.html"))


if __name__ == "__main__":
    sys.exit(main())
