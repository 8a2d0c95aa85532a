"""Real FHIR servers for the tests: HAPI (Java), Medplum (Node), and a front that demands a token."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

ROOT = Path(__file__).resolve().parents[2]
HAPI, MEDPLUM = ROOT / "tests" / "peers" / "hapi", ROOT / "tests" / "peers" / "medplum"
HAPI_BUILD, MEDPLUM_BUILD = ROOT / ".cache" / "hapi", ROOT / ".cache" / "medplum"
SYNTHETIC = "SYNTHETIC_PATIENTS"
"""Environment variable: the folder of the synthetic patients, which are no part of the repository."""

JAVA = ("java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
Json = dict[str, Any]


def missing(*tools: str) -> str | None:
    """Which of *tools* are not installed, in words; `None` when all are."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def synthetic_patients() -> dict[str, list[Json]] | None:
    """The resources of each synthetic patient by patient id; `None` where they are not at hand."""
    folder = Path(os.environ.get(SYNTHETIC, ROOT.parent / "shared" / "data" / "synthetic-patients"))
    if not (folder / "Patient.ndjson").is_file():
        return None
    found: dict[str, list[Json]] = {}
    for kind in ("Patient", "Observation", "Condition", "MedicationRequest"):
        for line in (folder / f"{kind}.ndjson").read_text(encoding="utf-8").splitlines():
            resource = json.loads(line)
            owner = resource["id"] if kind == "Patient" else resource["subject"]["reference"].rpartition("/")[2]
            found.setdefault(owner, []).append(resource)
    return found


@contextmanager
def hapi() -> Iterator[str]:
    """A HAPI server with nothing in it; its base URL."""
    _build(HAPI, HAPI_BUILD, ["mvn", "-B", "-q", "-f", str(HAPI), "compile", "dependency:copy-dependencies"])
    command = [*JAVA, "-cp", f"{HAPI_BUILD / 'classes'}:{HAPI_BUILD / 'lib' / '*'}", "fhirserver.Main"]
    with _started(command, HAPI_BUILD) as url:
        yield url


@contextmanager
def medplum() -> Iterator[str]:
    """A Medplum server with nothing in it; its base URL."""
    MEDPLUM_BUILD.mkdir(parents=True, exist_ok=True)
    shutil.copy(MEDPLUM / "package.json", MEDPLUM_BUILD)
    install = ["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund"]
    _build(MEDPLUM, MEDPLUM_BUILD, install)
    with _started(["node", "--experimental-websocket", str(MEDPLUM / "server.mjs")], MEDPLUM_BUILD) as url:
        yield url


def _build(sources: Path, build: Path, command: list[str]) -> None:
    """Run *command* in *build*, unless it was done from these very sources."""
    files = sorted(file for file in sources.rglob("*") if file.is_file())
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    stamp = build / "built-from"
    if stamp.exists() and stamp.read_text() == digest:
        return
    build.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=build, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    stamp.write_text(digest)


@contextmanager
def _started(command: list[str], folder: Path) -> Iterator[str]:
    """Run *command* until the block ends; the base URL it prints after READY."""
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            ready = next((line for line in process.stdout if line.startswith("READY")), None)
            if ready is None:
                raise RuntimeError(f"{command[0]} did not start, see {folder.name}/server.log")
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield ready.split()[1]
        finally:
            process.kill()


def load(url: str, resources: Iterable[Json]) -> None:
    """Put *resources* on the server at *url*, one by one under their own ids, which any server understands."""
    with requests.Session() as session:
        for resource in resources:
            address = f"{url}/{resource['resourceType']}/{resource['id']}"
            answer = session.put(address, json=resource, headers={"Content-Type": "application/fhir+json"}, timeout=60)
            assert answer.status_code in (200, 201), answer.text[:300]


def load_at_once(url: str, resources: Iterable[Json]) -> None:
    """The same in one transaction."""
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for resource in resources
    ]
    bundle: Json = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = requests.post(url, json=bundle, headers={"Content-Type": "application/fhir+json"}, timeout=120)
    assert answer.status_code == 200, answer.text[:300]


@dataclass(frozen=True)
class Seen:
    """A call that arrived at the front."""

    method: str
    target: str
    authorization: str | None
    status: int
    at: float


class Front(ThreadingHTTPServer):
    """Stands before an open FHIR server: demands the token, writes every call down, passes it on.

    The `Host` of the front is passed on too, so that next links lead back to it.
    """

    daemon_threads = True

    def __init__(self, upstream: str, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = urlsplit(upstream)
        self.token = token
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}{self.upstream.path}"

    @contextmanager
    def running(self) -> Iterator[Front]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = self.headers.get("Authorization")
        if sent == f"Bearer {self.server.token}":
            status, kind, content = self._ask(body)
        else:
            status, kind, content = 401, "text/plain", b""
        self.server.seen.append(Seen(self.command, self.path, sent, status, time.monotonic()))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _ask(self, body: bytes) -> tuple[int, str, bytes]:
        upstream = self.server.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("connection", "accept-encoding", "authorization")
        }
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        finally:
            connection.close()

    do_GET = do_POST = _pass  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Calls are written down; standard error stays clean."""
        del format, args
