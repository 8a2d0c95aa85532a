"""The factory: builds every collaborator once and wires it. Holds no logic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from cds_service import settings as settings_module
from cds_service import web
from cds_service.clinical import guidance
from cds_service.clinical.facts import Source
from cds_service.fhir import terminology
from cds_service.fhir.client import ClientLimits, FhirClient
from cds_service.fhir.orders import Orders
from cds_service.hooks import registry
from cds_service.hooks.cards import CardWriter
from cds_service.hooks.completion import CompletionLimits, FhirCompleter
from cds_service.hooks.service import Engine

if TYPE_CHECKING:
    from cds_service.settings import Settings


def build_engine(settings: Settings) -> Engine:
    """Load guidance and terminology and build the engine.

    Raises:
        StartupError: a setting or a guidance file is wrong.
    """
    loaded = guidance.load(settings.profile, settings.ckd_overlay)
    terms = terminology.load(loaded.names)
    return Engine(
        guidance=loaded,
        terms=terms,
        registry=registry.build(terms),
        writer=CardWriter(loaded, Orders(loaded)),
        completer=_completer(settings),
        max_cards=settings.max_cards,
        d3_is_total=settings.d3_is_total,
        strict_fhir=settings.strict_fhir,
        today=settings.today,
    )


def _completer(settings: Settings) -> FhirCompleter:
    keys = len(Source)
    limits = ClientLimits(
        connect_timeout=settings.fhir_connect_timeout,
        read_timeout=settings.fhir_read_timeout,
        max_bytes=settings.fhir_max_bytes,
        post_search=settings.fhir_post_search,
        ca_file=None if settings.fhir_ca_file is None else str(settings.fhir_ca_file),
        connections=settings.threads * keys,
    )
    return FhirCompleter(
        FhirClient(settings.server_rules(), limits),
        CompletionLimits(settings.fhir_deadline, settings.fhir_max_pages, settings.fhir_max_resources),
    )


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application, by *settings* or those of the environment.

    Raises:
        StartupError: a setting or a guidance file is wrong.
    """
    chosen = settings if settings is not None else settings_module.load()
    app = Flask("cds_service", static_folder=None)
    web.init_app(app, build_engine(chosen), chosen)
    return app
