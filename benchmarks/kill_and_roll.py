"""Kill, stop, roll and reload copies of the service under load: which requests fail?

    make roll                      # about four minutes; RATE=60 make roll: requests a second, 30 otherwise

Behind nginx, with `deploy/nginx/cds-service.conf`, two copies of `cds-service serve` share a PostgreSQL. While charts
are opened and cards are answered at a steady rate, each copy is killed, one is stopped, both are rolled to a new
version (a wheel of this tree with another number), and both are reloaded. Then one copy alone, without nginx, is
reloaded and stopped. What happened is printed and written into a log. The status is 0 if no request failed beyond those
under way when a copy was killed, if all feedback that was acknowledged is kept once, and if the new version answers at
the end.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from pydantic_settings import BaseSettings

from benchmarks.traffic import CHART, FEEDBACK, LARGE, Load, Outcome
from tests.feedback.posting import kept
from tests.support import postgres
from tests.support.nginx import configured
from tests.support.postgres import free_port
from tests.support.serving import COMMAND, ROOT, Served, environment, start, until
from tests.web.calls import TODAY

KINDS = {CHART: 80, LARGE: 2, FEEDBACK: 18}
QUIET = 5.0
"""Seconds of load before and after something is done."""
RUSH = 8
"""Large charts that are opened just before something is done, so that there is something to lose."""
NEW_VERSION = "0.1.0.post1"
LOG, LOGS = logging.getLogger("roll"), Path(".cache/roll")


class Options(BaseSettings):
    """What the environment says: requests a second."""

    rate: float = 30


@dataclass
class Copy:
    """One copy of the service on a port of its own, stopped and started again."""

    name: str
    folder: Path
    settings: dict[str, Any]
    new_code: Path
    """Where the new version is installed."""
    port: int = field(default_factory=free_port)
    served: Served = field(init=False)

    def start(self, **variables: str) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        log = self.folder / "log"
        variables = environment(self.settings) | variables
        process = start([COMMAND, "serve", "--port", str(self.port)], self.folder, log, variables)
        self.served = Served(process, self.folder, log, port=self.port)
        self.served.wait()

    def start_new(self) -> None:
        """Start the new version of it."""
        self.start(PYTHONPATH=str(self.new_code))

    def kill(self) -> None:
        """End all its processes at once, as when a machine or a container dies."""
        os.killpg(self.served.pid, signal.SIGKILL)
        self.served.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.served.stop()

    def reload(self) -> None:
        """Ask it to replace its server processes, and wait until it has."""
        before = set(self.served.workers)
        os.kill(self.served.pid, signal.SIGHUP)
        until(lambda: not before & set(self.served.workers), f"{self.name} keeps its old processes")

    def version(self) -> str:
        """The version that answers on its port."""
        told = requests.get(f"{self.served.url}/metrics", timeout=5).text
        found = re.search(r'cds_build_info\{.*version="([^"]+)"', told)
        return found[1] if found else "unknown"


Step = tuple[int, Callable[[Copy], None]]
"""Which copy, and what is done to it."""
BEHIND_NGINX: Mapping[str, Sequence[Step]] = {
    "steady": [],
    "each copy killed (SIGKILL), started anew": [(0, Copy.kill), (0, Copy.start), (1, Copy.kill), (1, Copy.start)],
    "one copy stopped (SIGTERM), started anew": [(0, Copy.stop), (0, Copy.start)],
    "both rolled to a new version": [(0, Copy.stop), (0, Copy.start_new), (1, Copy.stop), (1, Copy.start_new)],
    "both reloaded (SIGHUP)": [(0, Copy.reload), (1, Copy.reload)],
    "steady again": [],
}
ALONE: Mapping[str, Sequence[Step]] = {
    "alone, steady": [],
    "alone, reloaded (SIGHUP)": [(0, Copy.reload)],
    "alone, stopped (SIGTERM)": [(0, Copy.stop)],
}
"""The phases of a run; each begins and ends with load and nothing else."""


@dataclass
class Phase:
    """A stretch of the run: its outcomes, and the moments at which a copy was killed."""

    name: str
    begin: float = field(default_factory=time.time)
    end: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    nobody_left: bool = False
    """Whether a new connection may be refused: the only copy was stopped."""

    def under_way(self, outcome: Outcome) -> bool:
        """Whether it was under way, anywhere, at a kill."""
        return any(outcome.at <= kill <= outcome.at + outcome.seconds for kill in self.kills)

    def verdict(self, outcome: Outcome) -> str:
        """What became of a request."""
        if outcome.good:
            return "good"
        if self.nobody_left and outcome.told == "NewConnectionError":
            return "refused"
        return "lost" if self.under_way(outcome) else "failed"


def asked(
    copies: Sequence[Copy], port: int, steps: Mapping[str, Sequence[Step]], rate: float
) -> tuple[list[Phase], list[str]]:
    """Go through phases while the service at *port* is asked; what came of each, and the feedback acknowledged."""
    phases = []
    with Load(port, KINDS, rate) as load:
        for name, things in steps.items():
            LOG.info("-- %s", name)
            phase = Phase(name)
            phases.append(phase)
            time.sleep(QUIET)
            for number, act in things:
                load.rush(RUSH)
                phase.kills += [time.monotonic()] if act is Copy.kill else []
                phase.nobody_left = act is Copy.stop and len(copies) == 1
                act(copies[number])
                LOG.info("%s: %s", copies[number].name, act.__name__)
                time.sleep(QUIET)
            phase.end, phase.outcomes = time.time(), load.taken()
    phases[-1].outcomes += load.taken()
    return phases, load.acknowledged


@contextmanager
def nginx(folder: Path, ports: Sequence[int], port: int) -> Iterator[Path]:
    """Run nginx with the configuration as it is shipped, but for its ports and TLS; its access log."""
    folder.mkdir()
    comment = dict.fromkeys(("ssl_certificate ", "ssl_certificate_key ", "ssl_protocols "), "# ")
    servers = {f"127.0.0.1:{shipped}": f"127.0.0.1:{own}" for shipped, own in zip((8001, 8002), ports, strict=True)}
    changes = {"listen 443 ssl": f"listen 127.0.0.1:{port}", "/var/log/nginx": str(folder), **comment, **servers}
    command = configured(folder, changes)
    if command is None:
        sys.exit("nginx is needed")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield folder / "cds-service.log"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def new_version(folder: Path) -> Path:
    """A wheel of this tree, installed into a folder of its own; afterwards it is given another number."""
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(ROOT)], check=True)
    (metadata,) = folder.glob("*.dist-info/METADATA")
    told = re.sub(r"^Version: .*$", f"Version: {NEW_VERSION}", metadata.read_text("utf-8"), count=1, flags=re.MULTILINE)
    metadata.write_text(told, encoding="utf-8")
    return folder


def tell(phases: Sequence[Phase], access: Path) -> Counter[str]:
    """All phases, and what failed; of nginx's access log, how many requests were put to a second copy."""
    calls = [json.loads(line) for line in access.read_text(encoding="utf-8").splitlines()]
    twice = [call["at"] for call in calls if ", " in call["upstreams"]]
    total = Counter[str]()
    for phase in phases:
        counts = Counter(map(phase.verdict, phase.outcomes))
        counts["under way at a kill"] = sum(map(phase.under_way, phase.outcomes))
        counts["tried twice"] = sum(phase.begin <= at < phase.end for at in twice)
        LOG.info("%-42s %s", phase.name, ", ".join(f"{count} {what}" for what, count in counts.items()))
        for outcome in phase.outcomes:
            if phase.verdict(outcome) in ("lost", "failed"):
                LOG.info("%s", outcome)
        total += counts
    return total


def judge(total: Counter[str], acknowledged: Sequence[str], stored: Sequence[str], versions: set[str]) -> bool:
    """Say what is right and what is not."""
    once = bool(acknowledged) and set(acknowledged) <= set(stored) and len(set(stored)) == len(stored)
    LOG.info("%d requests answered, %d lost at a kill, %d failed.", total["good"], total["lost"], total["failed"])
    told = "each once" if once else "NOT EACH ONCE"
    LOG.info("%d feedbacks acknowledged, %d kept, %s.", len(acknowledged), len(stored), told)
    LOG.info("The copies answer as %s.", " and ".join(versions))
    return total["failed"] == 0 and once and versions == {NEW_VERSION}


def main() -> int:
    """Run it all."""
    rate = Options().rate
    LOGS.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout), logging.FileHandler(LOGS / "log.txt", "w")]
    logging.basicConfig(format="%(asctime)s %(message)s", handlers=handlers, level=logging.INFO)
    with tempfile.TemporaryDirectory(prefix="cds-roll-") as place, postgres.running() as server, ExitStack() as ends:
        folder, database = Path(place), server.fresh()
        settings = {"as_of": TODAY, "feedback": True, "database_url": database}
        code = new_version(folder / "new")
        copies = [Copy(f"copy {n}", folder / f"copy-{n}", settings | {"workers": 1}, code) for n in (1, 2)]
        alone = Copy("the copy alone", folder / "alone", settings | {"workers": 2}, code)
        for copy in (*copies, alone):
            copy.start()
            ends.callback(copy.stop)
        LOG.info("nginx in front of two copies (%s), PostgreSQL behind", copies[0].version())
        port = free_port()
        with nginx(folder / "nginx", [copy.port for copy in copies], port) as access:
            phases, acknowledged = asked(copies, port, BEHIND_NGINX, rate)
        versions = {copy.version() for copy in copies}
        of_one, more = asked([alone], alone.port, ALONE, rate)
        total = tell([*phases, *of_one], access)
        good = judge(total, acknowledged + more, kept(database), versions)
        shutil.copy(access.with_name("error.log"), LOGS / "nginx-error.log")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
