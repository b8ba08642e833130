"""The audit log in the cluster, where every machine that releases writes on.

A page is a ConfigMap, to which lines are added only; one that is full is followed by the next, whose first line follows
from its last. ``k8s/rbac/audit.yaml`` keeps everybody from changing what stands there.
"""

from deploy.audit import FIRST, Entry, about, chained, digest, not_the_last
from deploy.platform.kubernetes.api import Cluster
from deploy.platform.kubernetes.transport import Object

NAME = "verdigris-audit"
LABEL = "verdigris.dev/audit"
LINES, HEAD = "audit.jsonl", "head"
LIMIT = 800_000
"""Bytes of a page; a ConfigMap bears one MiB."""


class ClusterAudit:
    """The audit log of one environment, in its namespace; implements :class:`deploy.audit.AuditLog`."""

    def __init__(self, cluster: Cluster, limit: int = LIMIT) -> None:
        self.cluster = cluster
        self.limit = limit

    def append(self, entry: Entry) -> None:
        """Add a line to the last page, or to a new one where that is full."""
        while not self._appended(entry):
            pass

    def mentions(self, release: str) -> bool:
        """Whether a line is about that release, whatever else is wrong with the log."""
        return any(about(release, _lines(page)) for page in self._pages())

    def entries(self) -> list[Entry]:
        """The lines of every page, the chain verified."""
        previous, found = FIRST, []
        for page in self._pages():
            where, lines = page["metadata"]["name"], _lines(page).split("\n")[:-1]
            found += chained(lines, where, previous)
            previous = digest(lines[-1]) if lines else previous
            if previous != _head(page):
                raise not_the_last(where, len(lines), f"{HEAD} of that ConfigMap")
        return found

    def _pages(self) -> list[Object]:
        return sorted(self.cluster.list("ConfigMap", LABEL), key=lambda page: str(page["metadata"]["name"]))

    def _appended(self, entry: Entry) -> bool:
        """Whether the line stands there now; not where somebody else filled the last page at the same moment."""
        pages = self._pages()
        number, previous = 1, FIRST
        if pages:
            last = pages[-1]
            previous = _head(last)
            number = int(str(last["metadata"]["name"]).rpartition("-")[2]) + self._fills(entry.after(previous), last)
        filled = False

        def decide(present: Object | None) -> Object | None:
            nonlocal filled
            if present is not None and _ends_with(entry, present):
                return None  # it was written, only nobody said so
            line = entry.after(_head(present) if present else previous)
            if filled := present is not None and self._fills(line, present):
                return None
            data = {LINES: f"{_lines(present) if present else ''}{line}\n", HEAD: digest(line)}
            metadata = {"name": f"{NAME}-{number:04}", "labels": {LABEL: "page"}}
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

        self.cluster.change("ConfigMap", f"{NAME}-{number:04}", decide)
        return not filled

    def _fills(self, line: str, page: Object) -> bool:
        """Whether a line is too much for a page."""
        return len(_lines(page)) + len(line) >= self.limit


def _ends_with(entry: Entry, page: Object) -> bool:
    last = _lines(page).rstrip("\n").rpartition("\n")[2]
    try:
        return last == entry.after(Entry.model_validate_json(last).previous)
    except ValueError:
        return False


def _lines(page: Object) -> str:
    return str((page.get("data") or {}).get(LINES, ""))


def _head(page: Object) -> str:
    return str((page.get("data") or {}).get(HEAD, FIRST))
