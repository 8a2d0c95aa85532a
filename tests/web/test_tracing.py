"""Traces, as a collector gets them: which spans there are, what they tell, and that they tell nothing of a patient."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.logs import JsonLines
from cds_service.settings import Settings
from tests.support import fault_server as faults
from tests.support.otlp_receiver import Receiver, Span, receiving
from tests.support.recording_server import RecordingServer, Reply, Store
from tests.web.calls import (
    AUTHORIZATION,
    LOCAL,
    PATIENCE,
    PATIENT_ID,
    TODAY,
    URL,
    golden,
    post_to,
    without,
)

CALL, FEEDBACK = "POST /cds-services/{id}", "POST /cds-services/{id}/feedback"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
"""The example of the W3C."""
AUDIT = "cds_service.audit"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """What the traces are sent to."""
    with receiving() as found:
        yield found


Traced = Callable[[Callable[[FlaskClient], Any]], Any]


@pytest.fixture
def traced(receiver: Receiver) -> Traced:
    """Let a test call the service; when it has, all spans are at the receiver."""

    def run(calls: Callable[[FlaskClient], Any], **settings: Any) -> Any:
        app = create_app(Settings(as_of=TODAY, otlp_endpoint=receiver.url, **PATIENCE, **settings))
        try:
            return calls(app.test_client())
        finally:
            app.extensions["cds_close"]()

    return run


def only(receiver: Receiver, name: str = CALL) -> Span:
    """The one span of *name*."""
    (span,) = receiver.named(name)
    return span


def test_call_is_a_span_with_its_parts(traced: Traced, receiver: Receiver):
    """A call with complete prefetch is one trace: the call, and in it decode, logic and cards, one after the other."""
    before = time.time_ns()
    traced(lambda client: post_to(client, golden()))
    after = time.time_ns()
    call = only(receiver)
    parts = receiver.under(call)

    assert (call.kind, call.parent, call.failed) == ("SERVER", "", False)
    assert [part.name for part in parts] == ["decode", "logic", "cards"]
    assert len(receiver.spans) == 4
    assert {span.trace for span in receiver.spans} == {call.trace}
    moments = [call.began, *(moment for part in parts for moment in (part.began, part.ended)), call.ended]
    assert moments == sorted(moments)
    assert before <= call.began
    assert call.ended <= after


def test_what_a_call_tells(traced: Traced, receiver: Receiver):
    """Route, status and scheme as OpenTelemetry names them, the service, and how many cards: two for this patient."""
    traced(lambda client: post_to(client, golden()))

    assert only(receiver).attributes == {
        "http.request.method": "POST",
        "http.route": "/cds-services/{id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "cds.service": "vitamin-d-magnesium",
        "cds.cards": 2,
    }


def test_who_tells_it(traced: Traced, receiver: Receiver):
    """The resource names the service, its version, and the guidance in force by name and digest."""
    traced(lambda client: post_to(client, golden()))
    resource = only(receiver).resource

    assert resource["service.name"] == "vitamin-d-magnesium-cds"
    assert resource["service.version"] == "0.1.0"
    assert resource["cds.guidance.profile"] == "magnesium-aware"
    assert re.fullmatch("[0-9a-f]{12}", resource["cds.guidance.digest"])


def test_trace_of_the_caller_goes_on(traced: Traced, receiver: Receiver):
    """With a `traceparent` the call is part of the caller's trace."""
    traced(lambda client: client.post(URL, json=golden(), headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    call = only(receiver)

    assert (call.trace, call.parent) == (TRACE, PARENT)


@pytest.mark.parametrize(
    "sent", ["", "00", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-x"]
)
def test_unreadable_traceparent_begins_a_trace(traced: Traced, receiver: Receiver, sent: str):
    """A `traceparent` that is none is as good as not sent, and the call is answered."""
    answer = traced(lambda client: client.post(URL, json=golden(), headers={"traceparent": sent}))
    call = only(receiver)

    assert answer.status_code == 200
    assert (call.parent, call.trace == TRACE) == ("", False)


def test_fetching_is_told_key_by_key(traced: Traced, receiver: Receiver, server: RecordingServer):
    """What is fetched has a span for each call of the FHIR server, within that of prefetch: the key, how it ended."""
    server.reset(Store(kidney=Reply(404), chemistry=Reply(500)))
    request = {**without("kidney", "chemistry", "labOrders"), "fhirServer": server.url()}
    traced(lambda client: post_to(client, request))
    parts = receiver.under(only(receiver))
    (prefetch,) = receiver.named("prefetch")
    asked = receiver.under(prefetch)

    assert [part.name for part in parts] == ["decode", "prefetch", "decode", "logic", "cards"]
    assert {(span.name, span.kind, span.failed, span.attributes["cds.fhir.outcome"]) for span in asked} == {
        ("fhir kidney", "CLIENT", True, "not-found"),
        ("fhir chemistry", "CLIENT", True, "error"),
        ("fhir labOrders", "CLIENT", False, "ok"),
    }
    assert all(span.attributes.keys() == {"cds.prefetch.key", "cds.fhir.outcome"} for span in asked)
    assert all(prefetch.began <= span.began <= span.ended <= prefetch.ended for span in asked)


def test_call_that_is_refused_tells_what_was_asked(traced: Traced, receiver: Receiver):
    """A required key that cannot be had is 412: no fault of the service, and its trace shows the call that failed."""
    with faults.closed_port() as port:
        request = {**without("magnesium"), "fhirServer": f"http://127.0.0.1:{port}"}
        traced(lambda client: post_to(client, request))
    call = only(receiver)

    assert (call.attributes["http.response.status_code"], call.failed) == (412, False)
    assert [part.name for part in receiver.under(call)] == ["decode", "prefetch"]
    assert only(receiver, "fhir magnesium").attributes["cds.fhir.outcome"] == "unreachable"


def test_fault_of_the_service_is_told(traced: Traced, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    """A 500 is an error of the span, by its status; what went wrong is for the log."""
    monkeypatch.setattr("cds_service.hooks.service.read_request", lambda _: 1 / 0)
    traced(lambda client: post_to(client, golden()))
    call = only(receiver)

    assert call.failed
    assert call.attributes["error.type"] == "500"
    assert receiver.under(call) == []


def test_feedback_is_a_span(traced: Traced, receiver: Receiver, tmp_path: Path):
    """A call of feedback is a span of its own."""
    item = {
        "card": "0f2f3d6e-1111-4111-8111-111111111111",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-02T08:00:00Z",
    }
    kept: dict[str, Any] = {"feedback": True, "database_url": f"sqlite:///{tmp_path}/kept.sqlite3"}
    traced(lambda client: client.post(f"{URL}/feedback", json={"feedback": [item]}), **kept)
    span = only(receiver, FEEDBACK)

    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["cds.service"] == "vitamin-d-magnesium"
    assert not [body for body in receiver.sent if item["card"].encode() in body]


def test_nothing_else_is_traced(traced: Traced, receiver: Receiver):
    """Health, numbers, discovery and preflights make no spans."""

    def ask(client: FlaskClient) -> None:
        for path in ("/healthz", "/readyz", "/metrics", "/cds-services", "/"):
            client.get(path)
        client.options(URL, headers={"Origin": LOCAL, "Access-Control-Request-Method": "POST"})

    traced(ask)

    assert receiver.spans == []


def test_nothing_of_the_patient_leaves(traced: Traced, receiver: Receiver, server: RecordingServer):
    """No id, name, date, value, token or address is in what is sent, whatever the request brought."""
    sent = {
        **without("kidney", "conditions"),
        "fhirServer": server.url(),
        "fhirAuthorization": AUTHORIZATION,
        "hookInstance": "instance-of-the-client",
    }
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=told", "User-Agent": "told-agent"}
    traced(lambda client: client.post(f"{URL}?told=query", json=sent, headers=headers))
    body = b"".join(receiver.sent)

    assert len(receiver.named("fhir kidney")) == 1
    secrets = (
        PATIENT_ID, "Example", "1980-06-15", "0.72", "2026-02-20", str(AUTHORIZATION["access_token"]), str(server.port),
        "instance-of", "told", "Observation", "magnesium-low", "127.0.0.1", "localhost",
    )  # fmt: skip
    for secret in secrets:
        assert secret.encode() not in body, secret


def test_line_of_the_log_names_the_trace(traced: Traced, receiver: Receiver, caplog: pytest.LogCaptureFixture):
    """The line of a call has the id of its trace, so that one leads to the other."""
    with caplog.at_level(logging.INFO, logger=AUDIT):
        traced(lambda client: post_to(client, golden()))
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == AUDIT]

    assert line["trace"] == only(receiver).trace


def test_without_the_setting_there_is_no_trace(client: FlaskClient, caplog: pytest.LogCaptureFixture):
    """Without CDS_OTLP_ENDPOINT no line names a trace, also where the caller sends one."""
    with caplog.at_level(logging.INFO, logger=AUDIT):
        client.post(URL, json=golden(), headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == AUDIT]

    assert "trace" not in line


@pytest.mark.served
def test_without_the_setting_nothing_is_loaded():
    """Without CDS_OTLP_ENDPOINT the library is not even imported."""
    program = "import sys; from cds_service import create_app; create_app(); print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
