"""cds-service feedback export | purge."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from cds_service import settings as settings_module
from cds_service.app import build_store
from cds_service.errors import SettingsError
from cds_service.feedback.store import FeedbackStore, Row
from cds_service.store.database import DatabaseError
from cds_service.web.insights import cell

STEP = 1000
MOMENTS = ("received", "shown")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands to *parser*."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="print all feedback, oldest first, with what is known of its cards")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export.set_defaults(run=_export)
    purge = commands.add_parser("purge", help="delete calls, cards and feedback that are older than a day")
    purge.add_argument("--before", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD", help="a day, in UTC")
    purge.set_defaults(run=_purge)


def _export(options: argparse.Namespace) -> int:
    def work(store: FeedbackStore) -> None:
        rows = _with_progress(map(_for_people, store.feedback()), store.count_feedback(), "exported")
        (_write_csv if options.format == "csv" else _write_jsonl)(rows)

    return _with_store(work)


def _purge(options: argparse.Namespace) -> int:
    day: date = options.before
    moment = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)

    def work(store: FeedbackStore) -> None:
        total, done = store.count_before(moment), 0
        for gone in store.purge(moment):
            done += gone
            _progress(done, total, "deleted")
        print(f"{done} rows from before {day} were deleted.")

    return _with_store(work)


def _with_store(work: Any) -> int:
    store = build_store(settings_module.load())
    try:
        work(store)
    except DatabaseError as error:
        raise SettingsError(f"CDS_DATABASE_URL: the database cannot be used ({type(error).__name__})") from error
    finally:
        store.close()
    return 0


def _with_progress(rows: Iterable[Row], total: int, what: str) -> Iterator[Row]:
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if done % STEP == 0:
            _progress(done, total, what)
    _progress(done, total, what)


def _progress(done: int, total: int, what: str) -> None:
    print(f"{done} of {max(done, total)} {what}", file=sys.stderr)


def _for_people(row: Row) -> Row:
    """Times as people write them."""
    moments = {name: _moment(row[name]) for name in MOMENTS}
    return {**row, **moments}


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _write_csv(rows: Iterable[Row]) -> None:
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row))
            writer.writeheader()
        writer.writerow({name: cell(value) for name, value in row.items()})


def _write_jsonl(rows: Iterable[Row]) -> None:
    for row in rows:
        print(json.dumps(row))
