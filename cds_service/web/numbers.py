"""The numbers of `/metrics` as the library keeps them.

Imported once a server process is there, and not before: the library looks into the environment when it is imported, to
know whether processes share numbers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.web.metrics import FOLDER

if TYPE_CHECKING:
    from cds_service.hooks.record import Call

MEDIA_TYPE = CONTENT_TYPE_LATEST
OF_A_CALL = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OF_A_STAGE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)

REGISTRY = CollectorRegistry()
REQUESTS = Counter("cds_requests", "Calls of a service", ["service", "status"], registry=REGISTRY)
SECONDS = Histogram("cds_request_seconds", "Seconds of a call", ["service"], buckets=OF_A_CALL, registry=REGISTRY)
STAGES = Histogram(
    "cds_stage_seconds",
    "Seconds of a stage of a call: decode, prefetch (completing it), logic, cards",
    ["stage"],
    buckets=OF_A_STAGE,
    registry=REGISTRY,
)
PREFETCH = Counter(
    "cds_prefetch_keys", "Prefetch keys as they were prefetched, fetched or lacking", ["state"], registry=REGISTRY
)
PAGES = Counter("cds_fhir_pages", "Pages fetched from FHIR servers", registry=REGISTRY)
CARDS = Counter("cds_cards", "Cards shown", ["topic"], registry=REGISTRY)
QUIET = Counter("cds_quiet_cards", "Cards not shown because of what was said of them", ["topic"], registry=REGISTRY)
FEEDBACKS = Counter("cds_feedback_requests", "Calls of feedback", ["service", "status"], registry=REGISTRY)
BUILD = Gauge(
    "cds_build_info",
    "1 for the version of the service and its guidance",
    ["version", "profile", "overlay", "guidance"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


def called(call: Call, service: str, status: int, seconds: float) -> None:
    """Count a call of a service."""
    REQUESTS.labels(service, status).inc()
    SECONDS.labels(service).observe(seconds)
    for stage, took in call.stages.items():
        STAGES.labels(stage).observe(took)
    if call.gathered is not None:
        for state, count in call.keys().items():
            if count:
                PREFETCH.labels(state).inc(count)
        pages = sum(key.pages for key in call.gathered.keys.values())
        if pages:
            PAGES.inc(pages)
    for topic in call.topics:
        CARDS.labels(topic).inc()
    for topic in call.quiet:
        QUIET.labels(topic).inc()


def written() -> bytes:
    """All numbers as text, those of every process."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
