"""`GET /metrics`: what the service does, for Prometheus; right across the server processes. Nothing of any patient.

The processes of `cds-service serve` write into one folder, and whichever is asked adds them up. This module is imported
once a server process is there, and not before: the library looks into the environment when it is imported, to know
whether processes share numbers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir.client import Outcome
from cds_service.hooks.prefetch import Gathered
from cds_service.hooks.prefetch_keys import Key
from cds_service.hooks.record import Call
from cds_service.kept_modes import Modes
from cds_service.settings import NUMBERS_FOLDER, Settings
from cds_service.web import owner, status_codes
from cds_service.web.application import WebApplication
from cds_service.web.incoming import CALLED, FEEDBACK, Incoming
from cds_service.web.status_codes import REFUSALS, counted

UNKNOWN = "unknown"
"""The service where the address names none of ours: the client's own words are no label."""
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
SILENT = Counter(
    "cds_silent_cards", "Cards held back by a mode that does not show them", ["topic", "indicator"], registry=REGISTRY
)
MODE = Gauge(
    "cds_mode",
    "1 for each mode in force: of the service, and of clients and topics that have their own",
    ["client", "topic", "mode"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
MODE_AWAY = Gauge(
    "cds_mode_database_away",
    "1 while a process cannot read which modes are in force, so that the last known ones hold for ten minutes",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
QUIET = Counter("cds_quiet_cards", "Cards not shown because of what was said of them", ["topic"], registry=REGISTRY)
GIVEN_UP = Counter(
    "cds_look_ups_given_up",
    "Calls whose cards went out as if nothing had been said of earlier ones: the database did not answer in time",
    registry=REGISTRY,
)
FEEDBACKS = Counter("cds_feedback_requests", "Calls of feedback", ["service", "status"], registry=REGISTRY)
OPEN = Gauge(
    "cds_open_calls",
    "Calls that are worked on or wait for their turn, in all server processes",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
BODIES = Gauge(
    "cds_body_bytes",
    "Bytes of the bodies that are under way, in all server processes",
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
OLD_KEYS = Counter(
    "cds_old_key_calls", "Calls let in by a client's last keys, since new ones cannot be had", registry=REGISTRY
)
BUILD = Gauge(
    "cds_build_info",
    "1 for the version of the service and its guidance",
    ["version", "profile", "overlay", "guidance", "local"],
    registry=REGISTRY,
    multiprocess_mode="livemax",  # after a reload only what the living processes serve
)


N = TypeVar("N", Counter, Histogram)


@cache
def child(number: N, *labels: str | int) -> N:
    """What counts *labels* in *number*: kept, as there are few, and the library is slow to find it."""
    return number.labels(*labels)


_TOLD: set[tuple[str, str, str]] = set()
"""The modes that this process has told of so far."""

for _outcome in Outcome:
    FHIR_CALLS.labels(_outcome.value)  # from 0 on, so that the first of a kind is seen as a growth
for _told in REFUSALS.values():
    if _told.reason:
        REFUSED.labels(_told.reason)


def init_app(app: WebApplication, settings: Settings, guidance: Guidance) -> None:
    """Put the page on *app*, and count its calls."""
    page = Blueprint("metrics", __name__)
    owner.guard(page, settings, settings.metrics_token)

    @page.get("/metrics")
    def _metrics() -> Response:
        return Response(written(os.environ.get(NUMBERS_FOLDER)), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(page)
    BUILD.labels(
        version=version("vitamin-d-magnesium-cds"),
        profile=guidance.profile_name,
        overlay=settings.ckd_overlay,
        guidance=guidance.digest,
        local=guidance.local_digest,
    ).set(1)

    def _count(request: Incoming, response: Response) -> None:
        if request.method == "OPTIONS":  # a browser asks whether it may call: that is no call
            return
        service, endpoint = request.service or UNKNOWN, request.endpoint
        if endpoint == CALLED:
            called(request.call, service, response.status_code, time.perf_counter() - request.started)
        elif endpoint == FEEDBACK:
            FEEDBACKS.labels(service, response.status_code).inc()
        by_server = request.environ.get(status_codes.REFUSED)
        if reason := counted(by_server or request.refusal, by_server=by_server is not None):
            REFUSED.labels(reason).inc()
        if request.caller is not None and request.caller.old_keys:
            OLD_KEYS.inc()
        if request.refused is not None:
            TOKENS.labels(request.refused.check).inc()

    app.ends.append(_count)


def called(call: Call, service: str, status: int, seconds: float) -> None:
    """Count a call of a service."""
    child(REQUESTS, service, status).inc()
    child(SECONDS, service).observe(seconds)
    for stage, took in call.stages.items():
        child(STAGES, stage).observe(took)
    if call.gathered is not None:
        _gathered(call, call.gathered)
    for card in call.cards:
        child(CARDS, card.topic, card.indicator).inc()
    for held in call.weighed.silent:
        child(SILENT, held.topic, held.indicator).inc()
    if call.unasked:
        GIVEN_UP.inc()
    for topic in call.quiet:
        child(QUIET, topic).inc()


def modes_are(modes: Modes) -> None:
    """Tell which modes are in force now, and that those of before are not."""
    now = set()
    for client in ("", *modes.known.choices.clients()):
        force = modes.of(client)
        now.add((client, "", str(force.usual)))
        now |= {(client, topic, str(choice)) for topic, choice in force.topics.items()}
    for labels in _TOLD - now:
        MODE.labels(*labels).set(0)
    for labels in now:
        MODE.labels(*labels).set(1)
    _TOLD.update(now)
    MODE_AWAY.set(modes.is_away)


def _gathered(call: Call, gathered: Gathered) -> None:
    for state, count in call.keys()._asdict().items():
        if count:
            child(PREFETCH, state).inc(count)
    if gathered.began:
        _completed(gathered.keys.values())


def _completed(keys: Collection[Key]) -> None:
    pages = sum(key.pages for key in keys)
    if pages:
        PAGES.inc(pages)
    for key in keys:
        for asked in key.asked:
            FHIR_CALLS.labels(asked.outcome.value).inc()
            FHIR_SECONDS.observe(asked.seconds)


def written(folder: str | None) -> bytes:
    """All numbers as text, those of every process that writes into *folder*."""
    if folder is None:
        return generate_latest(REGISTRY)
    _forget_the_dead(Path(folder))
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
