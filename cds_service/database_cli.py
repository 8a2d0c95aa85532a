"""cds-service database: how far the tables are migrated, and the way back to those of an earlier version."""

from __future__ import annotations

import argparse
from contextlib import closing

from cds_service import settings as settings_module
from cds_service.app import open_database
from cds_service.errors import SettingsError
from cds_service.store.database import HEAD, DatabaseError
from cds_service.store.migrating import MIGRATIONS_KNOWN, counted, step_back


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands to *parser*."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="how many rows each table has, and by which migration the tables are")
    show.set_defaults(run=_show)
    back = commands.add_parser("back", help="undo migrations, for an earlier version of the service")
    back.add_argument("migration", choices=MIGRATIONS_KNOWN[:-1], help="the newest one that the earlier version has")
    back.add_argument("--yes", action="store_true", help="what the later migrations brought may be lost")
    back.set_defaults(run=_back)


def _show(_: argparse.Namespace) -> int:
    try:
        with closing(open_database(settings_module.load())) as database:
            _tell(counted(database.ready()))
    except DatabaseError as error:
        raise _unusable(error) from error
    return 0


def _back(options: argparse.Namespace) -> int:
    try:
        with closing(open_database(settings_module.load())) as database:
            engine = database.ready()
            before = counted(engine)
            if not options.yes:
                _tell(before)
                raise SettingsError("tables and columns that are newer are deleted, with all in them: say --yes, if so")
            step_back(engine, options.migration)
            _tell(counted(engine))
    except DatabaseError as error:
        raise _unusable(error) from error
    print(f"The tables are those of migration {options.migration}. This version brings them up to date when it starts.")
    return 0


def _tell(rows: dict[str, int]) -> None:
    print(f"This version is at home at migration {HEAD}.")
    for table, count in rows.items():
        print(f"{count:>10}  {table}")


def _unusable(error: DatabaseError) -> SettingsError:
    return SettingsError(f"CDS_DATABASE_URL: the database cannot be used ({type(error).__name__})")
