"""cds-service population."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service import settings as settings_module
from cds_service.errors import SettingsError
from cds_service.guidance import loading
from cds_service.hooks.prefetch import SizeLimits
from cds_service.population.masking import SMALL
from cds_service.serving import cores
from cds_service.settings import Settings

if TYPE_CHECKING:  # slow to import, and every command would wait for it
    from cds_service.population.run import Order

OUT = Path("population-report")


def add(parser: argparse.ArgumentParser, day: Callable[[str], date]) -> None:
    """Add the options to *parser*; *day* reads a day."""
    parser.add_argument("folder", metavar="FOLDER", help="a bulk export: *.ndjson, *.ndjson.gz")
    parser.add_argument(
        "--as-of", type=day, action="append", default=[], metavar="YYYY-MM-DD", help="repeated: a trend"
    )
    parser.add_argument("--profile", action="append", default=[], metavar="NAME", help="repeated: side by side")
    parser.add_argument("--processes", type=_number(1), metavar="N", help="default: one for each core")
    parser.add_argument("--engine", choices=("local", "daft"), default="local")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help=f"default: {OUT}")
    parser.add_argument("--mask", type=_number(0), default=SMALL, metavar="N", help=f"hide counts below N ({SMALL})")
    parser.add_argument("--list", type=Path, metavar="FILE", help="write there which patient has which card")
    parser.add_argument("--compare", type=Path, metavar="GUIDANCE", help="a folder of local guidance to look by too")
    parser.set_defaults(run=_run)


def _number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            message = f"{text!r} is not a number from {least}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return read


def _run(options: argparse.Namespace) -> int:
    from cds_service.population.run import FILES, run  # noqa: PLC0415 - as above

    run(order_of(options))
    print(f"{', '.join(FILES)} are in {options.out}.")
    return 0


def order_of(options: argparse.Namespace) -> Order:
    """What the *options* of the command and the settings ask for.

    Raises:
        StartupError: it cannot be done.
    """
    from cds_service.population.run import Order  # noqa: PLC0415 - as above

    settings = settings_module.load()
    in_store = options.engine == "daft" and "://" in options.folder
    for folder in (*(() if in_store else (options.folder,)), *(() if options.compare is None else (options.compare,))):
        if not Path(folder).is_dir():
            raise SettingsError(f"{folder}: there is no such folder")
    if options.engine == "daft":
        _check_daft(options)
    days, days_from = _days(options, settings)
    profiles = tuple(dict.fromkeys(options.profile)) or (settings.profile,)
    here = loading.read_local(settings.guidance, settings.calendar_day())
    other = loading.read_local(options.compare, settings.calendar_day())
    return Order(
        folder=options.folder,
        out=options.out,
        guidances=tuple(loading.load(profile, settings.ckd_overlay, local=here) for profile in profiles),
        compared=tuple(
            loading.load(profile, settings.ckd_overlay, local=other) for profile in profiles if options.compare
        ),
        days=days,
        days_from=days_from,
        today=settings.calendar_day(),
        timezone=settings.timezone,
        max_cards=settings.max_cards,
        d3_is_total=settings.d3_is_total,
        sizes=SizeLimits(settings.max_entries, settings.max_resources),
        limit=options.mask,
        version=_version(),
        processes=options.processes or cores.usable(),
        engine=options.engine,
        listed=options.list,
    )


def _days(options: argparse.Namespace, settings: Settings) -> tuple[tuple[date, ...], str]:
    if options.as_of:
        return tuple(dict.fromkeys(options.as_of)), "given by --as-of"
    return ((settings.as_of,), "given by CDS_AS_OF") if settings.as_of else ((), "")


def _version() -> str:
    from cds_service import __version__  # noqa: PLC0415 - it is set after this module is imported

    return __version__


def _check_daft(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("daft") is None:
        raise SettingsError("--engine daft needs the extra: pip install 'vitamin-d-magnesium-cds[population]'")
    if options.list is not None:
        raise SettingsError("--list needs --engine local: a cluster sends counts back, and nobody's id")
