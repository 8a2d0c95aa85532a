"""A small server that a page in a browser may ask: JSON by method and path, to every origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = Callable[[str, str], tuple[int, Any]]
"""The status and the body for a method and a path without its query."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = (204, None) if self.command == "OPTIONS" else self.server.answer(self.command, self._path())
        content = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Authorization, Content-Type")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _path(self) -> str:
        return urlsplit(self.path).path

    do_GET = do_POST = do_OPTIONS = _answer  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Standard error stays clean."""
        del format, args


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """*server* in a thread of its own until the block ends; its base URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Serve what *answer* says on a free port of this machine; the base URL."""
    with running(_Server(answer)) as url:
        yield url
