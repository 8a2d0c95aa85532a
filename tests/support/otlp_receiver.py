"""A receiver of OTLP over HTTP on loopback, as a collector has one: it keeps the spans it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.loopback import Call
from tests.support.recording_server import RecordingServer, Reply

PATH = "/v1/traces"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """A span as it came over the wire: ids in hexadecimal, times in nanoseconds, with what it belongs to."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Receiver:
    """What was received: `sent` is every body as it came, `spans` what was in them; `url` is for CDS_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[bytes] = []
        self.spans: list[Span] = []

    def answer(self, call: Call) -> Reply:
        """Take an export; anything else is refused, as a collector would."""
        known = call.path == PATH and call.header("Content-Type") == [PROTOBUF]
        if known:
            self.take(call.body)
        content = ExportTraceServiceResponse().SerializeToString() if known else b""
        return Reply(200 if known else 404, content, {"Content-Type": PROTOBUF})

    def take(self, body: bytes) -> None:
        """Keep what is in an export."""
        self.sent.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _plain(group.resource.attributes)
            self.spans += [_read(span, resource) for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def under(self, parent: Span) -> list[Span]:
        """The spans that *parent* has, in the order of time."""
        return sorted((span for span in self.spans if span.parent == parent.id), key=lambda span: span.began)


def _read(span: trace_pb2.Span, resource: Mapping[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == trace_pb2.Status.StatusCode.STATUS_CODE_ERROR,
        attributes=_plain(span.attributes),
        resource=resource,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs until the block ends."""
    receiver = Receiver()
    with RecordingServer(receiver.answer) as server:
        receiver.url = server.origin
        yield receiver
