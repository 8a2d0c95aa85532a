"""Traces of the running service: made in each server process, and sent before it ends."""

from __future__ import annotations

import json

import pytest

from tests.support.otlp_receiver import receiving
from tests.support.serving import serving
from tests.web.calls import TODAY, golden
from tests.web.holding import post

pytestmark = pytest.mark.served

CALLS = 10


def test_traces_of_all_processes_are_sent():
    """Each of ten calls to two processes is at the receiver once the service has ended, under the id in its line."""
    with receiving() as receiver:
        with serving(as_of=TODAY, feedback=False, workers=2, otlp_endpoint=receiver.url) as served:
            statuses = {post(served, golden(), Connection="close").status_code for _ in range(CALLS)}
            status = served.stop()
            lines = [json.loads(line) for line in served.log.splitlines() if line.startswith("{")]
        sent = [span.trace for span in receiver.named("POST /cds-services/{id}")]

    assert (statuses, status) == ({200}, 0)
    assert len(sent) == CALLS
    assert sorted(sent) == sorted(line["trace"] for line in lines if line["event"] == "call")


def test_absent_collector_holds_nobody():
    """Where the collector does not answer, the service answers, ends by itself, and its log stays lines of JSON."""
    with serving(as_of=TODAY, feedback=False, otlp_endpoint="http://127.0.0.1:1") as served:
        answer = post(served, golden())
        served.stop()
        text = served.log

    assert answer.status_code == 200
    assert served.status == 0
    told = [
        line
        for line in text.splitlines()
        if not line.startswith(("Every day is ", "Serving on ", "Open ", "WARNING: ", "[INFO] "))
    ]
    events = [json.loads(line) for line in told]
    assert [event for event in events if event["level"] in ("warning", "error")]
