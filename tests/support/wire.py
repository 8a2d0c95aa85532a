"""One connection to a server, byte by byte: what no HTTP client would send can be sent."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from types import TracebackType
from typing import Any, NamedTuple, Self

PATIENCE = 30.0
"""Seconds after which a test gives up on an answer: the server hangs."""


class Answer(NamedTuple):
    """A whole answer; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class Wire:
    """A connection to 127.0.0.1; a context manager that closes it."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, timeout: float = PATIENCE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Self:
        """Send, as far as the server takes it: it may have answered and closed already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self.socket.sendall(piece)
        return self

    def end(self) -> Self:
        """Send nothing more."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, method: str = "POST") -> Answer | None:
        """The next answer; `None` where the connection is closed without one.

        Raises:
            TimeoutError: there is none in time.
        """
        response = http.client.HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            body = response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            return None
        finally:
            response.close()

    def whole(self, method: str = "POST") -> Answer:
        """The next answer, which must come."""
        found = self.answer(method)
        assert found is not None, "the connection was closed without an answer"
        return found

    def is_closed(self) -> bool:
        """Wait until the server closes the connection; false where it sends something instead.

        Raises:
            TimeoutError: it does neither in time.
        """
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def request(method: str, target: str, *headers: str, body: bytes | None = None, version: str = "1.1") -> bytes:
    """The bytes of a request; a body is sent with its length."""
    sized = [] if body is None else [f"Content-Length: {len(body)}"]
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *headers, *sized, "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks, whole."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def ask(port: int, sent: bytes, method: str = "POST", timeout: float = PATIENCE) -> Answer:
    """The answer to *sent*, on a connection of its own."""
    with Wire(port, timeout=timeout) as wire:
        return wire.send(sent).whole(method)
