"""Servers as processes: what they used, and that nothing of them is left."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from benchmarks.servers import Server, Spec, Unusable, running

SERVER = """
import http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""
CARDS = '{"cards": [{}]}'


@contextmanager
def stub(folder: Path, script: str = SERVER, answer: str = CARDS) -> Iterator[Server]:
    """A server that gives one answer."""
    file = folder / "stub.py"
    file.write_text(script, encoding="utf-8")
    command = f"{sys.executable} {file} PORT {shlex.quote(answer)}"
    with running(Spec(command, ""), folder, os.environ, b"{}") as server:
        yield server


def test_nothing_is_left_after_a_failure(tmp_path: Path):
    """Whatever ends the block, Ctrl-C too, the server is gone."""
    seen: list[psutil.Process] = []

    def use():
        with stub(tmp_path) as server:
            seen.extend(server.processes())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    gone, alive = psutil.wait_procs(seen, timeout=30)

    assert len(gone) == 1
    assert alive == []


def test_use_is_known(tmp_path: Path):
    """A process that runs Python has some MiB, and took some CPU to start."""
    with stub(tmp_path) as server:
        assert 1 < server.mebibytes() < 1000
        assert server.start_cpu > 0


def test_answer_must_have_cards(tmp_path: Path):
    """A server that has nothing to say does less than the others: it is not measured."""
    with pytest.raises(Unusable, match="answers without cards"), stub(tmp_path, answer='{"cards": []}'):
        pytest.fail("it is used")


def test_server_that_does_not_start_says_why(tmp_path: Path):
    """The reason is the last that it printed."""
    with (
        pytest.raises(Unusable, match="does not start: no such port"),
        stub(tmp_path, script="raise SystemExit('no such port')"),
    ):
        pytest.fail("it runs")
