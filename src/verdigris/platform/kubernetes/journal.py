"""The durable memory of an environment in its cluster, so that another machine can recover it.

The journal is a ConfigMap, replaced with the resourceVersion that was read. The lock is a Lease: its holder renews it,
and who finds it unchanged for its whole duration, by an own clock that only runs forward, takes it over; nobody's wall
clock is believed. A Lease is polite only. What fences is the generation: :meth:`ClusterJournal.next_generation` is
stamped on everything that a release writes, and a holder that was paused finds a newer one there, or a newer
resourceVersion, and stops.

Source: https://kubernetes.io/docs/concepts/architecture/leases/
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from verdigris.errors import Conflict, PlatformError, Refused
from verdigris.model import Record, now
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.transport import Object
from verdigris.state.journal import Holder, Journal, actor, parse

NAME = "verdigris-journal"
LEASE = "verdigris"
KEY = "journal.json"
ACTION = "verdigris.dev/action"
PLACE = "verdigris.dev/process"
LIMIT = 900_000
"""Bytes of a journal; a ConfigMap bears one MiB."""
RENEWALS = 5
"""Renewals in the time that a Lease lasts."""


class ClusterJournal:
    """The journal of one environment, in its namespace; implements :class:`verdigris.state.journal.JournalStore`.

    Args:
        seconds: how long a Lease lasts that nobody renews.
        stamp: told each new generation before anything is done with it; writes it on what releases write.
    """

    def __init__(self, cluster: Cluster, seconds: int, stamp: Callable[[int], None]) -> None:
        self.cluster = cluster
        self.seconds = seconds
        self.stamp = stamp
        self.generation: int | None = None
        self._lost = ""

    # --- the journal -------------------------------------------------------------------------------------------

    def read(self) -> Journal:
        """The journal; an empty one where none was written yet."""
        return _journal(self.cluster.get("ConfigMap", NAME))

    def write(self, journal: Journal) -> None:
        """Make ``journal`` the present one.

        Raises:
            Conflict: where the lock was lost, or a newer generation writes the journal now.
            Refused: where it does not fit.
            PlatformError: where the API server does not answer.
        """
        text = journal.model_dump_json()
        if len(text) > LIMIT:
            raise Refused(f"the journal has {len(text)} bytes, a ConfigMap bears {LIMIT}; nothing more was done")

        def decide(present: Object | None) -> Object | None:
            self._require_held()
            newest = _journal(present).generation
            mine = journal.generation if self.generation is None else self.generation
            if newest > mine:
                raise Conflict(f"generation {newest} acts on this environment now; {mine} is over")
            if present is not None and (present.get("data") or {}).get(KEY) == text:
                return None
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {KEY: text}}

        self.cluster.change("ConfigMap", NAME, decide)

    def write_record(self, record: Record) -> None:
        """Journal ``record`` before its effect."""
        self.write(self.read().model_copy(update={"record": record}))

    def next_generation(self) -> int:
        """Take the next generation number, journal it, and stamp it on what releases write."""
        journal = self.read()
        self.generation = journal.generation + 1
        self.write(journal.model_copy(update={"generation": self.generation}))
        self.stamp(self.generation)
        return self.generation

    # --- the lock ----------------------------------------------------------------------------------------------

    def holder(self) -> Holder | None:
        """Who holds the Lease now, as far as its own times say; ``None`` where nobody does or it is overdue."""
        lease = self.cluster.get("Lease", LEASE)
        if lease is None or not lease["spec"].get("holderIdentity"):
            return None
        renewed = datetime.fromisoformat(lease["spec"]["renewTime"])
        if (datetime.now(UTC) - renewed).total_seconds() > lease["spec"]["leaseDurationSeconds"]:
            return None
        return _holder(lease)

    @contextmanager
    def lock(self, action: str) -> Iterator[None]:
        """Hold the environment for one action.

        Raises:
            Refused: where somebody else holds it and is alive; the message names the holder.
        """
        try:
            self._take(action)
        except PlatformError as error:
            raise Refused(f"{error}; nothing was touched") from None
        self._lost = ""
        stop = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(stop,), name="lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            stop.set()
            renewing.join(self.seconds)
            self._give_back()

    def beat(self) -> None:
        """The Lease is renewed beside the work, so it says nothing of it."""

    def trouble(self) -> str:
        """Nothing: whether the API server takes it is known when it does."""
        return ""

    def _take(self, action: str) -> None:
        """Take the Lease where it is free, or where its holder does not renew it for as long as it lasts."""
        first, since = "", time.monotonic()
        while True:
            lease = self.cluster.get("Lease", LEASE)
            held = bool(lease and lease["spec"].get("holderIdentity"))
            version = lease["metadata"]["resourceVersion"] if lease else ""
            if not held or _surely_dead(lease) or (first == version and time.monotonic() - since >= _duration(lease)):
                try:
                    self.cluster.change("Lease", LEASE, partial(self._taken, version, action))
                except Conflict:
                    raise Refused("the environment was taken by somebody else at the same moment") from None
                return
            if first and version != first:
                raise Refused(f"the environment is held: {_holder(lease)}; wait for it to end")
            first = version
            time.sleep(0.2)

    def _taken(self, version: str, action: str, present: Object | None) -> Object | None:
        """The Lease as this process takes it, or ``None`` where it has it already: an answer was lost."""
        if present is not None:
            if present["spec"].get("holderIdentity") == _me():
                return None
            if present["metadata"]["resourceVersion"] != version:
                raise Conflict("somebody else took the lease")
        transitions = present["spec"].get("leaseTransitions", 0) + 1 if present else 0
        time_ = _micros()
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "annotations": {ACTION: f"{action} by {actor()}", PLACE: _process()}},
            "spec": {
                "holderIdentity": _me(),
                "leaseDurationSeconds": self.seconds,
                "acquireTime": time_,
                "renewTime": time_,
                "leaseTransitions": transitions,
            },
        }

    def _renew(self, stop: threading.Event) -> None:
        """Renew the Lease until told to stop; where another has it, every later write is refused."""
        while not stop.wait(self.seconds / RENEWALS):
            # an error of any other type is no end of the run, so it is none of its lock: it is tried again
            with contextlib.suppress(BaseException):
                try:
                    self.cluster.change("Lease", LEASE, _renewed)
                except Conflict as error:
                    self._lost = str(error)
                    return

    def _give_back(self) -> None:
        def decide(present: Object | None) -> Object | None:
            mine = present is not None and present["spec"].get("holderIdentity") == _me()
            return {"spec": {"holderIdentity": None}} if mine else None

        try:
            self.cluster.change("Lease", LEASE, decide)
        except Exception as error:  # noqa: BLE001 - of whatever type: it runs out by itself
            self.cluster.told(f"the lock could not be given back and runs out in {self.seconds} s: {error}")

    def _require_held(self) -> None:
        if self._lost:
            raise Conflict(f"this run lost the environment: {self._lost}")


def _renewed(present: Object | None) -> Object:
    if present is None or present["spec"].get("holderIdentity") != _me():
        raise Conflict(f"it is held: {_holder(present)}" if present else "its lease was removed")
    return {"spec": {"renewTime": _micros()}}


def _journal(found: Object | None) -> Journal:
    text = (found.get("data") or {}).get(KEY) if found else None
    return parse(text, f"the ConfigMap {NAME}") if text is not None else Journal()


def _duration(lease: Object | None) -> float:
    return float(lease["spec"].get("leaseDurationSeconds") or 15) if lease else 0.0


def _holder(lease: Object | None) -> Holder:
    spec, notes = (lease["spec"], lease["metadata"].get("annotations") or {}) if lease else ({}, {})
    identity = str(spec.get("holderIdentity") or "nobody:0")
    host, _, pid = identity.rpartition(":")
    action, _, who = notes.get(ACTION, "something by somebody").rpartition(" by ")
    return Holder(
        pid=int(pid) if pid.isdigit() else 0,
        actor=f"{who} on {host}",
        action=action,
        since=spec.get("acquireTime", now()),
    )


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _process() -> str:
    """This process, so that another on the same machine can be sure of its end; ``""`` where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {os.getpid()} {_started(os.getpid())}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a running process started, in ticks since boot, or its state where it ended: proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return fields[0] if fields[0] in "ZX" else fields[19]


def _surely_dead(lease: Object | None) -> bool:
    """Whether the holder was a process of this very machine, boot and pid namespace, and is no more."""
    words = ((lease or {}).get("metadata", {}).get("annotations") or {}).get(PLACE, "").split()
    here = _process().split()
    if len(words) != 4 or words[:2] != here[:2]:
        return False
    try:
        return bool(_started(int(words[2])) != words[3])
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def _micros() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
