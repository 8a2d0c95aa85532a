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

import argparse
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
LOG = logging.getLogger("roll")


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
    begin: float
    end: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    nobody_left: bool = False
    """Whether a new connection may be refused: the only copy was stopped."""

    def refused(self) -> list[Outcome]:
        """The requests that found nobody on the port, where nobody can be."""
        return [one for one in self.outcomes if self.nobody_left and one.told == "NewConnectionError"]

    def failed(self) -> list[Outcome]:
        """The requests that were not answered as they should be."""
        refused = self.refused()
        return [one for one in self.outcomes if not one.good and one not in refused]

    def under_way(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Those of *outcomes* that were under way, anywhere, at a kill."""
        return [one for one in outcomes if any(one.at <= kill <= one.at + one.seconds for kill in self.kills)]


def asked(
    copies: Sequence[Copy], port: int, steps: Mapping[str, Sequence[Step]], rate: float
) -> tuple[list[Phase], list[str]]:
    """Go through phases while the service at *port* is asked; what came of each, and the feedback acknowledged."""
    phases = []
    with Load(port, KINDS, rate) as load:
        for name, things in steps.items():
            LOG.info("-- %s", name)
            phase = Phase(name, time.time())
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
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        yield folder / "cds-service.log"
        process.send_signal(signal.SIGQUIT)


def new_version(folder: Path) -> Path:
    """A wheel of this tree, installed into a folder of its own; afterwards it is given another number."""
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(ROOT)], check=True)
    (metadata,) = folder.glob("*.dist-info/METADATA")
    told = re.sub(r"^Version: .*$", f"Version: {NEW_VERSION}", metadata.read_text("utf-8"), count=1, flags=re.MULTILINE)
    metadata.write_text(told, encoding="utf-8")
    return folder


def tell(phases: Sequence[Phase], access: Path) -> None:
    """All phases, and what failed; of nginx's access log, how many requests were put to a second copy."""
    calls = [json.loads(line) for line in access.read_text(encoding="utf-8").splitlines()]
    twice = [call["at"] for call in calls if ", " in call["upstreams"]]
    LOG.info(
        "%44s %6s %6s %6s %11s %19s %7s", "", "sent", "200", "failed", "tried twice", "under way at a kill", "refused"
    )
    for phase in phases:
        counts = (len(phase.outcomes), sum(one.good for one in phase.outcomes), len(phase.failed()))
        more = (sum(phase.begin <= at < phase.end for at in twice), len(phase.under_way(phase.outcomes)))
        LOG.info("%44s %6d %6d %6d %11d %19d %7d", phase.name, *counts, *more, len(phase.refused()))
    for phase in phases:
        for failed, count in Counter((one.kind, one.status, one.told) for one in phase.failed()).items():
            LOG.info("failed in %r: %d x %s", phase.name, count, failed)


def judge(phases: Sequence[Phase], acknowledged: list[str], stored: list[str], versions: set[str]) -> bool:
    """Say what is right and what is not."""
    failed = sum(len(phase.failed()) for phase in phases)
    at_kills = sum(len(phase.under_way(phase.failed())) for phase in phases)
    once = bool(acknowledged) and set(acknowledged) <= set(stored) and len(set(stored)) == len(stored)
    LOG.info("%d requests failed under way at a kill, %d otherwise.", at_kills, failed - at_kills)
    told = "each once" if once else "NOT EACH ONCE"
    LOG.info("%d feedbacks acknowledged, %d kept, %s.", len(acknowledged), len(stored), told)
    LOG.info("The copies answer as %s.", " and ".join(versions))
    return failed == at_kills and once and versions == {NEW_VERSION}


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=30, help="requests a second")
    parser.add_argument("--log", type=Path, default=Path(".cache/roll/log.txt"), help="what happened")
    options = parser.parse_args()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout), logging.FileHandler(options.log, "w")]
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
            phases, acknowledged = asked(copies, port, BEHIND_NGINX, options.rate)
        versions = {copy.version() for copy in copies}
        of_one, more = asked([alone], alone.port, ALONE, options.rate)
        tell([*phases, *of_one], access)
        good = judge([*phases, *of_one], acknowledged + more, kept(database), versions)
        shutil.copy(access.with_name("error.log"), options.log.with_name("nginx-error.log"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
