"""Servers as processes: what they used, and that nothing of them is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.servers import Server, Spec, Unusable, members, running

SERVER = """
import http.server, subprocess, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"])
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""
CORE = min(os.sched_getaffinity(0))


def spec(folder: Path, answer: str = '{"cards": [{}]}') -> Spec:
    """A server that gives one answer, with a child that does not end when it is asked to."""
    return Spec("stub", [sys.executable, "-c", SERVER, "{port}", answer], "/", folder)


def test_nothing_is_left_after_a_failure(tmp_path: Path):
    """Whatever ends the block, Ctrl-C too, the server and all that it started are gone."""
    seen: list[Server] = []

    def use():
        with running(spec(tmp_path), b"{}", CORE, tmp_path / "log") as server:
            seen.append(server)
            assert len(members(server.process.pid)) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert members(seen[0].process.pid) == {}


def test_memory_of_all_processes_is_known(tmp_path: Path):
    """The first process and its child have each had some."""
    with running(spec(tmp_path), b"{}", CORE, tmp_path / "log") as server:
        assert all(mib > 0 for mib in server.peak_mib())


def test_answer_must_have_cards(tmp_path: Path):
    """A server that has nothing to say does less than the others: it is not measured."""
    with (
        running(spec(tmp_path, '{"cards": []}'), b"{}", CORE, tmp_path / "log") as server,
        pytest.raises(Unusable, match="answers 200 without cards"),
    ):
        server.check(b"{}")


def test_server_that_does_not_start_says_why(tmp_path: Path):
    """The reason is the last line that it printed."""
    broken = Spec("stub", [sys.executable, "-c", "raise SystemExit('no such port')"], "/", tmp_path)

    with (
        pytest.raises(Unusable, match="does not start: no such port"),
        running(broken, b"{}", CORE, tmp_path / "log"),
    ):
        pytest.fail("it runs")


def test_processes_of_a_session_are_its_own():
    """A process that leads a session is in it, and this one is not."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as process:
        assert set(members(process.pid)) == {process.pid}
