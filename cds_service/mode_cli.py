"""cds-service mode: what is in force, and a change of it for all processes and machines, through the database."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from cds_service import settings as settings_module
from cds_service.app import build_engine, chosen_modes, critical_topics, load_clients, open_database, topics_of
from cds_service.errors import SettingsError
from cds_service.hooks.memory import ANYONE
from cds_service.kept_modes import POLL
from cds_service.modes import SERVICE, Choices, Chosen, Scope, read, silenced
from cds_service.settings import Settings
from cds_service.store.database import Database, DatabaseError
from cds_service.store.mode_changes import CLEARED, ModeChange, add_changes, chosen, last_changes, standing
from cds_service.store.patience import WRITE

CLEAR = "clear"
LAST = 10
LONGEST_NAME, LONGEST_REASON = 200, 500


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to *parser*."""
    parser.add_argument(
        "mode", nargs="*", metavar="MODE", help="on, silent, off, share 50, or clear; none: say what is in force"
    )
    parser.add_argument("--client", default="", help="for this client alone")
    parser.add_argument("--topic", default="", help="for this topic alone")
    parser.add_argument("--everywhere", action="store_true", help="and clear what clients and topics have of their own")
    parser.add_argument("--by", default="", metavar="NAME", help="who makes the change")
    parser.add_argument("--why", default="", metavar="REASON", help="why")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="when it ends, such as 2026-03-02T18:00+01:00")
    parser.add_argument("--yes", action="store_true", help="critical cards may be silenced")
    parser.set_defaults(run=_run)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment <= datetime.now(UTC):
        message = f"{text!r} is not a time to come with its offset, such as 2026-03-02T18:00+01:00"
        raise argparse.ArgumentTypeError(message)
    return int(moment.timestamp() * 1000)


def _run(options: argparse.Namespace) -> int:
    settings = settings_module.load()
    if not settings.uses_database:
        raise SettingsError("without CDS_FEEDBACK and tokens there is no database: set CDS_MODE, and reload")
    site = _Site(settings)
    try:
        with closing(open_database(settings)) as database:
            if options.mode:
                _change(options, site, database)
            _tell(site, database)
    except DatabaseError as error:
        raise SettingsError(f"CDS_DATABASE_URL: the database cannot be used ({type(error).__name__})") from error
    return 0


class _Site:
    """What the settings, the registry and the guidance of this site say."""

    def __init__(self, settings: Settings) -> None:
        guidance = build_engine(settings).guidance
        self.topics, self.critical = topics_of(guidance), critical_topics(guidance)
        self.clients = [client.id for client in load_clients(settings)] if settings.auth == "jwt" else [ANYONE]
        self.configured: tuple[Chosen, ...] = chosen_modes(settings)
        self.critical_stays = settings.critical_stays_on

    def choices(self, changes: tuple[ModeChange, ...]) -> Choices:
        """All that is chosen, with these *changes* in the database."""
        return Choices((chosen(changes, _now()), *self.configured), self.critical_stays)


def _change(options: argparse.Namespace, site: _Site, database: Database) -> None:
    scope, written = _checked(options, site)
    change = ModeChange(_now(), *scope, written, options.by.strip(), options.why.strip(), options.until)
    with database.current() as connection:
        before = standing(connection, change.at)
    changes = [change]
    if options.everywhere:
        own = sorted({old.scope for old in before} - {SERVICE})
        changes = [change._replace(client=of.client, topic=of.topic, mode=CLEARED) for of in own] + [change]
    lost = sorted(set(_silenced(site, before, (*before, *changes))))
    if lost and not options.yes:
        raise SettingsError(f"fewer patients would be shown critical cards ({', '.join(lost)}): say --yes, if so")
    with database.writing() as connection:
        add_changes(connection, changes)
    print(f"{scope}: {written or 'cleared'}. Every process follows within {POLL + WRITE:g} seconds.")


def _checked(options: argparse.Namespace, site: _Site) -> tuple[Scope, str]:
    """For whom the change is, and its mode as it is written."""
    text = " ".join(options.mode)
    try:
        written = CLEARED if text == CLEAR else str(read(text))
    except ValueError as error:
        raise SettingsError(f"{error}, or {CLEAR}") from error
    scope = Scope(options.client, options.topic)
    for kind, name, known in (("client", scope.client, site.clients), ("topic", scope.topic, sorted(site.topics))):
        if name and name not in known:
            raise SettingsError(f"there is no {kind} {name!r}: {', '.join(known)}")
    if options.everywhere and scope != SERVICE:
        raise SettingsError("--everywhere is for the whole service")
    for name, given, most in (("--by", options.by, LONGEST_NAME), ("--why", options.why, LONGEST_REASON)):
        if not given.strip() or len(given) > most or not given.isprintable():
            raise SettingsError(
                f"{name}: say it in 1 to {most} characters; it stands in the log and on the owner's page"
            )
    return scope, written


def _silenced(site: _Site, before: tuple[ModeChange, ...], after: tuple[ModeChange, ...]) -> Iterator[str]:
    was, will = site.choices(before), site.choices(after)
    for client in site.clients:
        yield from silenced(was.of(client), will.of(client), sorted(site.critical))


def _tell(site: _Site, database: Database) -> None:
    """What is in force, and the last changes."""
    with database.current() as connection:
        choices = site.choices(standing(connection, _now()))
        changes = last_changes(connection, LAST)
    for client in site.clients:
        print(f"in force for {client}: {choices.of(client)}")
    print(f"critical cards {'stay on where others are silent' if site.critical_stays else 'follow their topics'}")
    for change in changes:
        print("  ".join(value for value in change.told().values() if value))


def _now() -> int:
    return int(time.time() * 1000)
