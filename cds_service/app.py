"""The factory: builds every collaborator once and wires it. Holds no logic."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, cast

from cds_service import settings as settings_module
from cds_service import web
from cds_service.clinical.cards.catalogue import MAY_BE_CRITICAL
from cds_service.clinical.facts import Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.order_limits import ALWAYS_ON
from cds_service.errors import SettingsError
from cds_service.feedback.recorder import KeptDays, Recorder
from cds_service.feedback.store import FeedbackStore
from cds_service.fhir import terminology
from cds_service.fhir.client import ClientLimits, FhirClient
from cds_service.fhir.orders import Orders
from cds_service.fhir.terminology import Terminology
from cds_service.guidance import loading
from cds_service.hooks import order_hooks, patient_view
from cds_service.hooks.card_json import AboutPages, CardWriter
from cds_service.hooks.completion import CompletionLimits, FhirCompleter
from cds_service.hooks.feedback_body import Offers, offers
from cds_service.hooks.memory import FORGETFUL, FeedbackKeeper
from cds_service.hooks.prefetch import SizeLimits
from cds_service.hooks.registry import Registry
from cds_service.hooks.service import Engine
from cds_service.kept_modes import Modes
from cds_service.modes import Choice, Chosen, Scope
from cds_service.playground import situations
from cds_service.playground.trial import Playground
from cds_service.settings import Settings
from cds_service.shipped import folder
from cds_service.store.database import Database
from cds_service.store.patience import FEEDBACK_AT_ONCE, LOOK_UP, MIGRATION, WRITE
from cds_service.trust.rates import read_rate
from cds_service.waiting import Places
from cds_service.web.application import WebApplication
from cds_service.web.callers import Trust

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from cds_service.trust.clients import Client, Clients
    from cds_service.trust.keys import KeySource
    from cds_service.trust.tokens import SeenTokens, Verifier


def places(settings: Settings) -> Places:
    """Places to wait for FHIR servers: at each server as many calls ask, and wait, as this process works on itself."""
    return Places(settings.threads, settings.waiting)


def feedback_places(settings: Settings) -> Places:
    """Places to keep feedback: for each client one, and half as many calls in its line as this process works on."""
    return Places(FEEDBACK_AT_ONCE, settings.threads // 2)


def build_engine(settings: Settings) -> Engine:
    """Load guidance and terminology and build the engine.

    Raises:
        StartupError: a setting or a guidance file is wrong.
    """
    local = loading.read_local(settings.guidance, settings.calendar_day())
    loaded = loading.load(settings.profile, settings.ckd_overlay, local=local)
    terms = terminology.load(loaded.names)
    return Engine(
        guidance=loaded,
        terms=terms,
        registry=Registry(
            (
                patient_view.build(terms, loaded),
                order_hooks.select(
                    terms, loaded, settings.order_rows_off, patient_alone=settings.order_select_patient_alone
                ),
                order_hooks.sign(terms, loaded, settings.order_rows_off),
            )
        ),
        writer=build_writer(loaded, terms, settings),
        completer=_completer(settings),
        max_cards=settings.max_cards,
        d3_is_total=settings.d3_is_total,
        strict_fhir=settings.strict_fhir,
        sizes=SizeLimits(settings.max_entries, settings.max_resources),
        today=settings.today,
        local=local,
    )


def build_writer(loaded: Guidance, terms: Terminology, settings: Settings) -> CardWriter:
    """What writes the cards of *loaded*, with links to the pages behind them where the public address is known."""
    about = None if settings.public_url is None else AboutPages(settings.public_url, settings.profile)
    return CardWriter(loaded, Orders(loaded, terms.of_orders), about)


def _completer(settings: Settings) -> FhirCompleter:
    waiting = places(settings)
    limits = ClientLimits(
        connect_timeout=settings.fhir_connect_timeout,
        read_timeout=settings.fhir_read_timeout,
        max_bytes=settings.fhir_max_bytes,
        post_search=settings.fhir_post_search,
        ca_file=_ca_file(settings),
        connections=waiting.most_asking * len(Source),
    )
    client = FhirClient(settings.server_rules(), limits)
    if settings.fhir_servers:
        client.ready()  # not in the time of the first call
    return FhirCompleter(
        client,
        CompletionLimits(settings.fhir_deadline, settings.fhir_max_pages, settings.fhir_max_resources),
        waiting,
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
    from cds_service.trust.fetched_keys import FetchedKeys  # noqa: PLC0415 - as above
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
    seen = Replays(_tokens(settings))
    return Trust(
        verifier=build_verifier(settings, clients, seen),
        public_url=str(settings.public_url),
        engines={client.id: _engine_for(client, engine, settings) for client in clients},
        rates={client.id: read_rate(client.rate or settings.rate) for client in clients},
    )


def build_keeper(settings: Settings, engine: Engine) -> FeedbackKeeper:
    """What keeps feedback on the cards of *engine*.

    Raises:
        SettingsError: the database cannot be used.
    """
    if not settings.feedback:
        return FORGETFUL
    store = build_store(settings, offers(engine.guidance.feedback))
    kept = KeptDays(settings.retention_days, settings.comparison_days)
    return Recorder(store, kept, feedback_places(settings), settings.request_deadline)


def build_store(settings: Settings, offered: Offers | None = None) -> FeedbackStore:
    """Where feedback is kept; *offered* are the reasons that cards offer, for who takes feedback.

    Raises:
        SettingsError: the database cannot be used.
    """
    key = None if settings.hash_key is None else settings.hash_key.get_secret_value()
    looking = _database(settings, patience=LOOK_UP)
    return FeedbackStore(_database(settings), _database(settings, quick=True), looking, key, offered or {})


def build_modes(settings: Settings, engine: Engine) -> Modes:
    """What knows the modes in force.

    Raises:
        SettingsError: one is for a topic that is none, or the database cannot be used.
    """
    configured = chosen_modes(settings)
    known = topics_of(engine.guidance)
    unknown = sorted({scope.topic for place in configured for scope in place if scope.topic} - known)
    if unknown:
        raise SettingsError(f"a mode for {', '.join(unknown)}: topics are {', '.join(sorted(known))}")
    database = open_database(settings) if settings.uses_database else None
    return Modes(configured, critical_stays=settings.critical_stays_on, database=database)


def chosen_modes(settings: Settings) -> tuple[Chosen, ...]:
    """What the registry chooses, and what the settings do.

    Raises:
        SettingsError: the registry is wrong.
    """
    registry: dict[Scope, Choice] = {}
    if settings.auth == "jwt":
        for client in load_clients(settings):
            registry |= client.chosen_modes()
    return registry, settings.chosen_modes()


def critical_topics(guidance: Guidance) -> frozenset[str]:
    """The topics whose cards are critical at times."""
    return frozenset(guidance.entry(card).topic for card in (*MAY_BE_CRITICAL, *ALWAYS_ON))


def topics_of(guidance: Guidance) -> frozenset[str]:
    """The topics that cards can have."""
    return frozenset(guidance.feedback.topic)


def prepare_database(settings: Settings) -> None:
    """Make the tables and the key that this service needs, where they are not there.

    Raises:
        SettingsError: the database cannot be used.
        DatabaseError: it cannot be reached.
    """
    if settings.feedback:
        with closing(build_store(settings)) as store:
            store.begin()
    if settings.auth == "jwt":
        with closing(open_database(settings)) as database:
            database.ready(MIGRATION)
        with closing(_tokens(settings)) as tokens:
            tokens.ready(MIGRATION)


def open_database(settings: Settings) -> Database:
    """The database, nothing connected yet.

    Raises:
        SettingsError: it cannot be used.
    """
    return _database(settings)


def _tokens(settings: Settings) -> Database:
    """Where used tokens are noted."""
    return _database(settings, quick=True, tokens=True)


def _database(settings: Settings, *, patience: float = WRITE, quick: bool = False, tokens: bool = False) -> Database:
    try:
        return Database(settings.database_url, patience=patience, quick=quick, tokens=tokens)
    except ValueError as error:
        raise SettingsError(f"CDS_DATABASE_URL: {error}") from error


def _engine_for(client: Client, engine: Engine, settings: Settings) -> Engine:
    """The engine by which *client* is answered: what it has of its own, and the rest as for everybody."""
    own = engine
    if client.profile is not None:
        own = _guided(own, client.profile, settings.ckd_overlay, settings)
    if client.max_cards is not None:
        own = replace(own, max_cards=client.max_cards)
    if client.fhir_servers is not None:
        completer = cast("FhirCompleter", own.completer)
        own = replace(own, completer=completer.under(settings.rules_for(client.fhir_servers)))
    return own


def _guided(engine: Engine, profile: str, overlay: str, settings: Settings) -> Engine:
    """*engine* with another profile and overlay of the same guidance."""
    loaded = loading.load(profile, overlay, local=engine.local)
    return replace(engine, guidance=loaded, writer=build_writer(loaded, engine.terms, settings))


def build_playground(settings: Settings, engine: Engine, keeper: FeedbackKeeper) -> Playground | None:
    """Everything that the page at `/` needs; `None` where there is to be none.

    Raises:
        SettingsError: the situations are not there.
    """
    if not settings.has_playground:
        return None
    usual = (settings.profile, settings.ckd_overlay)

    @cache
    def guided(profile: str, overlay: str) -> Engine:
        return engine if (profile, overlay) == usual else _guided(engine, profile, overlay, settings)

    return Playground(
        situations=situations.load(folder("fhir_fixtures")),
        profiles=tuple(engine.guidance.profiles),
        overlays=tuple(engine.guidance.overlays),
        guided=guided,
        usual=usual,
        today=settings.today,
        keeper=keeper,
        calls_servers=settings.auth == "off",
    )


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> WebApplication:
    """The WSGI application, by *settings* or those of the environment; around an *engine* that was built by them.

    Raises:
        StartupError: a setting, a guidance file or the registry of clients is wrong.
    """
    chosen = settings if settings is not None else settings_module.load()
    app = WebApplication("cds_service", static_folder=None, template_folder="web/templates")
    engine = build_engine(chosen) if engine is None else engine
    keeper = build_keeper(chosen, engine)
    keeper.begin()
    engine = replace(engine, memory=keeper)
    who = build_trust(chosen, engine)
    modes = app.extensions["cds_modes"] = build_modes(chosen, engine)
    modes.begin()
    web.init_app(app, engine, chosen, who, keeper, build_playground(chosen, engine, keeper))
    app.extensions["cds_close"] = partial(_close, who, keeper, modes, app.extensions.get("cds_flush"))
    return app


def _close(who: Trust | None, keeper: FeedbackKeeper, modes: Modes, flush: Callable[[], None] | None) -> None:
    """What is to be done before a process ends: write what waits, let go of the database, send the last traces."""
    modes.close()
    keeper.close()
    if who is not None:
        who.verifier.seen.close()
    if flush is not None:
        flush()


def warnings(settings: Settings) -> list[str]:
    """What an operator must know at the start: who may call without a secret.

    Raises:
        SettingsError: the registry of clients is wrong.
    """
    if settings.auth == "off":
        return ["AUTHENTICATION IS OFF: whoever reaches this service may call it (CDS_AUTH=jwt to change that)."]
    return [client.warning for client in load_clients(settings) if client.warning]
