"""Users who never retry: ``python -m bench.traffic --url http://127.0.0.1:PORT``, or :class:`Traffic` from a program.

It ends after ``--seconds``, or on SIGTERM or SIGINT: nothing more is sent, what is in flight is waited for, and the
summary is printed. Exit status 0 where there were requests and none was lost, else 1.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from bench.generator import Generator, Plan, as_arguments
from bench.summary import Summary
from verdigris.watch import samples
from verdigris.watch.samples import Sample

__all__ = ["Plan", "Sample", "Summary", "Traffic", "TrafficError", "main"]

_ROOT = Path(__file__).resolve().parent.parent


class TrafficError(Exception):
    """The traffic could not be made; nothing is known of the users."""


class Traffic:
    """The users in a process of their own, so that the caller's interpreter does not hold them up.

    ``with Traffic(Plan(url=...)) as traffic:`` returns when the first request came to its end, unless the plan waits
    for a first release; then :meth:`wait_ready` does. The process ends with the caller's, whatever becomes of that.
    """

    def __init__(self, plan: Plan, out: Path | None = None, *, timeout: float = 30.0) -> None:
        self.plan = plan
        self.timeout = timeout
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if out is None:
            self._folder = tempfile.TemporaryDirectory(prefix="users-")
            out = Path(self._folder.name) / "samples.jsonl"
        self.out = out.resolve()
        self._process: subprocess.Popen[str] | None = None
        self._ready = -1
        self._summary: Summary | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process is not None and self._summary is None:
                with contextlib.suppress(TrafficError):
                    self.stop()
        finally:
            if self._folder is not None:
                self._folder.cleanup()

    def start(self) -> None:
        """Start the users; wait for the first of them, unless the plan waits for a first release."""
        self._ready, theirs = os.pipe()
        command = [sys.executable, "-m", "bench.traffic", *as_arguments(self.plan)]
        command += ["--out", str(self.out), "--json", "--ready-fd", str(theirs), "--until-eof"]
        try:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)
        if not self.plan.wait:
            self.wait_ready()

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the first request came to its end.

        Raises:
            TrafficError: where none did within ``timeout`` seconds, or the process ended before.
        """
        if self._ready < 0:
            return
        seconds = self.timeout if timeout is None else timeout
        readable, _, _ = select.select([self._ready], [], [], seconds)
        if not readable:
            raise TrafficError(f"no request came to its end within {seconds:g} s")
        said = os.read(self._ready, 16)
        self._close_ready()
        if not said:
            self.stop()

    def stop(self) -> Summary:
        """Send nothing more, wait for what is in flight, and say what was seen; again and again the same.

        Raises:
            TrafficError: where the process has nothing to say.
        """
        if self._summary is not None:
            return self._summary
        if self._process is None:
            raise TrafficError("the traffic was not started")
        return self._collect(self._process)

    def wait(self) -> Summary:
        """Wait for the end of a plan with ``seconds``."""
        if self._summary is not None or self._process is None or self.plan.seconds is None:
            return self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.plan.seconds + self.plan.timeout + self.timeout)
        return self._collect(self._process)

    def samples(self) -> Iterator[Sample]:
        """One sample a request, in the order of their ends; while it runs, those so far."""
        return samples.read(self.out)

    def seen(self) -> int:
        """How many requests came to their end so far."""
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0

    def _collect(self, process: "subprocess.Popen[str]") -> Summary:
        try:  # this ends its standard input first, which it cannot miss, however early it comes
            said, complaint = process.communicate(timeout=self.plan.timeout + self.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = process.communicate()
        finally:
            self._close_ready()
        try:
            self._summary = Summary(**json.loads(said))
        except (ValueError, TypeError):
            raise TrafficError(f"the traffic ended with {process.returncode}:\n{complaint.strip()[-2000:]}") from None
        return self._summary

    def _close_ready(self) -> None:
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.traffic", description="Users who never retry.")
    parser.add_argument("--url", required=True, help="where users come in by HTTP")
    parser.add_argument("--secure-url", help="where users come in by HTTPS")
    parser.add_argument("--ca", help="a file with the certificates to trust")
    parser.add_argument("--connect", metavar="HOST", help="connect there, whatever DNS says of the names")
    parser.add_argument("--source", metavar="IP", help="the address that users come from")
    parser.add_argument("--rate", type=float, default=Plan.rate, help="requests a second (%(default)s)")
    parser.add_argument("--seconds", type=float, help="how long; without it until SIGTERM or SIGINT")
    parser.add_argument("--paths", default="/", help="paths, separated by commas (%(default)s)")
    parser.add_argument("--stream-path", help="path of a stream; without it there are none")
    parser.add_argument("--stream-body", help="JSON that the stream is asked for with, by POST")
    parser.add_argument("--stream-end", help="what a whole stream has in it, such as 'data: [DONE]'")
    parser.add_argument("--streams", type=int, default=Plan.streams, help="streams in flight (%(default)s)")
    parser.add_argument("--header", default=Plan.header, help="the identity header (%(default)s)")
    parser.add_argument(
        "--new-share", type=float, default=Plan.new_share, help="share of new connections (%(default)s)"
    )
    parser.add_argument("--secure-share", type=float, default=Plan.secure_share, help="share of HTTPS (%(default)s)")
    parser.add_argument("--pool", type=int, default=Plan.pool, help="connections kept alive a scheme (%(default)s)")
    parser.add_argument("--timeout", type=float, default=Plan.timeout, help="seconds, then it is lost (%(default)s)")
    parser.add_argument("--arrivals", choices=("poisson", "even"), default=Plan.arrivals, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=Plan.seed, help="of the plan's random numbers (%(default)s)")
    parser.add_argument("--wait", action="store_true", help="count from the first answer below 500 on")
    parser.add_argument("--out", type=Path, help="a file for the samples, as JSON lines")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--ready-fd", type=int, help="where a byte is written at the first request's end")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends, too")
    chosen = parser.parse_args(words)
    if chosen.rate <= 0 or chosen.streams < 0 or chosen.pool < 0 or chosen.timeout <= 0:
        parser.error("--rate and --timeout are above 0; --streams and --pool are not below it")
    return chosen


async def _run(chosen: argparse.Namespace) -> Summary:
    fields = {name: getattr(chosen, name) for name in Plan.__dataclass_fields__ if name != "paths"}
    plan = Plan(**fields, paths=tuple(chosen.paths.split(",")))

    def ready() -> None:
        with contextlib.suppress(OSError):
            os.write(chosen.ready_fd, b"r")

    generator = Generator(plan, chosen.out, ready if chosen.ready_fd is not None else None)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, generator.stop)
    if chosen.until_eof:

        def stop_at_the_end() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                generator.stop()

        loop.add_reader(0, stop_at_the_end)
    return await generator.run()


def main(words: Sequence[str] | None = None) -> int:
    """Make the traffic; the exit status."""
    import uvloop

    chosen = _arguments(words)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    summary = uvloop.run(_run(chosen))
    print(json.dumps(summary.as_json()) if chosen.json else summary)
    return 0 if summary.passed else 1


if __name__ == "__main__":
    sys.exit(main())
