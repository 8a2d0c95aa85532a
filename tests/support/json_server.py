"""A small server that a page in a browser may ask: JSON by method and path, to every origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.loopback import Call
from tests.support.recording_server import RecordingServer, Reply

Answer = Callable[[str, str], tuple[int, Any]]
"""The status and the body for a method and a path without its query."""


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
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Content-Type": "application/json",
    }

    def told(call: Call) -> Reply:
        status, body = (204, None) if call.method == "OPTIONS" else answer(call.method, call.path)
        return Reply(status, b"" if status == 204 else json.dumps(body).encode(), headers)

    with RecordingServer(told) as server:
        yield server.origin
