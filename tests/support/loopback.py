"""An HTTP server on loopback for the tests: it hands over every call with its connection, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Call:
    """One call, as it came over the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.target.partition("?")[2]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The search parameters, decoded, of the query or of the form."""
        return parse_qsl(self.body.decode() if self.method == "POST" else self.query, keep_blank_values=True)

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


class Loopback:
    """The server; a context manager that runs it, and ends every call at its end, however that hangs."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        self.connections = 0
        self.scheme = "http" if tls is None else "https"
        self._http = _Http(self)
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.disconnect()
        self._http.server_close()  # waits for every thread

    @property
    def port(self) -> int:
        """The port it listens on, at 127.0.0.1."""
        return int(self._http.server_address[1])

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def meet(self, call: Call, connection: socket.socket) -> bool:
        """Answer *call* on its *connection*; whether that may be used again."""
        raise NotImplementedError


class _Http(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64  # nine keys are asked for at once; the default of five may lose a connection

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its packets are sent at once."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.owner.connections += 1
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close without a shutdown, which would come before a reset."""
        self._open.discard(request)
        self.close_request(request)

    def disconnect(self) -> None:
        """Wake every thread that reads or writes."""
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may go away at any time; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def _meet(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(self.command, self.path, tuple(self.headers.items()), body)
        usable = self.server.owner.meet(call, self.connection)
        self.close_connection = self.close_connection or not usable

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _meet  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """The calls are written down; standard error stays clean."""
        del format, args
