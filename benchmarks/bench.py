"""`make bench`: the service side by side with its peers on this machine, as one page of markdown.

Every round visits every server in turn, each pinned to one core with the load on another; ratios are taken inside a
round, so that what slows the machine down slows both down. Peers that cannot be had are left out, and it says why.

ROUNDS (5), SECS (2, of each measurement), CONC (8 connections), SIZES (small,typical,large), PEERS
(bare,duties,healthchain,hapi), BENCH_KIT (.cache/kit, where the peers come from) and PERF_WORK (.cache/bench, where
they are installed) in the environment change it.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks import load, payloads, peers, table
from benchmarks.inside import Inside
from benchmarks.load import LoadFailed, Sample, interleaved
from benchmarks.payloads import SIZES, Payloads
from benchmarks.servers import OURS, Server, Spec, Unusable, last_line, ours, pinned, running
from tests.support.serving import environment

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / ".cache" / "bench" / "table.md"
STARTS = 5
"""Starts of our server, with a new database and with the same once more."""


class Wrong(Exception):
    """Something that its user must mend."""


@dataclass(frozen=True)
class Options:
    """What the environment says."""

    rounds: int
    seconds: int
    connections: int
    sizes: tuple[str, ...]
    peers: tuple[str, ...]
    kit: Path
    work: Path


def options(variables: Mapping[str, str]) -> Options:
    """Read them.

    Raises:
        Wrong: one of them is.
    """
    return Options(
        rounds=_number(variables, "ROUNDS", 5),
        seconds=_number(variables, "SECS", 2),
        connections=_number(variables, "CONC", 8),
        sizes=_some_of(variables, "SIZES", SIZES),
        peers=() if variables.get("PEERS") == "none" else _some_of(variables, "PEERS", tuple(peers.NAMES)),
        kit=(ROOT / variables.get("BENCH_KIT", ".cache/kit")).resolve(),
        work=(ROOT / variables.get("PERF_WORK", ".cache/bench")).resolve(),
    )


def _number(variables: Mapping[str, str], name: str, usual: int) -> int:
    given = variables.get(name, str(usual))
    if not given.isdecimal() or int(given) < 1:
        raise Wrong(f"{name}={given}: a whole number from 1 on is needed")
    return int(given)


def _some_of(variables: Mapping[str, str], name: str, known: Sequence[str]) -> tuple[str, ...]:
    given = variables.get(name, ",".join(known))
    chosen = tuple(given.split(","))
    if not set(chosen) <= set(known):
        raise Wrong(f"{name}={given}: choose from {', '.join(known)}")
    return chosen


class Bench:
    """One run: what it has, and what is lacking."""

    def __init__(self, chosen: Options, cores: Sequence[int], folder: Path) -> None:
        """The first of *cores* is for servers, the last for the load and everything else."""
        self.options, self.folder = chosen, folder
        self.core, self.load_core = cores[0], cores[-1]
        self.notes: list[str] = []
        self.rates: dict[tuple[str, str], float] = {}
        self.payloads: Payloads = payloads.written(chosen.kit, chosen.work, chosen.sizes)
        self.bodies = {size: file.read_bytes() for size, file in self.payloads.files.items()}
        self.first_body = self.bodies.get("typical", next(iter(self.bodies.values())))
        if self.core == self.load_core:
            self.notes.append("one core only: servers and load share it, so throughput and waiting mean little")

    def report(self) -> table.Report:
        """Measure everything."""
        about = self._about()
        specs = self._peers()
        about |= peers.versions(self.options.work) if specs else {}
        os.sched_setaffinity(0, {self.load_core})
        first, again = self._starts()
        samples, uses = self._load(specs)
        self.notes.append(f"load average at the end {os.getloadavg()[0]:.1f}")
        return table.Report(about, samples, uses, again, first, self._inside(), self.notes)

    def _about(self) -> dict[str, str]:
        chosen = self.options
        packages = ("granian", "flask", "msgspec", "sqlalchemy")
        return {
            "date and commit": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_commit()}",
            "machine": f"{os.cpu_count()} cores, {_processor()}; load average at the start {os.getloadavg()[0]:.1f}",
            "measured": f"rounds: {chosen.rounds}, {chosen.seconds} s each (slow servers longer); "
            f"{chosen.connections} connections; server on core {self.core}, load on core {self.load_core}; "
            "told is the median (least..most) over the rounds",
            "requests": f"{self.payloads.origin}: "
            + ", ".join(f"{size} {len(body):,} bytes" for size, body in self.bodies.items()),
            OURS: f"Python {sys.version.split()[0]}, "
            + ", ".join(f"{name} {version(name)}" for name in packages)
            + "; one worker, feedback on, SQLite",
        }

    def _peers(self) -> list[Spec]:
        """The peers that may be had."""
        chosen = self.options
        lacking = {peer: peers.why_not(peer, chosen.kit) for peer in chosen.peers}
        wanted = [peer for peer, why in lacking.items() if why is None]
        self.notes += [f"{peers.NAMES[peer]} was left out: {why}" for peer, why in lacking.items() if why is not None]
        if wanted:
            _say("peers (setting them up takes some minutes the first time)")
        try:
            peers.set_up(chosen.kit, chosen.work, wanted)
        except Unusable as problem:
            self.notes.append(str(problem))
        return [peers.spec(peer, chosen.kit, chosen.work) for peer in wanted]

    def _starts(self) -> tuple[list[float], list[float]]:
        """Seconds from the start of our server to its first answer: with a new database, and with one that is there."""
        _say("starts")
        first: list[float] = []
        again: list[float] = []
        for number in range(STARTS):
            folder = self.folder / f"start-{number}"
            folder.mkdir()
            for kept in (first, again):
                with self._ours(folder) as server:
                    kept.append(server.started_in)
        return first, again

    def _ours(self, folder: Path) -> AbstractContextManager[Server]:
        return running(ours(self.payloads.as_of, folder), self.first_body, self.core, self.folder / "cds-service.log")

    def _load(self, specs: Sequence[Spec]) -> tuple[dict[str, dict[str, list[Sample]]], dict[str, table.Use]]:
        """Put load on all servers, round by round, and read their memory at the end."""
        chosen = self.options
        with ExitStack() as stack:
            own = stack.enter_context(self._ours(self.folder))
            self._check(own)
            servers = {OURS: own}
            for spec in specs:
                log = self.folder / f"{spec.name.replace(' ', '-')}.log"
                try:
                    servers[spec.name] = stack.enter_context(running(spec, self.first_body, self.core, log))
                    self._check(servers[spec.name])
                except (Unusable, OSError, ValueError) as problem:
                    servers.pop(spec.name, None)
                    self._leave_out(spec.name, str(problem))
            samples = interleaved(list(servers), chosen.sizes, 1, partial(self._warm_up, servers), self._leave_out)
            warm = list(samples[chosen.sizes[0]])
            _say(f"{chosen.rounds} rounds of {', '.join(warm)}")
            samples = interleaved(warm, chosen.sizes, chosen.rounds, partial(self._measure, servers), self._leave_out)
            return samples, {name: _memory(servers[name]) for name in samples[chosen.sizes[0]]}

    def _check(self, server: Server) -> None:
        for body in self.bodies.values():
            server.check(body)

    def _leave_out(self, name: str, why: str) -> None:
        self.notes.append(f"{name} was left out: {why}")

    def _warm_up(self, servers: Mapping[str, Server], name: str, size: str) -> Sample:
        server = servers[name]
        sample = load.measure(server, self.payloads.files[size], self.options.connections, server.spec.warm_up)
        self.rates[name, size] = sample.rate
        return sample

    def _measure(self, servers: Mapping[str, Server], name: str, size: str) -> Sample:
        chosen = self.options
        seconds = load.long_enough(chosen.seconds, chosen.connections, self.rates[name, size])
        return load.measure(servers[name], self.payloads.files[size], chosen.connections, seconds)

    def _inside(self) -> Inside | None:
        """Where the time goes, measured by a process of its own on the core of the servers."""
        if "typical" not in self.payloads.files:
            self.notes.append("where the time goes was not measured: SIZES leaves out the typical request")
            return None
        _say("inside one process")
        log = self.folder / "inside.log"
        arguments = (str(self.payloads.files["typical"]), str(self.payloads.as_of))
        with log.open("wb") as printed:
            done = subprocess.run(
                [*pinned(self.core), sys.executable, "-m", "benchmarks.inside", *arguments],
                cwd=ROOT,
                env=environment({}),
                stdout=subprocess.PIPE,
                stderr=printed,
                check=False,
            )
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=Inside)
        self.notes.append(f"where the time goes could not be measured: {last_line(log)}")
        return None


def _memory(server: Server) -> table.Use:
    return table.Use(*server.peak_mib(), server.started_in, server.started_for)


def _commit() -> str:
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return (commit.stdout.strip() or "no commit") + (" with changes" if changed.stdout else "")


def _processor() -> str:
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1] if found else platform.machine()


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _ended(signal_number: int, _: object) -> None:
    """End as after Ctrl-C: whatever was started is ended too."""
    sys.exit(128 + signal_number)


def main() -> int:
    """Run it; the exit status."""
    signal.signal(signal.SIGTERM, _ended)
    if not Path("/proc/self/stat").is_file():
        _say("it reads what servers use from /proc: run it on Linux")
        return 1
    if not shutil.which("wrk"):
        _say("wrk is not there: apt install wrk")
        return 1
    try:
        chosen = options(os.environ)
        chosen.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="cds-bench-") as folder:
            report = Bench(chosen, sorted(os.sched_getaffinity(0)), Path(folder)).report()
    except Wrong as problem:
        _say(str(problem))
        return 1
    except (Unusable, LoadFailed) as problem:
        _say(f"{OURS} {problem}")
        return 1
    except KeyboardInterrupt:
        _say("stopped")
        return 130
    page = table.written(report)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
