"""Users switched, released to and recovered on a real cluster: what they lose, how late they move.

Five parts, each in namespaces of its own on the cluster that KUBECONFIG names. Users never retry; they come over kept
and new connections, with streams in flight.

- Switches and rollbacks between two standing colors, through the ingress.
- Whole releases through the ingress; each retires the color before.
- The same through a NodePort, past the ingress. There an established connection never moves: it stays on its pod until
  that drains, and the pod closes it after an answer.
- Back and forth through the ingress beside Argo Rollouts, which moves the same users of the same application; see
  :mod:`bench.argo`.
- Deployers killed at every so many effects and recovered on another machine; see ``tests/crash/cluster.py``.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench.argo import VERSION, argo
from bench.cluster_world import Stand, Tools, tools
from bench.figure import Figure, percentile
from bench.switch import Move, lateness, stale_ms, stand_both_up, switch_once
from bench.traffic import Plan, Sample, Summary, Traffic
from tests.crash import cluster as crash
from tests.crash.outcome import Kill
from verdigris.model import Outcome

RATE = 200.0
SWITCHES, SWITCHES_QUICK = 52, 6
PAUSE = 1.05
"""Seconds from one decision to the next, at least."""
RELEASES, RELEASES_QUICK = 10, 2
OBSERVED_MS, RECOVER_SECONDS, LEASE_SECONDS = 100.0, 10.0, 15
STRIDE, STRIDE_QUICK = 5, 29
"""Odd, so that points before and points after an effect are both met; BENCH_CLUSTER_STRIDE has another."""
PEER_MOVES, PEER_MOVES_QUICK = 20, 4
PARTS = ("switches", "releases", "nodeport", "peer", "kills")
"""BENCH_CLUSTER_PARTS names some of them."""
ELSEWHERE = "127.0.0.2"
"""Users of a NodePort have an address of their own. A connection that a Service without endpoints refused is remembered
for two minutes, and who takes its address and port again is refused too; the platform's observer, which asks until the
first color answers, leaves some."""


def run(*, quick: bool = False, report: Path | None = None) -> list[Figure]:
    """Measure it; with ``report`` the samples, the moves and the kills are kept in that folder."""
    chosen = os.environ.get("BENCH_CLUSTER_PARTS", ",".join(PARTS)).split(",")
    parts = {"switches": _switches, "releases": _releases, "nodeport": _node_port, "peer": _peer, "kills": _kills}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        made = tools(Path(name), report)
        for part in chosen:
            figures += parts[part](made, quick=quick)
    return figures


# --- through the ingress -----------------------------------------------------------------------------------------


def _switches(made: Tools, *, quick: bool) -> list[Figure]:
    count = SWITCHES_QUICK if quick else SWITCHES
    with _stand(made, "switches") as stand:
        moves, summary, samples = _moved(stand, _users(stand), made.folder / "switches.jsonl", count)
    late = stale_ms(moves, samples)
    figures = [
        Figure("ingress: switches and rollbacks", len(moves), "moves", min(count, 50), ">="),
        *_lost("ingress, switched", summary, requests=1_000 if quick else 10_000),
        Figure("ingress: requests over kept connections", summary.kept, "requests", summary.requests / 4, ">="),
    ]
    print(f"stale {_spread(late)}; observed {_spread(_observed(moves))}", file=sys.stderr)
    return [*figures, *lateness(moves, late, OBSERVED_MS, "ingress, ")]


def _releases(made: Tools, *, quick: bool) -> list[Figure]:
    count = RELEASES_QUICK if quick else RELEASES
    with _stand(made, "releases", window=0) as stand:
        _confirmed(stand, "1")
        with Traffic(_users(stand), made.folder / "releases.jsonl") as traffic:
            good = sum(_confirmed(stand, "2" if number % 2 == 0 else "1") for number in range(count))
            left = len(stand.kubectl.get("deployments")["items"])
            summary = _told(traffic)
    return [
        Figure("ingress: releases confirmed, the color before retired", good, "releases", count, "=="),
        Figure("ingress: colors that stand after them", left, "colors", 1, "=="),
        *_lost("ingress, released", summary, requests=RATE * 3 * count),
    ]


# --- past the ingress --------------------------------------------------------------------------------------------


def _node_port(made: Tools, *, quick: bool) -> list[Figure]:
    count, releases = (4, 1) if quick else (20, 3)
    with _stand(made, "nodeport", node_port=True) as stand:
        plan = _direct(stand, new_share=1.0)
        moves, fresh, _ = _moved(stand, plan, made.folder / "nodeport-new.jsonl", count)
    print(f"NodePort: observed {_spread(_observed(moves))}", file=sys.stderr)
    with _stand(made, "nodeport-kept", node_port=True, window=0) as stand:
        _confirmed(stand, "1")
        plan = _direct(stand, new_share=0.1)
        with Traffic(plan, made.folder / "nodeport-kept.jsonl") as traffic:
            good = sum(_confirmed(stand, "2" if number % 2 == 0 else "1") for number in range(releases))
            kept = _told(traffic)
    return [
        Figure("NodePort: switches and rollbacks", len(moves), "moves", count, ">="),
        *_lost("NodePort, new connections, switched", fresh, requests=RATE * count / 2),
        Figure("NodePort: switches that were never observed complete", _never(moves), "moves", 0, "=="),
        Figure("NodePort: releases confirmed, the color before retired", good, "releases", releases, "=="),
        *_lost("NodePort, kept connections, released", kept, requests=RATE * 3 * releases),
        Figure("NodePort: requests over kept connections", kept.kept, "requests", kept.requests / 2, ">="),
        Figure("NodePort: kept connections cut before the drain deadline", kept.closed_idle, "connections", 0, "=="),
    ]


# --- beside a peer -----------------------------------------------------------------------------------------------


def _peer(made: Tools, *, quick: bool) -> list[Figure]:
    """The same moves by Argo Rollouts and by us, one after the other."""
    count = PEER_MOVES_QUICK if quick else PEER_MOVES
    with _stand(made, "argo") as stand, argo(stand, made.admin, made.folder) as peer:
        peer.stand_both_up()
        theirs, summary, samples = _paced(peer.switch_once, _users(stand), made.folder / "argo.jsonl", count)
    late = stale_ms(theirs, samples)
    print(f"Argo Rollouts: stale {_spread(late)}; observed {_spread(_observed(theirs))}", file=sys.stderr)
    with _stand(made, "beside") as stand:
        ours, mine, samples = _moved(stand, _users(stand), made.folder / "beside.jsonl", count)
    own = stale_ms(ours, samples)
    print(f"beside it: stale {_spread(own)}; observed {_spread(_observed(ours))}", file=sys.stderr)
    last = "last request that the color being left answered, after the decision"
    pairs = ((last, own, late), ("observed complete", _observed(ours), _observed(theirs)))
    return [
        Figure(f"Argo Rollouts {VERSION}: moves that were observed", count - _never(theirs), "moves", count, "=="),
        Figure(f"Argo Rollouts {VERSION}: requests", summary.requests, "requests", RATE * count / 2, ">="),
        *_lost("beside Argo Rollouts", mine, requests=RATE * count / 2),
        *(
            Figure(f"beside Argo Rollouts: {what}, {word}", _ms(us, share), "ms", _ms(them, share), "<=")
            for what, us, them in pairs
            for word, share in (("p50", 0.5), ("the longest", 1.0))
        ),
    ]


# --- a deployer dies ---------------------------------------------------------------------------------------------


def _kills(made: Tools, *, quick: bool) -> list[Figure]:
    stride = int(os.environ.get("BENCH_CLUSTER_STRIDE", STRIDE_QUICK if quick else STRIDE))
    kills: list[Kill] = []
    for number, name in enumerate(crash.FLOWS):
        choose = partial(_chosen, 1 + number * stride // len(crash.FLOWS), stride)
        found = crash.run(made.folder_of(name), name, made.admin, made.tiny, choose)
        for one in found:
            print(one, file=sys.stderr, flush=True)
        kills += found
    lines = [json.dumps(asdict(kill)) for kill in kills]
    (made.folder / "kills.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return figures_of_kills(kills, stride)


def _chosen(first: int, stride: int, points: Sequence[str]) -> list[int]:
    return list(range(first, len(points) + 1, stride))


def figures_of_kills(kills: Sequence[Kill], stride: int) -> list[Figure]:
    """The figures of the kills."""
    seconds = [kill.seconds for kill in kills if kill.reached]
    good = sum(not kill.wrong and not kill.manual for kill in kills)
    slowest, after = max(seconds, default=float("nan")), "recovered, after the Lease's expiry"
    return [
        Figure(f"kill points, one in {stride}", len(kills), "kills", len(crash.FLOWS), ">="),
        Figure("recovered: one verified color live, nothing left over, the journal finished", good, "kills",
               len(kills), "=="),
        Figure("the Lease lasts", crash.LEASE_SECONDS, "s", LEASE_SECONDS, "<="),
        Figure(f"{after}, the longest", round(slowest, 2), "s", RECOVER_SECONDS, "<="),
        Figure(f"{after}, p50", round(percentile(seconds, 0.5), 2), "s", RECOVER_SECONDS, "<="),
        Figure("killed: requests lost", sum(kill.lost for kill in kills), "requests", 0, "=="),
        Figure("killed: wrong states", sum(bool(kill.wrong) for kill in kills), "kills", 0, "=="),
        Figure("killed: manual steps", sum(bool(kill.manual) for kill in kills), "kills", 0, "=="),
    ]  # fmt: skip


# --- helpers -----------------------------------------------------------------------------------------------------


@contextmanager
def _stand(made: Tools, name: str, *, node_port: bool = False, window: float = 600) -> Iterator[Stand]:
    stand = made.stand(name, node_port=node_port, window=window)
    try:
        yield stand
    finally:
        stand.close()


def _users(stand: Stand) -> Plan:
    users = stand.platform().users()
    return Plan(
        url=users.url,
        ca=users.ca,
        connect=users.connect,
        rate=RATE,
        stream_path="/stream",
        stream_end="event: done",
    )


def _direct(stand: Stand, new_share: float) -> Plan:
    return Plan(
        url=stand.direct,
        source=ELSEWHERE,
        rate=RATE,
        new_share=new_share,
        stream_path="/stream",
        stream_end="event: done",
    )


def _moved(stand: Stand, plan: Plan, out: Path, count: int) -> tuple[list[Move], Summary, list[Sample]]:
    """Move the users between two standing colors, at a steady pace."""
    platform = stand.platform()
    identities = stand_both_up(platform)
    return _paced(lambda number: switch_once(platform, identities, number), plan, out, count)


def _paced(move: Callable[[int], Move], plan: Plan, out: Path, count: int) -> tuple[list[Move], Summary, list[Sample]]:
    moves = []
    with Traffic(plan, out) as traffic:
        for number in range(count):
            began = time.monotonic()
            moves.append(move(number))
            time.sleep(max(0.0, began + PAUSE - time.monotonic()))
        summary = _told(traffic)
        samples = list(traffic.samples())
    return moves, summary, samples


def _confirmed(stand: Stand, version: str) -> bool:
    record = stand.release(version)
    if record.outcome is not Outcome.CONFIRMED:
        print(f"the release of {version} came to {record.outcome}: {record.objections}", file=sys.stderr)
    return record.outcome is Outcome.CONFIRMED


def _told(traffic: Traffic) -> Summary:
    summary = traffic.stop()
    print(summary, file=sys.stderr, flush=True)
    lost = [sample for sample in traffic.samples() if sample.lost]
    for sample in lost[:20]:
        print(f"  lost {sample.at - (summary.first_at or 0):.2f} s after the start: {sample.error}", file=sys.stderr)
    return summary


def _lost(what: str, summary: Summary, requests: float) -> list[Figure]:
    rate = summary.achieved_rate / summary.planned_rate
    return [
        Figure(f"{what}: requests", summary.requests, "requests", requests, ">="),
        Figure(f"{what}: requests lost", summary.lost, "requests", 0, "=="),
        Figure(f"{what}: streams", summary.streams, "streams", 10, ">="),
        Figure(f"{what}: streams lost", summary.streams_lost, "streams", 0, "=="),
        Figure(f"{what}: requests over new connections", summary.new, "requests", summary.requests / 20, ">="),
        Figure(f"{what}: answers without an identity", summary.identities.get("none", 0), "requests", 0, "=="),
        Figure(f"{what}: share of the planned rate", round(rate, 3), "", 0.95, ">="),
    ]


def _ms(milliseconds: Sequence[float], share: float) -> float:
    return round(percentile(milliseconds, share), 1)


def _observed(moves: Sequence[Move]) -> list[float]:
    return [move.observed_ms for move in moves]


def _never(moves: Sequence[Move]) -> int:
    return sum(move.observed_ms != move.observed_ms for move in moves)


def _spread(milliseconds: Sequence[float]) -> str:
    shares = (("p50", 0.5), ("p90", 0.9), ("max", 1.0))
    return ", ".join(f"{name} {percentile(milliseconds, share):.0f} ms" for name, share in shares)
