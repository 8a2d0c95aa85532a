"""Local guidance: a site's folder of TOML files laid over the shipped ones, each key with who answers for it.

A file has the name of a shipped one and holds only the keys that differ. At the place of the key stands a table with
the new `value`, its `source`, its `approver` and the `date` of the approval. The shipped files are never written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cds_service.errors import GuidanceError
from cds_service.guidance.toml_table import Files, read_toml, under

NOTES = ".md"
"""A folder may tell about itself in such files."""


@dataclass(frozen=True, slots=True)
class Override:
    """One key of a shipped file that a site sets otherwise: from the file down to the key, and who answers for it."""

    file: str
    path: tuple[str, ...]
    shipped: object
    value: object
    source: str
    approver: str
    date: date

    @property
    def key(self) -> str:
        """The key as messages write it, with dots."""
        return ".".join(self.path)


MEMBERS = ("value", "source", "approver", "date")
ASKED = f"a table of {', '.join(MEMBERS)}"


@dataclass(frozen=True, slots=True)
class Local:
    """The overrides of one folder; `digest` tells one state of its files from another, and is empty without any."""

    folder: Path | None = None
    overrides: tuple[Override, ...] = ()
    digest: str = ""

    def laid_over(self, shipped: Files) -> Files:
        """The *shipped* files with the values of the site in their places."""
        files = dict(shipped)
        for override in self.overrides:
            files[override.file] = _with(files[override.file], override.path, override.value)
        return files


NO_LOCAL = Local()


def _with(table: object, path: tuple[str, ...], value: object) -> dict[str, object]:
    """A copy of *table* with *value* at *path*."""
    name, *rest = path
    copy = dict(table) if isinstance(table, dict) else {}
    copy[name] = _with(copy[name], tuple(rest), value) if rest else value
    return copy


def read(folder: Path, shipped: Files, today: date) -> Local:
    """Read every override in *folder*; whether the values do is judged when they are laid over the *shipped* files.

    Raises:
        GuidanceError: there is nothing in the folder, a file or a key that is not shipped, or an override that lacks a
            member, has a wrong one, or was approved after *today*.
    """
    names = _files(folder, shipped)
    found: list[Override] = []
    digest = hashlib.sha256()
    for name in names:
        place = str(folder / name)
        held = read_toml(folder / name, place)
        if not held:
            raise GuidanceError(place, "(file)", "nothing", "one override or more")
        for path, was, given in _overrides(held, shipped[name], place, ()):
            found.append(_read(name, path, was, given, place))
            if found[-1].date > today:
                expected = f"a day that is not after today, {today}"
                raise GuidanceError(place, under(found[-1].key, "date"), found[-1].date, expected)
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return Local(folder, tuple(found), digest.hexdigest()[:12])


def _files(folder: Path, shipped: Files) -> list[str]:
    """The files of overrides: all that is there, but for what is hidden, as mounted folders have it, and notes."""
    names = sorted(place.name for place in folder.iterdir())
    files = [name for name in names if not name.startswith(".") and not name.endswith(NOTES)]
    for name in files:
        if name not in shipped:
            raise GuidanceError(str(folder), "(file)", name, f"one of {', '.join(sorted(shipped))}")
    if not files:  # most often a folder that was not mounted
        raise GuidanceError(str(folder), "(file)", None, f"one or more of {', '.join(sorted(shipped))}")
    return files


def _overrides(
    given: Mapping[str, object], shipped: Mapping[str, object], place: str, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object, dict[str, object]]]:
    """Each override below *above*: its path, what is shipped there, and its table."""
    for name, value in given.items():
        path = (*above, name)
        key = ".".join(path)
        if name not in shipped:
            expected = f"a key that is shipped: {', '.join(shipped)}"
            raise GuidanceError(place, key, value, expected)
        was = shipped[name]
        if not isinstance(value, dict) or not value:
            raise GuidanceError(place, key, value, ASKED)
        if not isinstance(was, dict) or _replaces(value, was):
            yield path, was, value
        else:
            yield from _overrides(value, was, place, path)


def _replaces(value: Mapping[str, object], was: Mapping[str, object]) -> bool:
    """Whether *value* stands for the whole table *was*: it has a member of an override that is no key of the table.

    An empty table has no keys, and is only replaced whole.
    """
    return not was or any(member in value and member not in was for member in MEMBERS)


def _read(file: str, path: tuple[str, ...], was: object, given: Mapping[str, object], place: str) -> Override:
    key = ".".join(path)
    for member in MEMBERS:
        if member not in given:
            raise GuidanceError(place, under(key, member), None, f"an entry: it is missing from {ASKED}")
    for member, value in given.items():
        if member not in MEMBERS:
            raise GuidanceError(place, under(key, member), value, f"no more than {ASKED}")
    source, approver = (_text(given[member], place, under(key, member)) for member in ("source", "approver"))
    return Override(file, path, was, given["value"], source, approver, _day(given["date"], place, under(key, "date")))


def _text(value: object, place: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise GuidanceError(place, key, value, "a text that is not empty")
    return value


def _day(value: object, place: str, key: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or value != day.isoformat():
        raise GuidanceError(place, key, value, "a day, as 2026-03-02")
    return day


def blamed(error: GuidanceError, local: Local) -> GuidanceError:
    """*error*, which was found with *local* guidance laid over, saying so."""
    return GuidanceError(error.file, error.key, error.value, f"{error.expected}; with {local.folder} laid over")
