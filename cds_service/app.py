"""The factory: builds every collaborator once and wires it. Holds no logic."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from flask import Flask

from cds_service import settings as settings_module
from cds_service import web
from cds_service.clinical import guidance
from cds_service.clinical.facts import Source
from cds_service.errors import SettingsError
from cds_service.feedback.recorder import Recorder
from cds_service.feedback.store import FeedbackStore
from cds_service.fhir import terminology
from cds_service.fhir.client import ClientLimits, FhirClient
from cds_service.fhir.orders import Orders
from cds_service.fhir.servers import read_rules
from cds_service.hooks import registry
from cds_service.hooks.cards import CardWriter
from cds_service.hooks.completion import CompletionLimits, FhirCompleter
from cds_service.hooks.prefetch import SizeLimits
from cds_service.hooks.service import Engine
from cds_service.playground import situations
from cds_service.playground.trial import Playground
from cds_service.shipped import folder
from cds_service.store.database import Database
from cds_service.trust.rates import read_rate
from cds_service.web.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.fhir.servers import ServerRules
    from cds_service.settings import Settings
    from cds_service.trust.clients import Client, Clients
    from cds_service.trust.keys import KeySource
    from cds_service.trust.tokens import SeenTokens, Verifier


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
        completer=_completer(settings, settings.server_rules()),
        max_cards=settings.max_cards,
        d3_is_total=settings.d3_is_total,
        strict_fhir=settings.strict_fhir,
        sizes=SizeLimits(settings.max_entries, settings.max_resources),
        today=settings.today,
    )


def _completer(settings: Settings, rules: ServerRules) -> FhirCompleter:
    keys = len(Source)
    limits = ClientLimits(
        connect_timeout=settings.fhir_connect_timeout,
        read_timeout=settings.fhir_read_timeout,
        max_bytes=settings.fhir_max_bytes,
        post_search=settings.fhir_post_search,
        ca_file=_ca_file(settings),
        connections=settings.threads * keys,
    )
    return FhirCompleter(
        FhirClient(rules, limits),
        CompletionLimits(settings.fhir_deadline, settings.fhir_max_pages, settings.fhir_max_resources),
    )


def _ca_file(settings: Settings) -> str | None:
    return None if settings.fhir_ca_file is None else str(settings.fhir_ca_file)


def load_clients(settings: Settings) -> Clients:
    """The registry of clients.

    Raises:
        SettingsError: it is wrong.
    """
    from cds_service.trust import clients  # noqa: PLC0415 - cryptography is slow to import, and not everybody needs it

    return clients.Clients() if settings.clients is None else clients.load(settings.clients)


def build_verifier(settings: Settings, clients: Clients, seen: SeenTokens) -> Verifier:
    """What checks the tokens of *clients*; it asks *seen* whether one was used before."""
    from cds_service.trust.keys import FetchedKeys  # noqa: PLC0415 - as above
    from cds_service.trust.tokens import Verifier  # noqa: PLC0415

    keys: dict[str, KeySource] = {}
    for client in clients:
        pinned = client.pinned
        keys[client.id] = FetchedKeys(str(client.jku), _ca_file(settings)) if pinned is None else pinned
    return Verifier(clients, keys, seen)


def build_trust(settings: Settings, engine: Engine) -> Trust | None:
    """What decides who may call and what each client has; `None` where anybody may.

    Raises:
        StartupError: the registry of clients or the database is wrong.
    """
    if settings.auth == "off":
        return None
    from cds_service.trust.replays import Replays  # noqa: PLC0415 - as above

    clients = load_clients(settings)
    seen = Replays(_database(settings, quick=True))
    return Trust(
        verifier=build_verifier(settings, clients, seen),
        public_url=str(settings.public_url),
        engines={client.id: _engine_for(client, engine, settings) for client in clients},
        rates={client.id: read_rate(client.rate or settings.rate) for client in clients},
    )


def build_recorder(settings: Settings) -> Recorder | None:
    """What keeps feedback; `None` where none is kept.

    Raises:
        SettingsError: the database cannot be used.
    """
    if not settings.feedback:
        return None
    return Recorder(build_store(settings), settings.retention_days)


def build_store(settings: Settings) -> FeedbackStore:
    """Where feedback is kept.

    Raises:
        SettingsError: the database cannot be used.
    """
    key = None if settings.hash_key is None else settings.hash_key.get_secret_value()
    return FeedbackStore(_database(settings), _database(settings, quick=True), key)


def _database(settings: Settings, *, quick: bool = False) -> Database:
    try:
        return Database(settings.database_url, quick=quick)
    except ValueError as error:
        message = f"CDS_DATABASE_URL: {error}"
        raise SettingsError(message) from error


def _engine_for(client: Client, engine: Engine, settings: Settings) -> Engine:
    """The engine by which *client* is answered: what it has of its own, and the rest as for everybody."""
    own = engine
    if client.profile is not None:
        own = _guided(own, client.profile, settings.ckd_overlay)
    if client.max_cards is not None:
        own = replace(own, max_cards=client.max_cards)
    if client.fhir_servers is not None:
        rules = read_rules(
            client.fhir_servers, settings.fhir_private_networks, without_token=settings.fhir_without_token
        )
        own = replace(own, completer=_completer(settings, rules))
    return own


def _guided(engine: Engine, profile: str, overlay: str) -> Engine:
    """*engine* with other guidance."""
    loaded = guidance.load(profile, overlay)
    return replace(engine, guidance=loaded, writer=CardWriter(loaded, Orders(loaded)))


def build_playground(settings: Settings, engine: Engine, recorder: Recorder | None) -> Playground | None:
    """Everything that the page at `/` needs; `None` where there is to be none.

    Raises:
        SettingsError: the situations are not there.
    """
    if not settings.has_playground:
        return None
    usual = (settings.profile, settings.ckd_overlay)

    @cache
    def guided(profile: str, overlay: str) -> Engine:
        return engine if (profile, overlay) == usual else _guided(engine, profile, overlay)

    return Playground(
        situations=situations.load(folder("fhir_fixtures")),
        profiles=guidance.profiles_known(),
        overlays=guidance.overlays_known(),
        guided=guided,
        usual=usual,
        today=settings.today,
        memory=recorder,
        calls_servers=settings.auth == "off",
    )


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> Flask:
    """The WSGI application, by *settings* or those of the environment; around an *engine* that was built by them.

    Raises:
        StartupError: a setting, a guidance file or the registry of clients is wrong.
    """
    chosen = settings if settings is not None else settings_module.load()
    app = Flask("cds_service", static_folder=None, template_folder="web/templates")
    recorder = build_recorder(chosen)
    engine = build_engine(chosen) if engine is None else engine
    if recorder is not None:
        engine = replace(engine, memory=recorder)
    who = build_trust(chosen, engine)
    web.init_app(app, engine, chosen, who, recorder, build_playground(chosen, engine, recorder))
    app.extensions["cds_close"] = partial(_close, who, recorder, app.extensions.get("cds_flush"))
    return app


def _close(who: Trust | None, recorder: Recorder | None, flush: Callable[[], None] | None) -> None:
    """What is to be done before a process ends: write what waits, let go of the database, send the last traces."""
    if recorder is not None:
        recorder.close()
    if who is not None:
        who.verifier.seen.close()
    if flush is not None:
        flush()


def warnings(settings: Settings) -> list[str]:
    """What whoever starts the service must know: who may call without a secret.

    Raises:
        SettingsError: the registry of clients is wrong.
    """
    if settings.auth == "off":
        return ["AUTHENTICATION IS OFF: whoever reaches this service may call it (CDS_AUTH=jwt to change that)."]
    return [client.warning for client in load_clients(settings) if client.warning]
