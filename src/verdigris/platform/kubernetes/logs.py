"""What the pods of a color log, put together as one text that only grows."""

import time

from verdigris.platform.kubernetes.api import Cluster

FRESH_SECONDS = 1.0
"""The pods are asked no more often than this, however often a watch looks."""
LIMIT = 1_000_000
"""Bytes that are taken from a pod at a time."""


class Logs:
    """The logs of an environment's pods, remembered from look to look."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._text: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        """The time stamp of the last line that was taken from a pod."""
        self._looked: dict[str, float] = {}

    def since(self, place: str, pods: list[str], offset: int) -> tuple[str, int]:
        """What was logged from ``offset`` characters on, and the offset after it."""
        if time.monotonic() - self._looked.get(place, -FRESH_SECONDS) >= FRESH_SECONDS:
            self._looked[place] = time.monotonic()
            self._text[place] = self._text.get(place, "") + "".join(map(self._new, pods))
        text = self._text.get(place, "")
        return text[offset:], len(text)

    def _new(self, pod: str) -> str:
        """The lines of a pod that were not taken yet; each comes with the time the node took it in."""
        seen = self._seen.get(pod, "")
        query: dict[str, str | int] = {"timestamps": "true", "limitBytes": LIMIT}
        if seen:
            query["sinceTime"] = seen
        lines = [line.partition(" ") for line in self.cluster.text(f"pods/{pod}/log", **query).splitlines()]
        new = [(at, text) for at, _, text in lines if at > seen]
        if new:
            self._seen[pod] = max(at for at, _ in new)
        return "".join(f"{text}\n" for _, text in new)
