"""Traces for OpenTelemetry: a span for each call of a service and of its feedback, made from what `Call` recorded.

Imported only where `CDS_OTLP_ENDPOINT` is set, so that nobody else pays for it. No attribute holds anything of a
patient, a token, the address of a FHIR server, or a client's own words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

from flask import Response
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir.client import Outcome
from cds_service.hooks.record import Call
from cds_service.settings import Settings
from cds_service.web.application import WebApplication
from cds_service.web.incoming import CALLED, FEEDBACK, Incoming

NAME = "vitamin-d-magnesium-cds"
ROUTES = {CALLED: "/cds-services/{id}", FEEDBACK: "/cds-services/{id}/feedback"}
"""The endpoints that are traced, by the addresses as the documentation writes them."""
FAULT = 500
"""From this status on it is the service that failed."""
EXPORT_SECONDS, LAST_SECONDS = 3.0, 4.0
"""How long the collector may take for a batch, and for all that is left when the process ends."""
NANOSECONDS = 1_000_000_000
PARENT = TraceContextTextMapPropagator()
BEGUN = "cds_service.span"
"""Where the environment holds the span of a call that is traced."""


class Begun(NamedTuple):
    """The span of a call, and when a moment of it was, in nanoseconds since 1970."""

    span: Span
    at: Callable[[float], int]


def init_app(app: WebApplication, settings: Settings, guidance: Guidance) -> None:
    """Trace the calls of *app*; what is left is sent by the function in its extension `cds_flush`."""
    provider = _provider(settings, guidance)
    tracer = provider.get_tracer("cds_service")
    app.extensions["cds_flush"] = partial(_flush, provider)

    def _begin(request: Incoming) -> None:
        route = ROUTES.get(request.endpoint or "")
        if route is None or request.method != "POST":
            return
        environ = request.environ
        scheme = environ["wsgi.url_scheme"]
        at = partial(_at, time.time_ns() - time.perf_counter_ns())
        span = tracer.start_span(
            f"POST {route}",
            context=PARENT.extract({"traceparent": environ.get("HTTP_TRACEPARENT", "")}),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "http.route": route, "url.scheme": scheme},
            start_time=at(request.started),
        )
        environ[BEGUN] = Begun(span, at)
        request.trace = format_trace_id(span.get_span_context().trace_id)

    def _end(request: Incoming, response: Response) -> None:
        begun: Begun | None = request.environ.get(BEGUN)
        if begun is not None:
            _finish(tracer, begun, request, response.status_code)

    app.begins.append(_begin)
    app.ends.append(_end)


def _provider(settings: Settings, guidance: Guidance) -> TracerProvider:
    resource = Resource.create(
        {
            "service.name": NAME,
            "service.version": version(NAME),
            "cds.guidance.profile": guidance.profile_name,
            "cds.guidance.digest": guidance.digest,
            "cds.guidance.local": guidance.local_digest,
        }
    )
    exporter = OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces", timeout=EXPORT_SECONDS)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _flush(provider: TracerProvider) -> None:
    """Send what is left; a collector that does not answer must not hold the process."""
    last = threading.Thread(target=provider.shutdown, daemon=True)
    last.start()
    last.join(LAST_SECONDS)


def _finish(tracer: Tracer, begun: Begun, request: Incoming, status: int) -> None:
    """End the span of this call, with a span for each part of the work."""
    call, span = request.call, begun.span
    if span.is_recording():
        span.set_attributes(_attributes(request, status))
        if status >= FAULT:
            span.set_status(StatusCode.ERROR)
        inside = set_span_in_context(span)
        for name, began, ended in _parts(call):
            part = tracer.start_span(name, context=inside, start_time=begun.at(began))
            if name == "prefetch":
                _tell_asked(tracer, call, set_span_in_context(part), begun.at)
            part.end(begun.at(ended))
    span.end(begun.at(time.perf_counter()))


def _attributes(request: Incoming, status: int) -> Mapping[str, str | int]:
    found: dict[str, str | int] = {"http.response.status_code": status}
    if request.service is not None:
        found["cds.service"] = request.service
    if request.endpoint == CALLED:
        found["cds.cards"] = len(request.call.cards)
    if status >= FAULT:
        found["error.type"] = str(status)
    return found


def _parts(call: Call) -> Iterator[tuple[str, float, float]]:
    """The parts of the work that are known, each with its beginning and end.

    Decoding is in two where prefetch was completed: before that the request, after it the resources.
    """
    gathered, at = call.gathered, call.began
    if gathered is not None and gathered.seconds:
        yield "decode", at, gathered.began
        at = gathered.began + gathered.seconds
        yield "prefetch", gathered.began, at
    if call.stages:
        read = call.began + call.stages["decode"] + call.stages["prefetch"]
        decided = read + call.stages["logic"]
        yield "decode", at, read
        yield "logic", read, decided
        yield "cards", decided, decided + call.stages["cards"]


def _tell_asked(tracer: Tracer, call: Call, inside: Context, at: Callable[[float], int]) -> None:
    """A span for each call of the FHIR server: which key, how it ended; never its address, which names the patient.

    *at* is when a moment of the call was, in nanoseconds since 1970.
    """
    keys = () if call.gathered is None else call.gathered.keys.values()
    for key in keys:
        for asked in key.asked:
            span = tracer.start_span(
                f"fhir {key.source.value}",
                context=inside,
                kind=SpanKind.CLIENT,
                attributes={"cds.prefetch.key": key.source.value, "cds.fhir.outcome": asked.outcome.value},
                start_time=at(asked.began),
            )
            if asked.outcome is not Outcome.OK:
                span.set_status(StatusCode.ERROR)
            span.end(at(asked.began + asked.seconds))


def _at(clock: int, moment: float) -> int:
    """A *moment* of the clock that only goes forward, in nanoseconds since 1970; *clock* is what that was set to."""
    return clock + round(moment * NANOSECONDS)
