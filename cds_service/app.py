"""The factory: builds every collaborator once and wires it. Holds no logic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from cds_service import settings as settings_module
from cds_service import web
from cds_service.clinical import guidance
from cds_service.fhir import terminology
from cds_service.fhir.orders import Orders
from cds_service.hooks import registry
from cds_service.hooks.cards import CardWriter
from cds_service.hooks.prefetch import PrefetchOnly
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
        completer=PrefetchOnly(),
        max_cards=settings.max_cards,
        d3_is_total=settings.d3_is_total,
        today=settings.today,
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
