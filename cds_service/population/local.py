"""The engine that needs nothing installed: processes of this machine, and buckets on its disk.

First every part of every file is read and its lines are scattered to buckets by their patient, then the charts of one
bucket after the other are evaluated. What goes between processes are parts, buckets, the plan and counts of marks.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cds_service.clinical.guidance_types import Names
from cds_service.errors import StartupError
from cds_service.fhir import terminology
from cds_service.population import export
from cds_service.population.buckets import Buckets, buckets_in, charts_in, fitting
from cds_service.population.chart import CARD, PATIENT, Charts, Mark, Plan
from cds_service.population.export import Lines, Part
from cds_service.population.progress import Progress
from cds_service.population.survey import Survey, placed

T = TypeVar("T")
R = TypeVar("R")
GZIP_FACTOR = 8
"""How much larger NDJSON is than its compressed file, about."""
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class RunFailed(StartupError):
    """The run cannot go on; the message says why, and names nobody."""


class Scattering(NamedTuple):
    """What a worker needs to scatter lines. `latest`: the newest result up to that day is looked for."""

    names: Names
    folder: Path
    number: int
    latest: date | None


@contextmanager
def spill_folder() -> Iterator[Path]:
    """A folder of this user alone for what does not fit into memory; gone at the end, also of a run that is ended."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in ENDS}
    folder = Path(tempfile.mkdtemp(prefix="cds-population-"))
    try:
        yield folder
    finally:
        _end_children()
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_children() -> None:
    """End what still works: it would go on writing into the folder."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join()


def survey(files: Sequence[Path], scattering: Scattering, processes: int, progress: Progress) -> Survey:
    """Scatter every line of *files*, and say what was seen."""
    parts = export.parts_of(files)
    found = Survey(types=set(export.named_types(map(str, files))))
    for part, seen in _each(_scatter, parts, scattering, processes):
        found.add(seen)
        progress.add(part.end - part.start)
    return found


def number_of_buckets(files: Sequence[Path]) -> int:
    """How many buckets fit the export."""
    return fitting(sum(file.stat().st_size * (GZIP_FACTOR if file.suffix == ".gz" else 1) for file in files))


def count(
    plan: Plan, folder: Path, number: int, processes: int, progress: Progress, listed: Path | None
) -> Counter[Mark]:
    """The marks of all charts in the buckets of *folder*; who has which card goes into *listed*, if that is asked."""
    found: Counter[Mark] = Counter()
    judging = Judging(plan, number, listed is not None)
    for _, (marks, rows) in _each(_judge, buckets_in(folder), judging, processes):
        found += marks
        progress.add(marks[(PATIENT,)])
        if listed is not None and rows:
            with listed.open("a", encoding="utf-8") as file:
                file.writelines(f"{row}\n" for row in rows)
    return found


class Judging(NamedTuple):
    """What a worker needs to evaluate charts."""

    plan: Plan
    number: int
    lists: bool


def _scatter(part: Part, given: Scattering) -> Survey:
    lines: Lines = _made(given)
    seen = Survey()
    buckets = Buckets(given.folder, given.number, str(os.getpid()))
    for patient, source, line in placed(part, lines, seen, given.latest):
        buckets.put(patient, source, line)
    buckets.flush()
    return seen


def _judge(bucket: tuple[Path, ...], given: Judging) -> tuple[Counter[Mark], list[str]]:
    charts: Charts = _made(given)
    found: Counter[Mark] = Counter()
    rows: list[str] = []
    for patient, lines in charts_in(bucket, given.number):
        try:
            marks = charts.marks(patient, lines)
        except Exception:  # noqa: BLE001 - whatever it is, its words could name the patient
            marks = charts.fault()
        found.update(marks)
        if given.lists:
            rows += listing(patient, marks, given.plan)
    return found, rows


def listing(patient: str, marks: Iterable[Mark], plan: Plan) -> Iterator[str]:
    """A line of CSV for each card of *patient*."""
    for mark in marks:
        if mark[1:2] == (CARD,):
            view = plan.views[mark[0]]
            yield ",".join([_cell(patient), str(view.day), _cell(view.label), mark[2], mark[3]])


def _cell(text: str) -> str:
    text = f"'{text}" if text[:1] in "=+-@" else text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


@dataclass(slots=True)
class _Worker:
    """What all pieces of a worker are given, and what was made of it."""

    given: Scattering | Judging | None = None
    made: Any = None


_WORKER = _Worker()
"""Of this process. A forked worker has what the first process made, and shares its memory."""


def _made(given: Scattering | Judging) -> Any:
    """What works by what is *given*, made once in a process."""
    if _WORKER.given is not given:
        _WORKER.given = given
        _WORKER.made = Lines(terminology.load(given.names)) if isinstance(given, Scattering) else Charts.by(given.plan)
    return _WORKER.made


def _begin(given: Scattering | Judging) -> None:
    """Begin a worker: the first process answers the keyboard and ends the others."""
    for number in ENDS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _made(given)


def _with_given(work: Callable[[T, Any], R], piece: T) -> R:
    return work(piece, _WORKER.given)


def _each(
    work: Callable[[T, Any], R], pieces: Sequence[T], given: Scattering | Judging, processes: int
) -> Iterator[tuple[T, R]]:
    """Each of *pieces* with what *work* makes of it and what is *given* to all, in the order in which they end."""
    processes = min(processes, len(pieces))
    if processes <= 1:
        yield from ((piece, work(piece, given)) for piece in pieces)
        return
    _made(given)
    gc.freeze()  # collecting what is there already would copy shared memory
    with ProcessPoolExecutor(processes, _context(), _begin, (given,)) as pool:
        try:
            yield from _ended(pool, partial(_with_given, work), iter(pieces), processes)
        except BrokenProcessPool:
            raise RunFailed("a worker was ended from outside, perhaps for want of memory: try fewer") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end_children()
            raise


def _ended(
    pool: ProcessPoolExecutor, work: Callable[[T], R], pieces: Iterator[T], processes: int
) -> Iterator[tuple[T, R]]:
    """Hand out a piece for each one that ends, so that nothing piles up."""
    waiting: dict[Future[R], T] = {}
    more = True
    while more or waiting:
        while more and len(waiting) < processes * 2:
            piece = next(pieces, None)
            more = piece is not None
            if piece is not None:
                waiting[pool.submit(work, piece)] = piece
        for ended in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(ended), ended.result()


def _context() -> Any:
    """Forked workers share the memory of the first; where that is not safe, they are started anew."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
