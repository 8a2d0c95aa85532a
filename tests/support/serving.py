"""The service as a real process: `cds-service serve` on a free port, with its log, its workers and what it wrote."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / ".venv" / "bin" / "cds-service"
SERVING = re.compile(r"^Serving on (https?)://\S+:(\d+)/cds-services$", re.MULTILINE)
STARTS_WITHIN, STOPS_WITHIN, PAUSE = 60.0, 30.0, 0.02
POLLS = 600
"""How often something is looked for, a twentieth of a second apart."""


@dataclass
class Served:
    """A service that runs. `folder` is its working directory; what it prints is in a file elsewhere."""

    process: subprocess.Popen[bytes]
    folder: Path
    log_file: Path
    trusted: Path | None = None
    scheme: str = "http"
    port: int = 0
    status: int | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has printed so far, on standard output and standard error."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its main process."""
        return self.process.pid

    @property
    def workers(self) -> list[int]:
        """Its server processes that live."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        return [pid for pid in map(int, children) if _resident(pid)]

    @property
    def resident(self) -> dict[int, int]:
        """The bytes of memory that each worker has."""
        return {pid: _resident(pid) for pid in self.workers}

    @property
    def written(self) -> Mapping[str, bytes]:
        """All that it wrote: what it printed, and every file in its working directory, by name."""
        files = {file.name: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        return {**files, "standard output and error": self.log_file.read_bytes()}

    def wait(self) -> None:
        """Until it answers.

        Raises:
            RuntimeError: it has ended, or does not answer in time.
        """
        latest = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < latest and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(PAUSE)
        raise RuntimeError(f"cds-service does not answer (exit status {self.process.poll()}):\n{self.log}")

    def _answers(self) -> bool:
        found = SERVING.search(self.log)
        if found is None:
            return False
        self.scheme, self.port = found[1], int(found[2])
        verify = True if self.trusted is None else str(self.trusted)
        try:
            return requests.get(f"{self.url}/healthz", timeout=5, verify=verify).status_code == 200
        except requests.RequestException:
            return False

    def stop(self) -> int:
        """Ask it to end, as whoever operates it would; its exit status."""
        if self.status is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.status = self.process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)  # its own group: see start_new_session
                self.status = self.process.wait()
        return self.status


def until(done: Callable[[], bool], never: str = "it never is", polls: int = POLLS) -> None:
    """Look for something again and again until it is *done*; otherwise fail, and say what *never* comes."""
    for _ in range(polls):
        if done():
            return
        threading.Event().wait(0.05)
    raise AssertionError(never)


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """The environment with these settings and no others."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("CDS_")}
    return own | {f"CDS_{name.upper()}": _written(value) for name, value in settings.items()}


def start(
    command: Sequence[str | Path], folder: Path, log_file: Path, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Run *command* in *folder* with the environment *variables*, in a session of its own; what it prints is logged."""
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def serving(
    arguments: Sequence[str] = (), trusted: Path | None = None, command: Path = COMMAND, **settings: Any
) -> Iterator[Served]:
    """`cds-service serve` with *settings* until the block ends; `trusted` is who signed its certificate.

    One server process, unless the settings say otherwise, on a machine of any size.
    """
    with tempfile.TemporaryDirectory(prefix="cds-served-") as place:
        folder, log_file = Path(place) / "work", Path(place) / "log"
        folder.mkdir()
        variables = environment({"workers": 1, **settings})
        process = start([command, "serve", "--port", "0", *arguments], folder, log_file, variables)
        served = Served(process, folder, log_file, trusted)
        try:
            served.wait()
            yield served
        finally:
            served.stop()


def _resident(pid: int) -> int:
    """The bytes of memory of a process; 0 where it is gone, or has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _written(value: object) -> str:
    """A setting as its environment variable has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
