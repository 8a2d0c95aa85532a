"""The engine for what outgrows one machine: Daft, on this machine or on a Ray cluster, from folders or object stores.

Workers read the parts of files, the cluster brings the lines of each patient together, and workers send back marks,
which the cluster counts. Nobody's id and no line of a chart comes back. A worker has the package and nothing else of
ours: neither settings nor variables, so the plan is sent with every piece of work.

Daft and Ray report their use to their makers unless they are told not to, which is done before they are imported.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, BinaryIO, cast

import msgspec

os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import daft

from cds_service.clinical.guidance_types import Names
from cds_service.errors import SettingsError
from cds_service.fhir import terminology
from cds_service.population import export
from cds_service.population.chart import Mark, Plan, unpacked
from cds_service.population.export import BLOCK, Lines, Part
from cds_service.population.local import RunFailed
from cds_service.population.survey import Survey, placed

TRIES = 3
PAUSE = 10.0
"""Seconds after which it is tried again: a cluster needs some to notice that a node is gone."""
LINE = daft.DataType.struct({"patient": daft.DataType.string(), "line": daft.DataType.binary()})
MARKS = daft.DataType.list(daft.DataType.string())


def parts_in(folder: str) -> list[Part]:
    """The pieces of work in *folder*, which may be an address such as `s3://bucket/export`.

    Raises:
        SettingsError: there is no file of resources.
    """
    try:
        found = daft.from_glob_path(f"{folder.rstrip('/')}/*.ndjson*").to_pydict()
    except Exception as error:  # noqa: BLE001 - Daft and each store raise their own
        raise SettingsError(f"{folder}: it cannot be listed ({type(error).__name__})") from None
    files = sorted(zip(found["path"], found["size"], strict=True))
    parts = [
        part
        for file, size in files
        if file.endswith(export.SUFFIXES) and not file.endswith(f"/{export.LOG}")
        for part in export.divided(file, size)
    ]
    if not parts:
        raise SettingsError(f"{folder}: there is no file *.ndjson or *.ndjson.gz in it")
    return parts


def survey(parts: Sequence[Part], names: Names, latest: date | None) -> Survey:
    """What is seen of the export, in a first pass over it."""
    sent = pickle.dumps((names, latest))

    def look(file: str, start: int, end: int) -> bytes:
        seen = Survey()
        _, latest_day = _sent(sent)
        for _ in placed(Part(file, start, end), _lines(sent), seen, latest_day, _open):
            pass
        return pickle.dumps(seen)

    looking = daft.func(look, return_dtype=daft.DataType.binary())
    seen = _done(_rows(parts).select(_applied(looking).alias("seen")))["seen"]
    found = Survey(types=set(export.named_types(part.file for part in parts)))
    for one in seen:
        found.add(pickle.loads(one))  # noqa: S301 - of our own workers
    return found


def count(plan: Plan, parts: Sequence[Part]) -> Counter[Mark]:
    """The marks of all charts."""
    names = pickle.dumps((plan.views[0].guidance.names, None))
    sent = pickle.dumps(plan)

    def scatter(file: str, start: int, end: int) -> Iterator[dict[str, Any]]:
        for patient, _, line in placed(Part(file, start, end), _lines(names), Survey(), None, _open):
            yield {"patient": patient, "line": line}

    def judge(patient: str, lines: list[bytes]) -> list[str]:
        charts = unpacked(sent)
        try:
            marks = charts.sorted_marks(patient, lines)
        except Exception:  # noqa: BLE001 - whatever it is, its words could name the patient
            marks = charts.fault()
        return [msgspec.json.encode(mark).decode() for mark in marks]

    scattering = daft.func(scatter, return_dtype=LINE)
    judging = daft.func(judge, return_dtype=MARKS)
    line = daft.col("line")
    counted = _done(
        _rows(parts)
        .select(_applied(scattering).alias("line"))
        .select(line.get("patient").alias("patient"), line.get("line").alias("line"))
        .where(daft.col("patient").not_null())  # a part without a line leaves an empty row
        .groupby("patient")
        .agg(line.list_agg().alias("lines"))
        .select(judging(daft.col("patient"), daft.col("lines")).alias("mark"))
        .explode("mark")
        .groupby("mark")
        .agg(daft.col("mark").count().alias("times"))
        .select("mark", "times")
    )
    decoded = (tuple(msgspec.json.decode(mark)) for mark in counted["mark"])
    return Counter(dict(zip(decoded, counted["times"], strict=True)))


def _done(query: Any) -> dict[str, list[Any]]:
    """What *query* gives. One that a lost node takes with it is asked again: nothing was counted, so nothing is twice.

    Raises:
        RunFailed: it fails again and again. What a library says of it could hold a line, and is not repeated.
    """
    for left in reversed(range(TRIES)):
        try:
            return cast("dict[str, list[Any]]", query.to_pydict())
        except Exception as error:  # noqa: BLE001 - Daft and Ray raise their own
            if not left:
                raise RunFailed(f"the cluster failed {TRIES} times ({type(error).__name__})") from None
            print(f"The cluster failed ({type(error).__name__}); it is tried again.", file=sys.stderr)  # noqa: T201
            time.sleep(PAUSE)
    raise AssertionError


def _rows(parts: Sequence[Part]) -> Any:
    """The *parts* as rows, each a partition, so that every worker may take one."""
    columns = {name: [getattr(part, name) for part in parts] for name in Part._fields}
    rows = daft.from_pydict(columns)
    return rows.into_partitions(len(parts)) if os.environ.get("DAFT_RUNNER") == "ray" else rows


def _applied(function: Any) -> Any:
    return function(*(daft.col(name) for name in Part._fields))


@lru_cache(maxsize=4)
def _sent(sent: bytes) -> Any:
    """What was sent with a piece of work; a worker unpacks it once."""
    return pickle.loads(sent)  # noqa: S301 - by our own driver


@lru_cache(maxsize=4)
def _lines(sent: bytes) -> Lines:
    return Lines(terminology.load(_sent(sent)[0]))


class _Remote(io.RawIOBase):
    """A file of an object store, as Python reads files."""

    def __init__(self, address: str) -> None:
        self._file = daft.File(address).open().__enter__()  # it is read only inside of a context

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        """Any part of it can be read."""
        return True

    def readinto(self, into: Any) -> int:
        """Read as much as there is room for."""
        read = self._file.read(len(into))
        into[: len(read)] = read
        return len(read)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return cast("int", self._file.seek(place, whence))

    def tell(self) -> int:
        """Where it is read next."""
        return cast("int", self._file.tell())

    def close(self) -> None:
        """Let go of it."""
        self._file.__exit__(None, None, None)
        super().close()


def _open(address: str) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Remote(address), BLOCK))
