"""Servers as processes: started on one core, put under load from another, asked what they used, and ended.

Ours stands beside the peers of the comparison kit, which are set up by its own script and started as there.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import requests

from tests.support.postgres import free_port
from tests.support.serving import COMMAND, Served, start

OURS, BARE, DUTIES = "cds-service", "bare Flask + msgspec", "the same with log, numbers, rows"
HEALTHCHAIN, HAPI = "HealthChain", "HAPI CDS Hooks"
KIT = Path(os.environ.get("BENCH_KIT", ".cache/kit")).absolute()
"""Where the peers come from."""
WORK = Path(os.environ.get("PERF_WORK", ".cache/bench")).absolute()
"""Where they are installed."""
CORES = sorted(os.sched_getaffinity(0))
"""The first is for servers, the last for the load and everything else."""
CONNECTIONS = 8
STARTS_WITHIN, PAUSE = 90.0, 0.005
SCRIPT = Path(__file__).with_name("post.lua")
NOT_COMPARED = ("node", "go", "cql")
"""Steps of the kit's script for peers that are not among these."""
VERSIONS = """python -c '
import sys, importlib.metadata as found
print("Python " + sys.version, *(name + " " + found.version(name) for name in sys.argv[1:]), sep=", ")' """
SMALL = (
    f"env PYTHONDONTWRITEBYTECODE=1 {WORK}/venv/bin/gunicorn --chdir {KIT}/peers/python -b 127.0.0.1:PORT "
    "-w 1 -k gthread --threads 4 --keep-alive 30 --log-level warning"
)


class Unusable(Exception):
    """A server does not start, or answers something else than cards."""


class Spec(NamedTuple):
    """How a server is started on `PORT`, and what tells its versions."""

    command: str
    versions: str
    path: str = "/cds-services/mg-vitd"
    step: str = "venv"
    """The step of the kit's script that sets it up; ours needs none."""


SERVERS = {
    OURS: Spec(
        f"{COMMAND} serve --port PORT",
        f"{COMMAND.parent}/{VERSIONS} granian flask msgspec sqlalchemy",
        "/cds-services/vitamin-d-magnesium",
        step="",
    ),
    BARE: Spec(f"{SMALL} flask_msgspec:app", f"{WORK}/venv/bin/{VERSIONS} flask msgspec gunicorn"),
    DUTIES: Spec(f"{SMALL} flask_duties:app", f"{WORK}/venv/bin/{VERSIONS} flask msgspec gunicorn prometheus_client"),
    HEALTHCHAIN: Spec(
        f"env PYTHONDONTWRITEBYTECODE=1 {WORK}/hc/bin/python {KIT}/peers/python/healthchain_app.py PORT",
        f"{WORK}/hc/bin/{VERSIONS} healthchain fhir.resources uvicorn",
        "/cds/cds-services/mg-vitd",
        "healthchain",
    ),
    HAPI: Spec(
        f"java -cp {WORK}/hapi/target/classes:{WORK}/hapi/target/lib/* perf.Main PORT",
        f"sh -c 'ls {WORK}/hapi/target/lib | grep cds-hooks; java -version 2>&1 | head -1'",
        step="hapi",
    ),
}


def set_up() -> list[str]:
    """Install the peers with the kit's script, as far as this machine lets it; those that are there."""
    if not (KIT / "run.sh").is_file():
        return []
    WORK.mkdir(parents=True, exist_ok=True)
    for step in NOT_COMPARED:
        (WORK / f".done-{step}").touch()
    variables = {"PERF_WORK": str(WORK), "PEERS": "none", "SIZES": "small", "CONC": "1", "ROUNDS": "1"}
    with (WORK / "set-up.log").open("wb") as log:
        subprocess.run([KIT / "run.sh"], env=os.environ | variables, stdout=log, stderr=log, check=False)
    return [name for name, spec in SERVERS.items() if (WORK / f".done-{spec.step}").exists()]


def versions(name: str) -> str:
    """What a server consists of."""
    told = subprocess.run(shlex.split(SERVERS[name].versions), capture_output=True, text=True, check=False).stdout
    return ", ".join(told.splitlines())


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
        self.start_cpu = 0.0
        """The CPU time that went into its start, up to the first answer."""
        self.usual = 0.0
        """Its memory in MiB once it has answered many typical requests, and no large one."""

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

    def measure(self, body: Path, seconds: int) -> Sample:
        """Put load on it, from the core of this process, and read what it cost."""
        before = self.cpu_seconds()
        wrk = f"wrk -t1 -c{CONNECTIONS} -d{seconds}s --timeout 60s -s {SCRIPT} {self.url} -- {body}"
        done = subprocess.run(wrk.split(), capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        return Sample(cpu=(self.cpu_seconds() - before) / told.pop("requests") * 1e3, **told)

    def processes(self) -> list[psutil.Process]:
        """The process that was started, and all that it started."""
        return [self._first, *self._first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def mebibytes(self) -> float:
        """The memory of the largest of its processes."""
        return max(process.memory_info().rss for process in self.processes()) / 1024**2


@contextmanager
def running(spec: Spec, folder: Path, variables: Mapping[str, str], body: bytes) -> Iterator[Server]:
    """A server until the block ends; it has answered *body* once. What it prints is in `log` in *folder*.

    Raises:
        Unusable: it does not start.
    """
    port, log = free_port(), folder / "log"
    command = f"taskset -c {CORES[0]} {spec.command}".replace("PORT", str(port))
    process = start(shlex.split(command), folder, log, variables)
    served = Served(process, folder, log)
    server, latest = Server(process.pid, f"http://127.0.0.1:{port}{spec.path}"), time.monotonic() + STARTS_WITHIN
    try:
        while not server.has_cards(body):
            if process.poll() is not None or time.monotonic() > latest:
                raise Unusable(f"does not start: {served.log[-200:]}")
            time.sleep(PAUSE)
        server.start_cpu = server.cpu_seconds()
        yield server
    finally:
        served.stop()
