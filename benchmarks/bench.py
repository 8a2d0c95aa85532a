"""`make bench`: the service side by side with its peers on this machine, as one page of markdown.

Every round visits every server in turn, each pinned to one core with the load on another; ratios are taken inside a
round, so that what slows the machine down slows both down. Peers that cannot be had are left out, and it says why.

ROUNDS (5), BENCH_KIT (.cache/kit, where the peers come from; empty for none) and PERF_WORK (.cache/bench, where they
are installed) in the environment change it.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from pydantic import PositiveInt, ValidationError
from pydantic_settings import BaseSettings

from benchmarks import payloads, table
from benchmarks.inside import Inside
from benchmarks.servers import OURS, SERVERS, Sample, Server, Unusable, is_set_up, running, set_up, versions, written
from tests.support.serving import COMMAND, ROOT, environment

PAGE = ROOT / ".cache" / "bench" / "table.md"
SECONDS, CONNECTIONS = 2, 8
"""Of each measurement."""
WARM_UP = 5
"""Seconds after which it is looked whether a server has become faster."""
STARTS = 5
"""Starts of our server, with a new database and with the same once more."""
STABLE = 1.05
"""A server is warm when another measurement is no better than this."""
ENOUGH, LONGEST = 5, 10
"""Answers for each connection that a measurement is to have, and how many times longer it may last for that."""


class Options(BaseSettings):
    """What the environment says."""

    rounds: PositiveInt = 5
    bench_kit: Path = ROOT / ".cache" / "kit"
    perf_work: Path = PAGE.parent


class Bench:
    """One run: what it has, and what is lacking."""

    def __init__(self, options: Options, folder: Path) -> None:
        """The first core is for servers, the last for the load and everything else."""
        self.rounds, self.kit, self.work = options.rounds, options.bench_kit.absolute(), options.perf_work.absolute()
        self.work.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.load_core = cores[0], cores[-1]
        self.places = {"bin": COMMAND.parent, "work": self.work, "kit": self.kit, "core": self.core}
        self.payloads = payloads.written(self.kit, self.work)
        self.bodies = {size: file.read_bytes() for size, file in self.payloads.files.items()}
        self.notes: list[str] = []

    def report(self) -> table.Report:
        """Measure everything."""
        names = [OURS, *self._peers()]
        about = self._about() | {name: versions(name, self.places) for name in names}
        os.sched_setaffinity(0, {self.load_core})
        first, again = self._starts()
        samples, uses = self._load(names)
        return table.Report(about, samples, uses, again, first, self._inside(), self.notes)

    def _about(self) -> dict[str, str]:
        git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
        processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        sizes = ", ".join(f"{size} {len(body):,} bytes" for size, body in self.bodies.items())
        return {
            "date and commit": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit}",
            "machine": f"{os.cpu_count()} cores, {processor[1] if processor else 'of an unknown kind'}; "
            f"load average at the start {os.getloadavg()[0]:.1f}",
            "measured": f"rounds: {self.rounds}, {SECONDS} s each (slow servers longer); {CONNECTIONS} connections; "
            f"servers on core {self.core}, load on core {self.load_core}; "
            "told is the median (least..most) over the rounds",
            "requests": f"{self.payloads.origin}: {sizes}",
            "service": "one worker, feedback on, SQLite",
        }

    def _peers(self) -> list[str]:
        """The peers that may be had, which are set up."""
        names, kit = [name for name in SERVERS if name != OURS], (self.kit / "run.sh").is_file()
        if kit and not all(is_set_up(name, self.work) for name in names):
            _say("setting up the peers takes some minutes")
            set_up(self.kit, self.work)
        there = [name for name in names if kit and is_set_up(name, self.work)]
        needed = f"the comparison kit (BENCH_KIT), and HAPI Java and Maven; see {self.work / 'set-up.log'}"
        self.notes += [f"{name} was left out: it needs {needed}" for name in names if name not in there]
        return there

    def _running(self, name: str, folder: Path) -> AbstractContextManager[Server]:
        """A server whose files are in *folder*; the settings are for ours."""
        folder.mkdir(exist_ok=True)
        database = f"sqlite:///{folder}/bench.sqlite3"
        settings = environment({"as_of": self.payloads.as_of, "workers": 1, "database_url": database})
        return running(SERVERS[name], self.places, folder, settings, self.bodies["typical"])

    def _starts(self) -> tuple[list[float], list[float]]:
        """CPU of our server from its start to its first answer: with a new database, and with one that is there."""
        _say("starts")
        found: tuple[list[float], list[float]] = ([], [])
        for number in range(STARTS):
            for kept in found:
                with self._running(OURS, self.folder / f"start-{number}") as server:
                    kept.append(server.started_for)
        return found

    def _load(self, names: list[str]) -> tuple[table.Samples, dict[str, table.Use]]:
        """Put load on all servers, round by round, and read their memory at the end."""
        servers: dict[str, Server] = {}
        samples: dict[str, dict[str, list[Sample]]] = {size: defaultdict(list) for size in self.bodies}
        with ExitStack() as stack:
            for name in names:
                _say(f"{name} gets warm")
                with self._or_left_out(name, servers):
                    servers[name] = stack.enter_context(self._running(name, self.folder / name))
                    self._warm_up(servers[name])
            for number, (size, file) in itertools.product(range(self.rounds), self.payloads.files.items()):
                _say(f"round {number + 1}, {size}")
                for name in list(servers)[:: -1 if number % 2 else 1]:  # none is always first
                    with self._or_left_out(name, servers):
                        sample = servers[name].measure(file, CONNECTIONS, servers[name].seconds[size])
                        samples[size][name].append(sample)
            uses = {name: table.Use(one.started_in, one.started_for, *one.peak_mib()) for name, one in servers.items()}
        return {size: {name: found[name] for name in servers} for size, found in samples.items()}, uses

    @contextmanager
    def _or_left_out(self, name: str, servers: dict[str, Server]) -> Iterator[None]:
        """A peer that fails is left out from there on; ours must not."""
        try:
            yield
        except Unusable as problem:
            if name == OURS:
                raise
            servers.pop(name, None)
            self.notes.append(f"{name} was left out: {problem}")

    def _warm_up(self, server: Server) -> None:
        """Put load on a server until it gets no faster, and note how long it is to be measured."""
        for size, file in self.payloads.files.items():
            if not server.has_cards(self.bodies[size]):
                raise Unusable(f"does not answer the {size} request")
            rate, before = server.measure(file, CONNECTIONS, WARM_UP).rate, 0.0
            while rate > STABLE * before:
                rate, before = server.measure(file, CONNECTIONS, WARM_UP).rate, rate
            enough = math.ceil(ENOUGH * CONNECTIONS / rate)
            server.seconds[size] = max(SECONDS, min(LONGEST * SECONDS, enough))

    def _inside(self) -> Inside:
        """Where the time goes, measured by a process of its own on the core of the servers."""
        _say("inside one process")
        command = written("taskset -c {core} {bin}/python -m benchmarks.inside", self.places)
        command += [str(self.payloads.files["typical"]), str(self.payloads.as_of)]
        with (self.folder / "inside.log").open("wb") as log:
            told = subprocess.check_output(command, cwd=ROOT, env=environment({}), stderr=log)
        return msgspec.json.decode(told, type=Inside)


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Run it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # whatever was started is ended too
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is not there: apt install wrk")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="cds-bench-") as folder:
            report = Bench(Options(), Path(folder)).report()
    except (ValidationError, Unusable) as problem:
        sys.exit(f"bench: {problem}")
    PAGE.write_text(table.written(report), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
