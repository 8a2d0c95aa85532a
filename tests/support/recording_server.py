"""A FHIR server on loopback that answers as it is told and writes down every call, and a resolver for names.

The names of the tests (`ehr.test`) lead where the test says; addresses are looked up as ever.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.support.fixtures import SERVICE, engine
from tests.support.loopback import Call, Loopback
from tests.web.calls import TODAY, Json, golden

BASE = "/fhir"
FHIR_JSON = "application/fhir+json; charset=utf-8"
Resolved = Sequence[str] | Callable[[], Sequence[str]]


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
        key = key_of(call)
        if key not in self.values:
            return reply({"resourceType": "OperationOutcome"}, 404)
        value = self.values[key]
        return value if isinstance(value, Reply) else reply(value)


def key_of(call: Call) -> str:
    """The prefetch key that is asked for; empty for a page or anything else."""
    kind = call.path.removeprefix(f"{BASE}/").partition("/")[0]
    return _keys().get((kind, dict(call.parameters).get("code", "")), "")


class RecordingServer(Loopback):
    """The server; a context manager that runs it."""

    def __init__(self, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.answer: Answer = answer or Store()
        self.calls: list[Call] = []

    def meet(self, call: Call, connection: socket.socket) -> bool:
        """Write the call down, and answer it."""
        self.calls.append(call)
        reply = self.answer(call)
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**reply.headers, "Content-Length": len(reply.body)}.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body)
        return True

    def url(self, host: str = "127.0.0.1") -> str:
        """The base URL under a name."""
        return f"{self.scheme}://{host}:{self.port}{BASE}"

    def reset(self, answer: Answer | None = None) -> None:
        """Forget the calls, and answer anew."""
        self.calls.clear()
        self.answer = answer or Store()


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
