"""The numbers of `/metrics` as the library keeps them.

Imported once a server process is there, and not before: the library looks into the environment when it is imported, to
know whether processes share numbers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_service.fhir.client import Outcome
from cds_service.web.metrics import FOLDER, REASONS

if TYPE_CHECKING:
    from cds_service.hooks.record import Call

MEDIA_TYPE = CONTENT_TYPE_LATEST
OF_A_CALL = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OF_A_STAGE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
OF_A_FHIR_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5)

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
FHIR_CALLS = Counter("cds_fhir_calls", "Calls of FHIR servers, by how they ended", ["outcome"], registry=REGISTRY)
FHIR_SECONDS = Histogram(
    "cds_fhir_call_seconds", "Seconds of a call of a FHIR server", buckets=OF_A_FHIR_CALL, registry=REGISTRY
)
CARDS = Counter("cds_cards", "Cards shown", ["topic", "indicator"], registry=REGISTRY)
QUIET = Counter("cds_quiet_cards", "Cards not shown because of what was said of them", ["topic"], registry=REGISTRY)
FEEDBACKS = Counter("cds_feedback_requests", "Calls of feedback", ["service", "status"], registry=REGISTRY)
OPEN = Gauge(
    "cds_open_calls",
    "Calls that are worked on or wait for their turn, in all server processes",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
REFUSED = Counter(
    "cds_refused_calls",
    "Calls that the server refused before they were worked on, or gave up",
    ["reason"],
    registry=REGISTRY,
)
TOKENS = Counter(
    "cds_refused_tokens", "Tokens that were refused, by the check that failed", ["check"], registry=REGISTRY
)
BUILD = Gauge(
    "cds_build_info",
    "1 for the version of the service and its guidance",
    ["version", "profile", "overlay", "guidance"],
    registry=REGISTRY,
    multiprocess_mode="livemax",  # after a reload only what the living processes serve
)


for _outcome in Outcome:
    FHIR_CALLS.labels(_outcome.value)  # from 0 on, so that the first of a kind is seen as a growth
for _reason in REASONS.values():
    REFUSED.labels(_reason)


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
        for key in call.gathered.keys.values():
            for asked in key.asked:
                FHIR_CALLS.labels(asked.outcome.value).inc()
                FHIR_SECONDS.observe(asked.seconds)
    for card in call.cards:
        CARDS.labels(card.topic, card.indicator).inc()
    for topic in call.quiet:
        QUIET.labels(topic).inc()


def written() -> bytes:
    """All numbers as text, those of every process."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    _forget_the_dead(Path(os.environ[FOLDER]))
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """A process that was killed leaves its open calls in *folder*; they are open no more."""
    for file in folder.glob("gauge_live*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another process does the same at this moment
                mark_process_dead(process, folder)  # type: ignore[no-untyped-call]
