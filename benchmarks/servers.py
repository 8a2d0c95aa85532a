"""Servers as processes: started on one core, put under load from another, asked what they used, and ended.

Ours stands beside the peers of the comparison kit, which are set up by its own script and started as there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import requests

from tests.support.postgres import free_port
from tests.support.serving import start

OURS, BARE, DUTIES = "cds-service", "bare Flask + msgspec", "the same with log, numbers, rows"
HEALTHCHAIN, HAPI = "HealthChain", "HAPI CDS Hooks"
STARTS_WITHIN, STOPS_WITHIN, PAUSE = 90.0, 15.0, 0.005
SCRIPT = Path(__file__).with_name("post.lua")
NOT_COMPARED = ("node", "go", "cql")
"""Steps of the kit's script for peers that are not among these."""
VERSIONS = """python -c '
import sys, importlib.metadata as found
print("Python " + sys.version, *(name + " " + found.version(name) for name in sys.argv[1:]), sep=", ")' """
SMALL = (
    "env PYTHONDONTWRITEBYTECODE=1 {work}/venv/bin/gunicorn --chdir {kit}/peers/python -b 127.0.0.1:{port} "
    "-w 1 -k gthread --threads 4 --keep-alive 30 --log-level warning"
)


Places = Mapping[str, object]


class Unusable(Exception):
    """A server does not start, or answers something else than cards."""


class Spec(NamedTuple):
    """How a server is started, and what tells its versions."""

    command: str
    versions: str
    path: str = "/cds-services/mg-vitd"
    step: str = "venv"
    """The step of the kit's script that sets it up."""


SERVERS = {
    OURS: Spec(
        "{bin}/cds-service serve --port {port}",
        f"{{bin}}/{VERSIONS} granian flask msgspec sqlalchemy",
        "/cds-services/vitamin-d-magnesium",
    ),
    BARE: Spec(
        f"{SMALL} flask_msgspec:app",
        f"{{work}}/venv/bin/{VERSIONS} flask msgspec gunicorn",
    ),
    DUTIES: Spec(
        f"{SMALL} flask_duties:app",
        f"{{work}}/venv/bin/{VERSIONS} flask msgspec gunicorn prometheus_client",
    ),
    HEALTHCHAIN: Spec(
        "env PYTHONDONTWRITEBYTECODE=1 {work}/hc/bin/python {kit}/peers/python/healthchain_app.py {port}",
        f"{{work}}/hc/bin/{VERSIONS} healthchain fhir.resources uvicorn",
        "/cds/cds-services/mg-vitd",
        "healthchain",
    ),
    HAPI: Spec(
        "java -cp {work}/hapi/target/classes:{work}/hapi/target/lib/* perf.Main {port}",
        "sh -c 'ls {work}/hapi/target/lib | grep cds-hooks; java -version 2>&1 | head -1'",
        step="hapi",
    ),
}


def set_up(kit: Path, work: Path) -> None:
    """Install the peers into *work* with the kit's script, as far as this machine lets it; its output goes to a log."""
    for step in NOT_COMPARED:
        (work / f".done-{step}").touch()
    variables = {"PERF_WORK": str(work), "PEERS": "none", "SIZES": "small", "CONC": "1", "ROUNDS": "1"}
    with (work / "set-up.log").open("wb") as log:
        subprocess.run([kit / "run.sh"], env=os.environ | variables, stdout=log, stderr=log, check=False)


def is_set_up(name: str, work: Path) -> bool:
    """Whether a peer is there."""
    return (work / f".done-{SERVERS[name].step}").exists()


def versions(name: str, places: Places) -> str:
    """What a server consists of."""
    told = subprocess.run(written(SERVERS[name].versions, places), capture_output=True, text=True, check=False).stdout
    return ", ".join(told.splitlines())


def written(command: str, places: Places) -> list[str]:
    """A command with what its braces stand for: `bin`, `work` and `kit` are folders, with a core and a port."""
    return [part.format(**places) for part in shlex.split(command)]


class Sample(NamedTuple):
    """One measurement: requests a second, milliseconds of waiting, milliseconds of CPU a request, failed requests."""

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int

    @property
    def tail(self) -> float:
        """How many times the usual waiting the long one is."""
        return self.p99 / self.p50


class Server:
    """A server that runs, with all processes that it started."""

    def __init__(self, pid: int, url: str) -> None:
        self.url, self._first = url, psutil.Process(pid)
        self.started_in = self.started_for = 0.0
        """Seconds until the first answer, and the CPU time that went into it."""
        self.seconds: dict[str, int] = {}
        """How long it is to be measured with each size of request."""

    def has_cards(self, body: bytes) -> bool:
        """Whether it answers *body* with cards.

        Raises:
            Unusable: it answers something else; who has nothing to say does less than the others.
        """
        try:
            answer = requests.post(self.url, body, headers={"Content-Type": "application/json"}, timeout=20)
        except requests.RequestException:
            return False
        if answer.ok and not answer.json().get("cards"):
            raise Unusable("answers without cards")
        return answer.ok

    def measure(self, body: Path, connections: int, seconds: int) -> Sample:
        """Put load on it, from the core of this process, and read what it cost.

        Raises:
            Unusable: nothing was answered.
        """
        before = self.cpu_seconds()
        command = f"wrk -t1 -c{connections} -d{seconds}s --timeout 60s -s {SCRIPT} {self.url} -- {body}"
        done = subprocess.run(command.split(), capture_output=True, text=True, check=True)
        cpu = self.cpu_seconds() - before
        told = json.loads(done.stdout.splitlines()[-1])
        answered = told.pop("requests")
        if answered == 0:
            raise Unusable("answers nothing under load")
        return Sample(**told, cpu=cpu / answered * 1e3)

    def processes(self) -> list[psutil.Process]:
        """The process that was started, and all that it started."""
        return [self._first, *self._first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def peak_mib(self) -> tuple[float, float]:
        """The largest memory that its first process had, and the largest that any of its others had."""
        first, *others = map(_peak_mib, self.processes())
        return first, max(others, default=0.0)


def _peak_mib(process: psutil.Process) -> float:
    """The largest resident memory of a process, which psutil does not tell."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8", errors="replace")
    (found,) = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found) / 1024


@contextmanager
def running(spec: Spec, places: Places, folder: Path, variables: Mapping[str, str], body: bytes) -> Iterator[Server]:
    """A server until the block ends; it has answered *body* once. What it prints is in `log` in *folder*.

    Raises:
        Unusable: it does not start.
    """
    port, log = free_port(), folder / "log"
    begun = time.perf_counter()
    command = written(f"taskset -c {{core}} {spec.command}", {**places, "port": port})
    process = start(command, folder, log, variables)
    try:
        server = Server(process.pid, f"http://127.0.0.1:{port}{spec.path}")
        while not server.has_cards(body):
            if process.poll() is not None or time.perf_counter() - begun > STARTS_WITHIN:
                raise Unusable(f"does not start: {log.read_text('utf-8', 'replace')[-200:]}")
            time.sleep(PAUSE)
        server.started_in, server.started_for = time.perf_counter() - begun, server.cpu_seconds()
        yield server
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End *process*, which leads a group: ask it first, then end whatever of the group is left."""
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
