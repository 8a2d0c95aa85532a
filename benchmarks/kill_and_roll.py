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
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from benchmarks.traffic import AS_OF, Client, Kind, Load, Outcome
from tests.feedback.posting import kept
from tests.support import postgres
from tests.support.postgres import free_port
from tests.support.serving import COMMAND, ROOT, Served, environment, start

CONFIGURATION = ROOT / "deploy" / "nginx" / "cds-service.conf"
NEW_VERSION = "0.1.0.post1"
KINDS: dict[Kind, float] = {Client.chart: 80, Client.large: 2, Client.feedback: 18}
QUIET = 5.0
"""Seconds of load after something was done."""
RUSH = 8
"""Large charts that are opened just before something is done, so that there is something to lose."""
STARTS_WITHIN = 60.0


@dataclass
class Copy:
    """One copy of the service on a port of its own, stopped and started again."""

    name: str
    port: int
    folder: Path
    settings: dict[str, Any]
    code: Path | None = None
    """Where another version is installed; `None` for this one."""
    served: Served = field(init=False)

    def start(self) -> None:
        """Start it, and wait until it is ready for calls."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log_file = self.folder / "log"
        variables = environment(self.settings) | ({"PYTHONPATH": str(self.code)} if self.code else {})
        process = start([COMMAND, "serve", "--port", str(self.port)], self.folder, log_file, variables)
        self.served = Served(process, self.folder, log_file, port=self.port)
        latest = time.monotonic() + STARTS_WITHIN
        while not self.ready():
            if process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError(f"{self.name} does not start:\n{self.served.log}")
            time.sleep(0.1)

    def ready(self) -> bool:
        """Whether it may be sent calls."""
        try:
            return requests.get(f"{self.served.url}/readyz", timeout=5).status_code == requests.codes.ok
        except requests.RequestException:
            return False

    def version(self) -> str:
        """The version that answers on its port."""
        found = re.search(
            r'cds_build_info\{.*version="([^"]+)"', requests.get(f"{self.served.url}/metrics", timeout=5).text
        )
        return found[1] if found else "unknown"

    def kill(self) -> None:
        """All its processes at once, as when a machine or a container dies."""
        os.killpg(self.served.pid, signal.SIGKILL)
        self.served.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.served.stop()

    def reload(self) -> None:
        """Ask it to replace its server processes, and wait until it has."""
        before = set(self.served.workers)
        os.kill(self.served.pid, signal.SIGHUP)
        latest = time.monotonic() + STARTS_WITHIN
        while before & set(self.served.workers) and time.monotonic() < latest:
            time.sleep(0.1)
        if before & set(self.served.workers):
            raise RuntimeError(f"{self.name} keeps its old processes:\n{self.served.log}")


@dataclass
class Phase:
    """A stretch of the run: its outcomes, and the moments at which a copy was killed."""

    name: str
    begin: float
    outcomes: list[Outcome] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    end: float = 0.0
    tried_twice: int = 0
    refused_is_right: bool = False
    """Whether a new connection may be refused: nobody is left who could answer."""

    @property
    def failed(self) -> list[Outcome]:
        """The requests that were not answered as they should be."""
        return [outcome for outcome in self.outcomes if not outcome.good and not self._refused(outcome)]

    @property
    def refused(self) -> int:
        """How many found nobody on the port, where nobody can be."""
        return sum(self._refused(outcome) for outcome in self.outcomes)

    def under_way(self) -> int:
        """How many requests were under way, anywhere, at a kill."""
        return sum(self._at_a_kill(outcome) for outcome in self.outcomes)

    def wrong(self) -> list[Outcome]:
        """The failed ones that were not under way at a kill."""
        return [outcome for outcome in self.failed if not self._at_a_kill(outcome)]

    def _refused(self, outcome: Outcome) -> bool:
        return self.refused_is_right and not outcome.reused and outcome.told == ConnectionRefusedError.__name__

    def _at_a_kill(self, outcome: Outcome) -> bool:
        return any(outcome.at <= kill <= outcome.at + outcome.seconds for kill in self.kills)


class Run:
    """What happened, written down as it happens."""

    def __init__(self, log: Path) -> None:
        """*log* is written anew."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("w", encoding="utf-8")
        self._begin = time.monotonic()
        self.phases: list[Phase] = []

    def tell(self, text: str) -> None:
        """Print a line, and write it into the log."""
        print(text, flush=True)
        print(text, file=self._log, flush=True)

    def happened(self, text: str) -> None:
        """A line with its moment."""
        self.tell(f"{time.monotonic() - self._begin:7.2f} s  {text}")

    @contextmanager
    def phase(self, name: str, load: Load) -> Iterator[Phase]:
        """What is asked until the block ends."""
        self.happened(f"-- {name}")
        phase = Phase(name, time.time())
        yield phase
        phase.end = time.time()
        phase.outcomes += load.taken()
        self.phases.append(phase)

    def table(self) -> None:
        """All phases, and what failed."""
        self.tell(f"\n{'':44} {'sent':>6} {'200':>6} {'failed':>6} {'tried twice':>11} {'under way at a kill':>19}")
        for phase in self.phases:
            good = sum(outcome.good for outcome in phase.outcomes)
            counts = f"{len(phase.outcomes):6} {good:6} {len(phase.failed):6} {phase.tried_twice:11}"
            told = f"; {phase.refused} refused after it had ended" if phase.refused else ""
            self.tell(f"{phase.name:44} {counts} {phase.under_way() if phase.kills else '':>19}{told}")
        for phase in self.phases:
            kinds = Counter((o.kind, o.status, o.told, "kept" if o.reused else "new") for o in phase.failed)
            for (kind, status, told, connection), count in kinds.items():
                self.tell(f"failed in {phase.name!r}: {count} {kind}, status {status} {told}, {connection} connection")


@contextmanager
def nginx(folder: Path, ports: list[int], port: int) -> Iterator[Path]:
    """Run nginx with the configuration as it is shipped, but for its ports and TLS; its access log."""
    folder.mkdir()
    access, text = folder / "access.log", CONFIGURATION.read_text(encoding="utf-8")
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8001 ": f"server 127.0.0.1:{ports[0]} ",
        "server 127.0.0.1:8002 ": f"server 127.0.0.1:{ports[1]} ",
        "/var/log/nginx/cds-service.log": str(access),
    }
    for old, new in changes.items():
        if text.count(old) != 1:
            raise RuntimeError(f"{CONFIGURATION} has no {old!r}, or has it twice")
        text = text.replace(old, new)
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.MULTILINE)
    (folder / "cds-service.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}\ndaemon off;\nworker_processes 2;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n{temporary}\ninclude {folder}/cds-service.conf;\n}}\n",
        encoding="utf-8",
    )
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t", "-q"], check=True)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield access
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def new_version(folder: Path) -> Path:
    """A wheel of this tree with another number, installed into a folder of its own."""
    tree, wheels, installed = folder / "tree", folder / "wheels", folder / "installed"
    tree.mkdir(parents=True)
    for name in ("cds_service", "docs", "fhir_fixtures"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = re.sub(r'^version = ".*"$', f'version = "{NEW_VERSION}"', project, count=1, flags=re.MULTILINE)
    (tree / "pyproject.toml").write_text(project, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(installed), *map(str, wheels.glob("*.whl"))], check=True)
    return installed


def behind_nginx(run: Run, copies: list[Copy], port: int, rate: float, code: Path) -> list[str]:
    """The phases behind nginx; the cards whose feedback was acknowledged."""
    with Load(port, KINDS, rate) as load:
        with run.phase("steady", load):
            time.sleep(2 * QUIET)
        with run.phase("each copy killed (SIGKILL), started anew", load) as phase:
            for copy in copies:
                load.rush(RUSH)
                phase.kills.append(time.monotonic())
                copy.kill()
                run.happened(f"{copy.name} killed")
                time.sleep(QUIET)
                copy.start()
                run.happened(f"{copy.name} ready again")
                time.sleep(QUIET)
        with run.phase("one copy stopped (SIGTERM), started anew", load):
            restart(run, load, copies[0])
        with run.phase("both rolled to a new version", load):
            for copy in copies:
                copy.code = code
                restart(run, load, copy)
        with run.phase("both reloaded (SIGHUP)", load):
            for copy in copies:
                load.rush(RUSH)
                copy.reload()
                run.happened(f"{copy.name} has new server processes")
            time.sleep(QUIET)
        with run.phase("steady again", load) as last:
            time.sleep(QUIET)
    last.outcomes += load.taken()
    return load.kept()


def restart(run: Run, load: Load, copy: Copy) -> None:
    """Stop a copy in the midst of calls, start it anew, and let some more come."""
    version = copy.version()
    load.rush(RUSH)
    run.happened(f"{copy.name} ({version}) asked to end")
    copy.stop()
    run.happened(f"{copy.name} has ended, status {copy.served.status}")
    copy.start()
    run.happened(f"{copy.name} ready again ({copy.version()})")
    time.sleep(QUIET)


def alone(run: Run, copy: Copy, rate: float) -> list[str]:
    """The phases of one copy with two processes and nothing in front; the cards whose feedback was acknowledged."""
    copy.start()
    with Load(copy.port, KINDS, rate) as load:
        with run.phase("alone, steady", load):
            time.sleep(QUIET)
        with run.phase("alone, reloaded (SIGHUP)", load):
            copy.reload()
            run.happened(f"{copy.name} has new server processes")
            time.sleep(QUIET)
        with run.phase("alone, stopped (SIGTERM)", load) as last:
            last.refused_is_right = True
            time.sleep(QUIET)
            load.rush(RUSH)
            copy.stop()
            run.happened(f"{copy.name} has ended, status {copy.served.status}")
            time.sleep(1)
    last.outcomes += load.taken()
    return load.kept()


def count_second_tries(run: Run, access: Path) -> None:
    """Of nginx's access log: how many requests of each phase were put to a second copy."""
    for line in access.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        for phase in run.phases:
            if phase.begin <= call["at"] < phase.end:
                phase.tried_twice += ", " in call["upstreams"]


def judge(run: Run, acknowledged: list[str], stored: list[str], versions: list[str]) -> bool:
    """Say what is right and what is not."""
    sent = sum(len(phase.outcomes) for phase in run.phases)
    wrong = sum(len(phase.wrong()) for phase in run.phases)
    at_kills = sum(len(phase.failed) for phase in run.phases) - wrong
    once = sorted(acknowledged) == stored or (set(acknowledged) <= set(stored) and len(set(stored)) == len(stored))
    run.tell(f"\n{sent} requests; {at_kills} failed under way at a kill, {wrong} failed otherwise.")
    run.tell(
        f"{len(acknowledged)} feedbacks acknowledged, {len(stored)} kept, {'each once' if once else 'NOT EACH ONCE'}."
    )
    run.tell(f"The copies answer as {' and '.join(versions)}.")
    return wrong == 0 and once and set(versions) == {NEW_VERSION}


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=30, help="requests a second")
    parser.add_argument("--log", type=Path, default=Path(".cache/roll/log.txt"), help="what happened")
    options = parser.parse_args()
    run = Run(options.log)
    with tempfile.TemporaryDirectory(prefix="cds-roll-") as place, postgres.running() as server, ExitStack() as ends:
        folder, database = Path(place), server.fresh()
        settings = {"as_of": AS_OF, "workers": 1, "feedback": True, "database_url": database}
        copies = [Copy(f"copy {n}", free_port(), folder / f"copy{n}", settings) for n in (1, 2)]
        single = Copy("the copy", free_port(), folder / "alone", settings | {"workers": 2})
        port = free_port()
        code = new_version(folder / "new")
        for copy in copies:
            copy.start()
            ends.callback(copy.stop)
        access = ends.enter_context(nginx(folder / "nginx", [copy.port for copy in copies], port))
        run.happened(
            f"nginx in front of two copies ({', '.join(copy.version() for copy in copies)}), PostgreSQL behind"
        )
        acknowledged = behind_nginx(run, copies, port, options.rate, code)
        versions = [copy.version() for copy in copies]
        acknowledged += alone(run, single, options.rate)
        count_second_tries(run, access)
        stored = kept(database)
        shutil.copy(access.with_name("error.log"), options.log.with_name("nginx-error.log"))
    run.table()
    return 0 if judge(run, acknowledged, stored, versions) else 1


if __name__ == "__main__":
    sys.exit(main())
