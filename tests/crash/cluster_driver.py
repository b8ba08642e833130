"""The driver for runs on a cluster: ``python -m tests.crash.cluster_driver [--kill N | --at NAME] ROOT WORD...``.

An effect is every request that asks the API server to write something, and every process that is started; see
:mod:`tests.crash.driver`. Renewals of the Lease are left out, as they come when they come, and a request that was
answered 409 has no effect: the one that repeats it has.
"""

import json
import re
import subprocess
import sys
from typing import Any

from tests.crash.driver import Points, main

REVIEWS = "selfsubjectaccessreviews"
HASH = re.compile(r"-[0-9a-f]{8,10}$")
Body = dict[str, Any] | None


def effect(method: str, path: str, body: Body) -> str | None:
    """What a request does, in words that are the same in every run; ``None`` where it has no effect that counts."""
    if method == "GET" or path.endswith(REVIEWS):
        return None
    words = path.rpartition("/namespaces/")[2].split("/")[1:]
    if method == "POST":
        words.append((body or {})["metadata"]["name"])
    if words[0] == "leases" and set((body or {}).get("spec", ())) == {"renewTime"}:
        return None
    return " ".join(filter(None, (method, f"{words[0]}/{HASH.sub('', words[1])}", _what(body or {}))))


def _what(body: dict[str, Any]) -> str:
    data, spec = body.get("data") or {}, body.get("spec") or {}
    if "journal.json" in data:
        record = json.loads(data["journal.json"])["record"]
        return str(record["step"]) if record else "generation"
    notes = (body.get("metadata") or {}).get("annotations") or {}
    return "+".join([*(key.partition("/")[2] for key in sorted(notes)), *(sorted(spec) if len(spec) < 3 else ())])


def plant(points: Points) -> None:
    """Put the points around every effect of this process."""
    from verdigris.platform.kubernetes.transport import Transport

    send = Transport.send
    stale: set[str] = set()

    def sent(
        self: Transport, method: str, path: str, body: Body = None, *more: Any, **named: Any
    ) -> tuple[int, bytes, dict[str, str]]:
        name = effect(method, path, body)
        if name is None:
            return send(self, method, path, body, *more, **named)
        if name not in stale:
            points.pass_by(f"before {name}")
        stale.discard(name)
        answer = send(self, method, path, body, *more, **named)
        if answer[0] == 409:
            stale.add(name)
        else:
            points.pass_by(f"after {name}")
        return answer

    Transport.send = sent  # type: ignore[method-assign]
    started = points.around("start of a process", subprocess.Popen.__init__)
    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(plant))
