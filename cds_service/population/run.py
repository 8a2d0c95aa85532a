"""One run from the folder of an export to the files of the report."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import msgspec

from cds_service.clinical.guidance_types import Guidance
from cds_service.errors import SettingsError, StartupError
from cds_service.hooks.prefetch import SizeLimits
from cds_service.population import export, local, report
from cds_service.population.chart import CARDS, TYPE_OF, Mark, Plan, View
from cds_service.population.export import Unreadable
from cds_service.population.local import Scattering
from cds_service.population.office import office_day
from cds_service.population.progress import Progress
from cds_service.population.survey import Survey
from cds_service.population.tally import figures

MEGABYTE = 1e6
LIST_HEAD = "patient,as_of,view,topic,indicator"
FILES = ("report.html", "report.json", "report.csv")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `guidances` are those to look by, side by side; `compared` the same ones of other guidance.

    `days` are empty where the export has to say its day; `today` is the latest that it may say. `listed` is where to
    say who has which card, if anywhere.
    """

    folder: str
    out: Path
    guidances: tuple[Guidance, ...]
    compared: tuple[Guidance, ...]
    days: tuple[date, ...]
    days_from: str
    today: date
    timezone: str
    max_cards: int
    d3_is_total: bool
    sizes: SizeLimits
    limit: int
    version: str
    processes: int = 1
    engine: str = "local"
    listed: Path | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What an engine found: the plan it went by, where its days are from, the export's survey, and all marks."""

    plan: Plan
    days_from: str
    seen: Survey
    marks: Mapping[Mark, int]


def run(order: Order) -> None:
    """Read, evaluate, count, and write the report.

    Raises:
        StartupError: it cannot be done; nothing is left then.
    """
    try:
        _check_places(order)
        with local.spill_folder() as spill:
            listed = None if order.listed is None else spill / "list.csv"
            counted = _by_daft(order) if order.engine == "daft" else _locally(order, spill, listed)
            write(order, counted, listed)
    except OSError as error:
        raise StartupError(_told(error, order)) from None


def _check_places(order: Order) -> None:
    """Where the report and the list go, before there is anything to lose: a run may take hours."""
    out = order.out.absolute()
    places = [next(place for place in (out, *out.parents) if place.exists())]
    if order.listed is not None:
        places.append(order.listed.absolute().parent)
        if order.listed.exists() and not _is_list(order.listed):
            raise SettingsError(f"{order.listed}: it is there already, and is no earlier list")
    for place in places:
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise SettingsError(f"{place}: nothing can be written there")


def _is_list(file: Path) -> bool:
    """Whether *file* was written as a list: a slip must not cost a file of the export."""
    if not file.is_file():
        return False
    with file.open("rb") as lines:
        return lines.readline(len(LIST_HEAD) + 1) == f"{LIST_HEAD}\n".encode()


def _told(error: OSError, order: Order) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full, and nothing of this run is left: charts are sorted in {tempfile.gettempdir()} (TMPDIR "
            f"names another place), the report goes to {order.out}"
        )
    where = f": {error.filename}" if isinstance(error.filename, str) else ""
    return f"nothing of this run is left: {error.strerror or type(error).__name__}{where}"


def _locally(order: Order, spill: Path, listed: Path | None) -> Counted:
    """By processes of this machine, in two stages."""
    files = export.files_in(Path(order.folder))
    stated = _stated(order)
    number = local.number_of_buckets(files)
    folder = spill / "buckets"
    folder.mkdir(mode=0o700)
    names = order.guidances[0].names
    scattering = Scattering(names, folder, number, None if stated else order.today)
    reading = Progress("Reading", "MB", sum(file.stat().st_size for file in files), MEGABYTE)
    seen = local.survey(files, scattering, order.processes, reading)
    reading.end()
    _check_patients(order, seen)
    plan, days_from = plan_for(order, seen, stated)
    deciding = Progress("Deciding", "patients", seen.patients)
    marks = local.count(plan, folder, number, order.processes, deciding, listed)
    deciding.end()
    return Counted(plan, days_from, seen, marks)


def _by_daft(order: Order) -> Counted:
    """By Daft, on this machine or on a cluster; it shows its own progress."""
    from cds_service.population import cluster  # noqa: PLC0415 - the extra may not be installed

    stated = _stated(order)
    parts = cluster.parts_in(order.folder)
    seen = cluster.survey(parts, order.guidances[0].names, None if stated else order.today)
    _check_patients(order, seen)
    plan, days_from = plan_for(order, seen, stated)
    return Counted(plan, days_from, seen, cluster.count(plan, parts))


def _stated(order: Order) -> tuple[date, str] | None:
    """The first day and where it is from: asked for, or stated by an export that lies in a folder here."""
    if order.days:
        return order.days[0], order.days_from
    folder = Path(order.folder)
    return export.stated_day(folder, export.files_in(folder), order.timezone) if folder.is_dir() else None


def _check_patients(order: Order, seen: Survey) -> None:
    """Tell what is the matter with an export of nobody, before its day is looked for."""
    if not seen.patients:
        kinds = ", ".join(sorted(seen.unreadable))
        lines = f"; lines that are not read: {kinds}" if kinds else ""
        raise SettingsError(f"{order.folder}: no Patient in it can be read, so nothing can be counted{lines}")


def plan_for(order: Order, seen: Survey, stated: tuple[date, str] | None) -> tuple[Plan, str]:
    """Every view that is asked for, and where the day is from."""
    if stated is None:
        if seen.newest is None:
            raise SettingsError("the export states no transactionTime and holds no dated result: give --as-of")
        stated = seen.newest, "day of the newest result"
    days = order.days or (stated[0],)
    several = len(days) > 1, len(order.guidances) > 1
    views = [View(guidance, day, _label(guidance, day, *several)) for guidance in order.guidances for day in days]
    base = len(views)
    for place in range(base if order.compared else 0):
        other = order.compared[place // len(days)]
        label = f"{views[place].label}, compared guidance" if base > 1 else "compared guidance"
        views.append(View(other, views[place].day, label, against=place))
    sound = tuple(views)
    return Plan(sound, seen.exported(), order.max_cards, order.d3_is_total, order.sizes), stated[1]


def _label(guidance: Guidance, day: date, days: bool, profiles: bool) -> str:  # noqa: FBT001 - which differ
    parts = [guidance.profile_name if profiles or not days else "", str(day) if days else ""]
    return ", ".join(part for part in parts if part)


def write(order: Order, counted: Counted, listed: Path | None = None) -> None:
    """Write every file beside its place first: where one cannot be written, none is there."""
    found = figures(counted.marks, counted.plan.views, counted.seen.unreadable, order.limit)
    charts = Counter({mark[2:]: times for mark, times in counted.marks.items() if mark[:2] == (0, CARDS)})
    types = counted.seen.exported()
    about = report.About(
        version=order.version,
        days_from=counted.days_from,
        types=tuple(sorted(types)),
        missing=tuple(sorted(set(TYPE_OF.values()) - types)),
        limit=order.limit,
        outcomes=counted.seen.outcomes,
        damaged=Unreadable.BROKEN_FILE in counted.seen.unreadable,
        office=office_day(charts, order.limit),
    )
    written = report.as_json(about, counted.plan.views, found)
    texts = (
        report.as_html(about, written, order.guidances[0]).encode(),
        msgspec.json.format(msgspec.json.encode(written), indent=2),
        report.as_csv(written).encode(),
    )
    made = not order.out.exists()
    order.out.mkdir(parents=True, exist_ok=True)
    parts = [order.out / f"{name}.part" for name in FILES]
    try:
        for part, text in zip(parts, texts, strict=True):
            part.write_bytes(text)
        if listed is not None and order.listed is not None:
            _write_list(listed, order.listed)
        for part in parts:
            part.replace(part.with_suffix(""))
    except OSError:
        for part in parts:
            part.unlink(missing_ok=True)
        if made:
            order.out.rmdir()
        raise


def _write_list(listed: Path, target: Path) -> None:
    """Who has which card, for this user alone."""
    target.unlink(missing_ok=True)
    try:
        with open(target, "xb", opener=partial(os.open, mode=0o600)) as out:
            out.write(f"{LIST_HEAD}\n".encode())
            if listed.exists():
                with listed.open("rb") as rows:
                    shutil.copyfileobj(rows, out)
    except OSError:
        target.unlink(missing_ok=True)
        raise
