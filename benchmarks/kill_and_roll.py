"""Kill, stop, roll and reload copies of the service under load: which requests fail?

    make roll                      # about four minutes; RATE=60 make roll: requests a second, 30 otherwise

Behind nginx, with `deploy/nginx/cds-service.conf`, two copies of `cds-service serve` share a PostgreSQL. While charts
are opened and cards are answered at a steady rate, each copy is killed, one is stopped, both are rolled to a new
version (this tree with another number), and both are reloaded. Then one copy alone, without nginx, is reloaded and
stopped. What happened is printed. The status is 0 if no request failed beyond those under way when a copy was killed,
if all feedback that was acknowledged is kept once, and if the new version answers at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from tests.support.serving import Served, serving, until
from tests.web.calls import TODAY

RATE = float(os.environ.get("RATE", "30"))
KINDS = {CHART: 80, LARGE: 2, FEEDBACK: 18}
QUIET = 5.0
"""Seconds of load before and after something is done."""
RUSH = 8
"""Large charts that are opened just before something is done, so that there is something to lose."""
NEW_VERSION = "0.1.0.post1"
NAME = "vitamin_d_magnesium_cds"


@dataclass
class Copy:
    """One copy of the service on a port of its own, stopped and started again."""

    settings: Mapping[str, Any]
    new_code: Path
    """Where Python finds the new version."""
    kills: list[float]
    """The moments at which a copy was killed."""
    port: int = field(default_factory=free_port)
    served: Served = field(init=False)
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.served = self._running.enter_context(serving(["--port", str(self.port)], **self.settings))

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._running.close()

    def kill(self) -> None:
        """End all its processes at once, as when a machine or a container dies."""
        self.kills.append(time.monotonic())
        os.killpg(self.served.pid, signal.SIGKILL)
        self.stop()

    def start_new(self) -> None:
        """Start the new version of it."""
        os.environ["PYTHONPATH"] = str(self.new_code)
        self.start()

    def reload(self) -> None:
        """Ask it to replace its server processes, and wait until it has."""
        before = set(self.served.workers)
        os.kill(self.served.pid, signal.SIGHUP)
        until(lambda: not before & set(self.served.workers), "it keeps its old processes")

    def version(self) -> str:
        """The version that answers on its port."""
        told = requests.get(f"{self.served.url}/openapi.json", timeout=5).json()
        return str(told["info"]["version"])


@dataclass
class Roll:
    """A run of several phases: what came of it so far."""

    kills: list[float] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)

    def phase(self, name: str, port: int, *acts: Callable[[], None], nobody_left: bool = False) -> None:
        """Ask at *port*, and do one thing after the other meanwhile; print what came of it.

        With *nobody_left* a new connection may be refused, as the only copy was stopped.
        """
        with Load(port, KINDS, RATE) as load:
            time.sleep(QUIET)
            for act in acts:
                load.rush(RUSH)
                act()
                time.sleep(QUIET)
        found: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in load.taken():
            found[self._verdict(outcome, nobody_left=nobody_left)].append(outcome)
            self.total["under way at a kill"] += self._under_way(outcome)
        counts = Counter({verdict: len(outcomes) for verdict, outcomes in found.items()})
        print(f"{name}: {dict(counts)}", *found["lost"], *found["failed"], sep="\n", flush=True)
        self.total += counts
        self.acknowledged += load.acknowledged

    def _verdict(self, outcome: Outcome, *, nobody_left: bool) -> str:
        """What became of a request."""
        if outcome.good:
            return "good"
        if nobody_left and outcome.told == "NewConnectionError":
            return "refused"
        return "lost" if self._under_way(outcome) else "failed"

    def _under_way(self, outcome: Outcome) -> bool:
        """Whether it was under way, anywhere, at a kill."""
        return any(outcome.at <= kill <= outcome.at + outcome.seconds for kill in self.kills)

    def is_good(self, stored: Sequence[str], versions: Collection[str]) -> bool:
        """Say what is right and what is not, given the feedback that is kept and the versions that answer."""
        once = bool(self.acknowledged) and set(self.acknowledged) <= set(stored) and len(set(stored)) == len(stored)
        print(f"in all: {dict(self.total)}")
        told = "each once" if once else "NOT EACH ONCE"
        print(
            f"{len(self.acknowledged)} feedbacks acknowledged, {len(stored)} kept, {told}; {versions} answer at the end"
        )
        return self.total["failed"] == 0 and once and set(versions) == {NEW_VERSION}


@contextmanager
def nginx(folder: Path, ports: Sequence[int]) -> Iterator[int]:
    """Run nginx with the configuration as it is shipped, but for its ports and TLS; the port on which it listens.

    At the end it prints how many requests it put to a second copy.
    """
    port = free_port()
    comment = dict.fromkeys(("ssl_certificate ", "ssl_certificate_key ", "ssl_protocols "), "# ")
    servers = {f"127.0.0.1:{shipped}": f"127.0.0.1:{own}" for shipped, own in zip((8001, 8002), ports, strict=True)}
    changes = {"listen 443 ssl": f"listen 127.0.0.1:{port}", "/var/log/nginx": str(folder), **comment, **servers}
    command = configured(folder, changes)
    if command is None:
        sys.exit("nginx is needed")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        until((folder / "pid").exists, "nginx does not start")
        yield port
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()
    calls = (folder / "cds-service.log").read_text(encoding="utf-8").splitlines()
    print("put to both copies:", sum(", " in json.loads(call)["upstreams"] for call in calls))


def new_version(folder: Path) -> Path:
    """A folder from which Python takes another number for this version."""
    about = folder / "new" / f"{NAME}-{NEW_VERSION}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {NEW_VERSION}\n", encoding="utf-8")
    return about.parent


def main() -> int:
    """Run it all."""
    with tempfile.TemporaryDirectory(prefix="cds-roll-") as place, postgres.running() as server, ExitStack() as ends:
        roll, database, code = Roll(), server.fresh(), new_version(Path(place))
        settings = {"as_of": TODAY, "feedback": True, "database_url": database}
        one, other, alone = (Copy(settings | {"workers": workers}, code, roll.kills) for workers in (1, 1, 2))
        for copy in (one, other, alone):
            copy.start()
            ends.callback(copy.stop)
        with nginx(Path(place), [one.port, other.port]) as port:
            roll.phase("steady", port)
            roll.phase("each copy killed (SIGKILL), started anew", port, one.kill, one.start, other.kill, other.start)
            roll.phase("one copy stopped (SIGTERM), started anew", port, one.stop, one.start)
            roll.phase("both rolled to a new version", port, one.stop, one.start_new, other.stop, other.start_new)
            roll.phase("both reloaded (SIGHUP)", port, one.reload, other.reload)
            roll.phase("steady again", port)
        versions = {one.version(), other.version()}
        roll.phase("alone, steady", alone.port)
        roll.phase("alone, reloaded (SIGHUP)", alone.port, alone.reload)
        roll.phase("alone, stopped (SIGTERM)", alone.port, alone.stop, nobody_left=True)
        return 0 if roll.is_good(kept(database), versions) else 1


if __name__ == "__main__":
    sys.exit(main())
