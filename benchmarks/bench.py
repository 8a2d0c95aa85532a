"""`make bench`: the service side by side with its peers on this machine, as one page of markdown.

Every round visits every server in turn, each pinned to one core with the load on another; ratios are taken inside a
round, so that what slows the machine down slows both down. Peers that cannot be had are left out, and it says why.

ROUNDS (5), BENCH_KIT (.cache/kit, where the peers come from; empty for none) and PERF_WORK (.cache/bench, where they
are installed) in the environment change it. What Observations cost is drawn too, into `.cache/bench/observations.svg`.
"""

from __future__ import annotations

import compileall
import itertools
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import cold, servers, table
from benchmarks.inside import Inside
from benchmarks.payloads import Payloads, written
from benchmarks.plot import draw
from benchmarks.servers import CORES, OURS, Server, Unusable
from tests.support.serving import ROOT, environment

PLOT = Path(".cache/bench/observations.svg")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS, WARM_UP = 2, 5
"""Of each measurement; and after which it is looked whether a server has become faster."""
STARTS = 6
"""Starts of our server: the first makes the database."""
STABLE = 1.05
"""A server is warm when another measurement is no better than this."""
ENOUGH, LONGEST = 5, 20
"""Answers for each connection that a measurement is to have, and the most seconds that it may take for that."""


@dataclass(frozen=True)
class Bench:
    """One run: what it has, and what is lacking."""

    folder: Path
    payloads: Payloads
    notes: list[str] = field(default_factory=list)
    """Which peers were left out, and why."""

    def report(self, peers: Sequence[str]) -> table.Report:
        """Measure everything."""
        about = self._about() | {name: servers.versions(name) for name in (OURS, *peers)}
        os.sched_setaffinity(0, CORES[-1:])
        compileall.compile_dir(ROOT / "cds_service", quiet=1)  # as every installation has it: starts compile nothing
        starts = [self._start() for _ in range(STARTS)]
        samples, uses = self._load(peers)
        return table.Report(about, samples, uses, starts, self._cold(), self._inside(), self.notes)

    def _about(self) -> dict[str, str]:
        git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
        sizes = ", ".join(f"{size} {file.stat().st_size:,} bytes" for size, file in self.payloads.files.items())
        return {
            "date and commit": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit}",
            "machine": f"{os.cpu_count()} cores, {platform.platform()}; load average {os.getloadavg()[0]:.1f} at first",
            "measured": f"rounds: {ROUNDS}, {SECONDS} s each (slow servers longer); {servers.CONNECTIONS} connections; "
            f"servers on core {CORES[0]}, load on core {CORES[-1]}; told is the median (least..most) over the rounds",
            "requests": f"{self.payloads.origin}, of 200 patients in turn: {sizes}",
            "service": "one worker, feedback on, SQLite",
        }

    def _running(self, name: str) -> AbstractContextManager[Server]:
        """A server; the settings are for ours."""
        database = f"sqlite:///{self.folder}/bench.sqlite3"
        settings = environment({"as_of": self.payloads.as_of, "workers": 1, "database_url": database})
        return servers.running(servers.SERVERS[name], self.folder, settings, self._body("typical"))

    def _body(self, size: str) -> bytes:
        return self.payloads.files[size].read_bytes()

    def _start(self) -> float:
        """CPU of our server from its start to its first answer."""
        with self._running(OURS) as server:
            return server.start_cpu

    def _cold(self) -> list[float]:
        """What calls with nothing prefetched take, in times of their slowest query."""
        with self._running(OURS) as server:
            return cold.ratios(server.url, self._body("typical"))

    def _load(self, peers: Sequence[str]) -> tuple[table.Samples, dict[str, table.Use]]:
        """Put load on all servers, round by round, and read their memory at the end."""
        seconds: dict[str, dict[str, int]] = {}
        warm: dict[str, Server] = {}
        samples: dict[str, dict[str, list[servers.Sample]]] = {size: defaultdict(list) for size in self.payloads.files}
        with ExitStack() as stack:
            for name in (OURS, *peers):
                _say(f"{name} gets warm")
                try:
                    server = stack.enter_context(self._running(name))
                    seconds[name], warm[name] = self._warm_up(server), server
                except Unusable as problem:
                    self.notes.append(f"{name} was left out: {problem}")
            for number, (size, file) in itertools.product(range(ROUNDS), self.payloads.files.items()):
                _say(f"round {number + 1}, {size}")
                for name in list(warm)[:: -1 if number % 2 else 1]:  # none is always first
                    samples[size][name].append(warm[name].measure(file, seconds[name][size]))
            uses = {name: table.Use(one.start_cpu, one.usual, one.mebibytes()) for name, one in warm.items()}
        return samples, uses

    def _warm_up(self, server: Server) -> dict[str, int]:
        """Put load on a server until it gets no faster; how long it is to be measured with each size of request."""
        seconds = {}
        for size, file in self.payloads.files.items():
            if not server.has_cards(self._body(size)):
                raise Unusable(f"does not answer the {size} request")
            rate, before = server.measure(file, WARM_UP).rate, 0.0
            while rate > STABLE * before:
                rate, before = server.measure(file, WARM_UP).rate, rate
            server.usual = server.mebibytes() if size == "typical" else server.usual
            seconds[size] = max(SECONDS, min(LONGEST, math.ceil(ENOUGH * servers.CONNECTIONS / rate)))
        return seconds

    def _inside(self) -> Inside:
        """Where the time goes, measured by a process of its own on the core of the servers."""
        _say("inside one process")
        command = ["taskset", "-c", str(CORES[0]), sys.executable, "-m", "benchmarks.inside"]
        command += [str(self.payloads.files["typical"]), str(self.payloads.as_of)]
        told = subprocess.check_output(command, cwd=ROOT, env=environment({}), stderr=subprocess.DEVNULL)
        return msgspec.json.decode(told, type=Inside)


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Run it."""
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is not there: apt install wrk")
    peers = servers.set_up()
    needed = f"it needs the comparison kit (BENCH_KIT), and HAPI Java and Maven; see {servers.WORK / 'set-up.log'}"
    notes = [f"{name} was left out: {needed}" for name in servers.SERVERS if name not in (OURS, *peers)]
    with tempfile.TemporaryDirectory(prefix="cds-bench-") as folder:
        report = Bench(Path(folder), written(servers.KIT, Path(folder)), notes).report(peers)
    cost = [(float(number), seconds * 1e3) for number, _, seconds in report.inside.line]
    draw(PLOT, {"CPU ms of a call": cost}, [(number, f"{number:,.0f}") for number, _ in cost[2:]])
    print(table.written(report))


if __name__ == "__main__":
    main()
