"""The audit log in the cluster, where every machine that releases writes on.

A page is a ConfigMap, to which lines are added only. One that is full names the page that follows it before that one is
made: so none is added to it any more, and a page that is gone is missed. ``k8s/rbac/audit.yaml`` has the API server
refuse what is not an addition.
"""

from verdigris.errors import PlatformError
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.transport import Object
from verdigris.state.audit import FIRST, Entry, about, chained, digest, not_the_last

NAME = "verdigris-audit"
LABEL = "verdigris.dev/audit"
LINES, HEAD, NEXT = "audit.jsonl", "head", "next"
LIMIT = 800_000
"""Bytes of a page; a ConfigMap bears one MiB."""


class ClusterAudit:
    """The audit log of one environment, in its namespace; implements :class:`verdigris.state.audit.AuditLog`."""

    def __init__(self, cluster: Cluster, limit: int = LIMIT) -> None:
        self.cluster = cluster
        self.limit = limit

    def append(self, entry: Entry) -> None:
        """Add a line to the last page; where that is full, to the one that it names then."""
        pages = self._pages()
        place: tuple[str, str] | None = (str(pages[-1]["metadata"]["name"]) if pages else _name(1), FIRST)
        while place is not None:
            place = self._added(entry, *place)

    def _added(self, entry: Entry, name: str, previous: str) -> tuple[str, str] | None:
        """Add a line to a page, or find that it is full: the page that follows, and the hash to follow from.

        Args:
            previous: the hash that its first line follows from, where it is not there yet.
        """
        following: tuple[str, str] | None = None

        def decide(present: Object | None) -> Object | None:
            nonlocal following
            following = None
            lines, head = (_field(present, LINES), _field(present, HEAD)) if present else ("", previous)
            if _ends_with(entry, lines):
                return None  # it was written, only nobody said so
            line = entry.after(head)
            if present is not None and (named := _field(present, NEXT)):
                following = named, head
                return None
            if present is not None and len(lines) + len(line) >= self.limit:
                following = _name(int(name.rpartition("-")[2]) + 1), head
                return {"data": {NEXT: following[0]}}
            data = {LINES: f"{lines}{line}\n", HEAD: digest(line)}
            metadata = {"name": name, "labels": {LABEL: "page"}}
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

        self.cluster.change("ConfigMap", name, decide)
        return following

    def mentions(self, release: str) -> bool:
        """Whether a line is about that release, whatever else is wrong with the log."""
        return any(about(release, _field(page, LINES)) for page in self._pages())

    def entries(self) -> list[Entry]:
        """The lines of every page, the chain verified."""
        previous, wanted, found = FIRST, _name(1), []
        for page in self._pages():
            where = str(page["metadata"]["name"])
            if where != wanted:
                raise PlatformError(f"{wanted or where}: pages of the audit log are missing or too many before {where}")
            *lines, unfinished = _field(page, LINES).split("\n")
            found += chained([*lines, unfinished] if unfinished else lines, where, previous)
            previous = digest(lines[-1]) if lines else previous
            if previous != _field(page, HEAD):
                raise not_the_last(where, len(lines), f"{HEAD} of that ConfigMap")
            wanted = _field(page, NEXT)
        if found and wanted:
            raise PlatformError(f"{wanted}: this page of the audit log is gone, or its first line was not written yet")
        return found

    def _pages(self) -> list[Object]:
        return sorted(self.cluster.list("ConfigMap", LABEL), key=lambda page: str(page["metadata"]["name"]))


def _name(number: int) -> str:
    return f"{NAME}-{number:04}"


def _field(page: Object, key: str) -> str:
    return str((page.get("data") or {}).get(key, ""))


def _ends_with(entry: Entry, lines: str) -> bool:
    last = lines.rstrip("\n").rpartition("\n")[2]
    try:
        return last == entry.after(Entry.model_validate_json(last).previous)
    except ValueError:
        return False
