"""A FHIR server on loopback that answers as it is told and writes down every call, and a resolver for names.

The names of the tests (`ehr.test`) lead where the test says; addresses are looked up as ever.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import pytest

from tests.support.fixtures import SERVICE, engine
from tests.web.calls import TODAY, Json, golden

BASE = "/fhir"
FHIR_JSON = "application/fhir+json; charset=utf-8"
Resolved = Sequence[str] | Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Call:
    """One call, as it came over the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The search parameters, decoded, of the query or of the form."""
        text = self.body.decode() if self.method == "POST" else self.target.partition("?")[2]
        return parse_qsl(text, keep_blank_values=True)

    @property
    def key(self) -> str:
        """The prefetch key that is asked for; empty for a page or anything else."""
        kind = self.path.removeprefix(f"{BASE}/").partition("/")[0]
        return _keys().get((kind, dict(self.parameters).get("code", "")), "")

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": FHIR_JSON})


Answer = Callable[[Call], Reply]


def reply(value: Any, status: int = 200) -> Reply:
    """A resource as FHIR JSON."""
    return Reply(status, json.dumps(value).encode())


def redirect(url: str, status: int = 302) -> Reply:
    """A redirect to *url*."""
    return Reply(status, headers={"Location": url})


@cache
def _keys() -> dict[tuple[str, str], str]:
    """The prefetch keys by the resource type and the codes that their templates ask for."""
    return {
        (kind, dict(parse_qsl(query)).get("code", "")): source.value
        for source, template in engine(TODAY).registry.find(SERVICE).prefetch.items()
        for kind, query in [(template.partition("?")[0].partition("/")[0], template.partition("?")[2])]
    }


class Store:
    """A FHIR server's answers: the golden request's prefetch, with other values or replies for some keys."""

    def __init__(self, **changed: Any) -> None:
        self.values: dict[str, Any] = {**golden()["prefetch"], **changed}

    def __call__(self, call: Call) -> Reply:
        """Answer a read or search of a prefetch key; anything else is not there."""
        if call.key not in self.values:
            return reply({"resourceType": "OperationOutcome"}, 404)
        value = self.values[call.key]
        return value if isinstance(value, Reply) else reply(value)


class RecordingServer:
    """The server; a context manager that runs it."""

    def __init__(self, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Answer = answer or Store()
        self.calls: list[Call] = []
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.recorder = self
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def port(self) -> int:
        """The port it listens on, at 127.0.0.1."""
        return int(self._http.server_address[1])

    def url(self, host: str = "127.0.0.1") -> str:
        """The base URL under a name."""
        return f"{self.scheme}://{host}:{self.port}{BASE}"

    def reset(self, answer: Answer | None = None) -> None:
        """Forget the calls, and answer anew."""
        self.calls.clear()
        self.answer = answer or Store()

    def of(self, key: str) -> list[Call]:
        """The calls for a prefetch key."""
        return [call for call in self.calls if call.key == key]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # nine keys are asked for at once; the default of five may lose a connection
    recorder: RecordingServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away at any time."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(self.command, self.path, tuple(self.headers.items()), body)
        recorder = self.server.recorder
        recorder.calls.append(call)
        answer = recorder.answer(call)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """The calls are written down; standard error stays clean."""
        del format, args


def next_page(url: str) -> list[Json]:
    """The links of a Bundle that has a next page at *url*."""
    return [{"relation": "self", "url": "x"}, {"relation": "next", "url": url}]


def use_names(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Resolved]) -> list[str]:
    """Let *names* lead to addresses, or to what a function says each time; returns the list of names looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        try:
            ip_address(str(host).partition("%")[0])
        except ValueError:
            pass
        else:
            return real(host, port, *arguments, **options)
        asked.append(str(host))
        host.encode("idna")  # as the real one does, with the same errors
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "there is no such name")
        found = names[host]
        return [_info(address, port) for address in (found() if callable(found) else found)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def _info(address: str, port: int) -> tuple[Any, ...]:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def watch_connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every address that a connection is opened to from now on; only loopback is let through, the rest is refused."""
    opened: list[tuple[str, int]] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        opened.append((str(address[0]), int(address[1])))
        if not ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise ConnectionRefusedError
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return opened
