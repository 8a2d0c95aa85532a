"""Servers as processes: started on one core, asked for what they used, and ended with all that they started."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tests.support.postgres import free_port
from tests.support.serving import environment, start

OURS, BARE, DUTIES = "cds-service", "bare Flask + msgspec", "the same with log, numbers, rows"
HEALTHCHAIN, HAPI = "HealthChain", "HAPI CDS Hooks"
STARTS_WITHIN, STOPS_WITHIN, PAUSE = 90.0, 15.0, 0.005
TICKS = os.sysconf("SC_CLK_TCK")
STATE, SESSION, USER, SYSTEM = 0, 3, 11, 12
"""Places in `/proc/PID/stat`, counted after the name of the process."""
ENDED = "Z"


class Unusable(Exception):
    """A server does not start, or answers something else than cards."""


@dataclass(frozen=True)
class Spec:
    """How a server is started; `{port}` in its command is the port it is to listen on."""

    name: str
    command: Sequence[str]
    path: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    warm_up: int = 2
    """Seconds of load on each size of request before it is measured."""


class Server:
    """A server that runs, in a session of its own, by which all its processes are known."""

    def __init__(self, spec: Spec, process: subprocess.Popen[bytes], port: int) -> None:
        self.spec, self.name, self.path, self.port = spec, spec.name, spec.path, port
        self.process = process
        self.started_in = self.started_for = 0.0
        """Seconds until the first answer, and the CPU time that went into it."""

    @property
    def url(self) -> str:
        """Where it takes calls."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def check(self, body: bytes) -> None:
        """See that it answers *body* with cards.

        Raises:
            Unusable: it does not.
        """
        status, answer = self.post(body)
        cards = json.loads(answer).get("cards") if status == http.client.OK else None
        if not cards:
            raise Unusable(f"answers {status} without cards")

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        return sum(int(stat[USER]) + int(stat[SYSTEM]) for stat in members(self.process.pid).values()) / TICKS

    def peak_mib(self) -> tuple[float, float]:
        """The largest memory that its first process had, and the largest that any of its others had."""
        own, others = peak_mib(self.process.pid), members(self.process.pid).keys() - {self.process.pid}
        return own, max(map(peak_mib, others), default=0.0)


def ours(as_of: date, folder: Path) -> Spec:
    """`cds-service serve` as it comes, with one worker and its database in *folder*."""
    own = {"CDS_AS_OF": str(as_of), "CDS_WORKERS": "1", "CDS_DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}"}
    command = (str(Path(sys.executable).with_name("cds-service")), "serve", "--port", "{port}")
    return Spec(OURS, command, "/cds-services/vitamin-d-magnesium", folder, own)


@contextmanager
def running(spec: Spec, body: bytes, core: int, log: Path) -> Iterator[Server]:
    """The server of *spec* on *core* until the block ends; it has answered *body* once. What it prints is in *log*.

    Raises:
        Unusable: it does not start.
    """
    port = free_port()
    command = [*pinned(core), *(part.replace("{port}", str(port)) for part in spec.command)]
    begun = time.perf_counter()
    process = start(command, spec.folder, log, {**environment({}), **spec.environment})
    server = Server(spec, process, port)
    try:
        _wait(server, body, log)
        server.started_in, server.started_for = time.perf_counter() - begun, server.cpu_seconds()
        yield server
    finally:
        end(process)


def _wait(server: Server, body: bytes, log: Path) -> None:
    latest = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < latest and server.process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if server.post(body)[0] == http.client.OK:
                return
        time.sleep(PAUSE)
    raise Unusable(f"does not start: {last_line(log)}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End *process*, which leads a session: ask it first, then end whatever of the session is left."""
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
    finally:
        _kill(process.pid)
        process.wait()


def _kill(session: int) -> None:
    latest = time.monotonic() + STOPS_WITHIN
    while (left := members(session)) and time.monotonic() < latest:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def members(session: int) -> dict[int, list[str]]:
    """The processes of a session that live, each with what `/proc/PID/stat` says after its name."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(FileNotFoundError, ProcessLookupError):
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(stat[SESSION]) == session and stat[STATE] != ENDED:
                found[int(entry.name)] = stat
    return found


def peak_mib(pid: int) -> float:
    """The largest resident memory a process has had; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def pinned(core: int) -> tuple[str, ...]:
    """What stands before a command that is to run on *core*."""
    return ("taskset", "-c", str(core)) if shutil.which("taskset") else ()


def last_line(log: Path) -> str:
    """The last that a process said."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
