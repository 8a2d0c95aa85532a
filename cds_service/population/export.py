"""A bulk export as it lies in a folder: its files, its day, and whose each line is.

A line that cannot be read is counted by its kind and left out; it never ends the run, and nothing of it is repeated.
"""

from __future__ import annotations

import gzip
import os
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from cds_service.clinical.facts import Source
from cds_service.errors import SettingsError
from cds_service.fhir.bundle import UNREADABLE, salvage
from cds_service.fhir.observations import effective
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import LabConcept, Observation, Resource, Subject
from cds_service.hooks.patient_bundle import KEYS
from cds_service.hooks.registry import OBSERVATION_KEYS

LOG = "log.ndjson"
"""What bulk-data clients write beside the files."""
PACKED = ".gz"
SUFFIXES = (".ndjson", f".ndjson{PACKED}")
LONGEST_LINE = 4 * 1024 * 1024
PART = 32 * 1024 * 1024
"""Bytes of a file that are read as one piece of work; a compressed file cannot be divided."""
SOURCES = tuple(Source)
NUMBER = {source: number for number, source in enumerate(SOURCES)}
"""Sources by number: that is quicker to look up than a name, and there is one look-up a line."""
PATIENT = NUMBER[Source.PATIENT]
OTHERS = {kind: NUMBER[source] for kind, source in KEYS.items()}
READ = frozenset({"Patient", "Observation", *KEYS})
NOT_READ = frozenset({
    "AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Claim", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Endpoint", "ExplanationOfBenefit", "FamilyMemberHistory", "Goal", "Group",
    "ImagingStudy", "Immunization", "Location", "Media", "Medication", "MedicationAdministration", "MedicationDispense",
    "MedicationStatement", "NutritionOrder", "OperationOutcome", "Organization", "Practitioner", "PractitionerRole",
    "Procedure", "Provenance", "QuestionnaireResponse", "RelatedPerson", "Specimen", "Substance",
})  # fmt: skip
"""Types of usual exports that no rule reads. The report names them; any other name is text of the record."""
USUAL, URN = "Patient/", "urn:uuid:"
REMEMBERED, LONGEST_REMEMBERED = 4096, 2048
"""Codes that are remembered, and how many bytes one may have."""
BLOCK = 1024 * 1024
TRANSACTION_TIME = "transactionTime"


class Unreadable(StrEnum):
    """Why a line, or the rest of a file, is not in the report."""

    NOT_JSON = "not a JSON object"
    NO_TYPE = "no resourceType"
    UNKNOWN_TYPE = "resourceType that is not known"
    BUNDLE = "Bundle, of which no resource is read"
    NO_ID = "Patient without an id"
    NO_PATIENT = "no reference to a patient"
    OTHER_SUBJECT = "about something other than a patient"
    UNKNOWN_PATIENT = "about a patient who is not in the export"
    CODE = "Observation whose code cannot be read"
    TOO_LONG = "longer than is read"
    BROKEN_FILE = "rest of a file that is cut off or damaged"


class Part(NamedTuple):
    """The lines of a file that begin in the bytes from `start` up to `end`; `file` is its path or its address."""

    file: str
    start: int
    end: int


Place = tuple[str, int]
"""Whose a line is, and which prefetch key asks for it, by its number in `SOURCES`."""


class _Line(Resource, kw_only=True):
    """What has to be known of a resource before it is read."""

    id: str | None = None
    code: msgspec.Raw = msgspec.Raw(b"null")
    subject: Subject | None = None
    patient: Subject | None = None


EVERYTHING = frozenset(_Line.__struct_fields__)
"""What is spoiled of a line that is no JSON object at all."""
_LINE = msgspec.json.Decoder(_Line)
_CODE = msgspec.json.Decoder(LabConcept | None)


class Lines:
    """Says whose each line is."""

    def __init__(self, terms: Terminology) -> None:
        """Know which laboratory codes are read. What a code leads to is remembered: few codes make most lines."""
        self._terms = terms
        self._keys = {analyte: NUMBER[source] for source, analytes in OBSERVATION_KEYS.items() for analyte in analytes}
        self._of_code = lru_cache(maxsize=REMEMBERED)(self._read_code)

    def place(self, line: bytes) -> Place | Unreadable | str:
        """Where *line* belongs: a place; its type alone, where nothing reads it; or why it cannot be read."""
        try:
            found = _LINE.decode(line)
        except UNREADABLE:
            found, spoiled = salvage(line, _Line)
            if spoiled == EVERYTHING:
                return Unreadable.NOT_JSON
        kind = found.resourceType
        if kind == "Observation":
            code = bytes(found.code)
            source = self._of_code(code) if len(code) <= LONGEST_REMEMBERED else self._read_code(code)
            if source is None or isinstance(source, Unreadable):
                return source or kind
        elif kind == "Patient":
            return (found.id, PATIENT) if found.id else Unreadable.NO_ID
        elif kind in OTHERS:
            source = OTHERS[kind]
        elif kind in NOT_READ:
            return kind
        elif kind == "Bundle":
            return Unreadable.BUNDLE
        else:
            return Unreadable.UNKNOWN_TYPE if kind else Unreadable.NO_TYPE
        patient = _patient(found.subject or found.patient)
        return patient if isinstance(patient, Unreadable) else (patient, source)

    def _read_code(self, raw: bytes) -> int | Unreadable | None:
        """The key that asks for an Observation of this code; `None`: none does, as no rule reads it."""
        try:
            concept = _CODE.decode(raw)
        except UNREADABLE:
            return Unreadable.CODE
        if concept is None:
            return None
        code = self._terms.measures(concept)
        if code is not None:
            return self._keys[code.analyte]
        codes = self._terms.loinc(concept)
        if not self._terms.pregnancy_question.isdisjoint(codes):
            return NUMBER[Source.VITALS]
        return None if self._terms.calcitriol.isdisjoint(codes) else NUMBER[Source.VITAMIN_D]


def _patient(subject: Subject | None) -> str | Unreadable:
    """The id of whom a resource is about, from a relative or absolute reference or a `urn:uuid:`."""
    reference = None if subject is None else subject.reference
    if not reference:
        return Unreadable.NO_PATIENT
    if reference.startswith(USUAL) and reference.count("/") == 1:
        return reference[len(USUAL) :] or Unreadable.NO_PATIENT
    if reference.startswith(URN):
        return reference[len(URN) :] or Unreadable.NO_PATIENT
    kind, _, name = reference.split("/_history/", maxsplit=1)[0].rpartition("/")
    if kind and kind != "Patient" and not kind.endswith("/Patient"):
        return Unreadable.OTHER_SUBJECT
    return name or Unreadable.NO_PATIENT


def files_in(folder: Path) -> list[Path]:
    """The files of resources in *folder*, not those in folders of it.

    Raises:
        SettingsError: there are none.
    """
    found = sorted(file for file in folder.glob("*.ndjson*") if file.name.endswith(SUFFIXES) and file.name != LOG)
    if not found:
        raise SettingsError(f"{folder}: there is no file *.ndjson or *.ndjson.gz in it (folders of it are not read)")
    return found


def named_types(files: Iterable[str]) -> frozenset[str]:
    """The types that files are named for: an empty file says that there is none of its type."""
    return frozenset(word for file in files for word in file.rpartition("/")[2].split(".") if word in READ)


def parts_of(files: Iterable[Path]) -> list[Part]:
    """Pieces of work that are about the same."""
    found = []
    for file in files:
        size = file.stat().st_size
        found += divided(str(file), size)
    return found


def divided(file: str, size: int) -> list[Part]:
    """A *file* of that *size* in pieces of work that are about the same."""
    step = size if file.endswith(PACKED) else PART
    return [Part(file, start, min(start + step, size)) for start in range(0, size, step or 1)]


def open_file(file: str) -> BinaryIO:
    """The file at that path."""
    return Path(file).open("rb")


def lines_of(part: Part, opening: Callable[[str], BinaryIO] = open_file) -> Iterator[list[bytes] | Unreadable]:
    """The lines of *part*, many at a time, or why some cannot be read."""
    try:
        with opening(part.file) as file:
            if part.file.endswith(PACKED):
                with gzip.open(file, "rb") as packed:
                    _skip_mark(packed)
                    yield from _lines(packed, None)
                return
            begin = part.start
            if begin:
                file.seek(begin - 1)
                begin += _skip_line(file) - 1
            else:
                begin = _skip_mark(file)
            yield from _lines(file, part.end - begin)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield Unreadable.BROKEN_FILE


def _lines(file: Any, left: int | None) -> Iterator[list[bytes] | Unreadable]:
    """The lines that begin in the next bytes, of which so many are *left*, or all."""
    rest = b""
    while left is None or left > 0:
        block = file.read1(BLOCK if left is None else min(BLOCK, left))  # of a damaged file too what is sound
        if not block:
            break
        left = None if left is None else left - len(block)
        *lines, rest = (rest + block).split(b"\n")
        yield lines
        if len(rest) > LONGEST_LINE:
            yield Unreadable.TOO_LONG
            skipped, rest = _skip_line(file), b""
            left = None if left is None else left - skipped
    if rest:
        rest = (rest + file.readline(LONGEST_LINE)).removesuffix(b"\n")
        yield [rest] if len(rest) <= LONGEST_LINE else Unreadable.TOO_LONG


def _skip_mark(file: Any) -> int:
    """Skip the mark of UTF-8 that some programs begin a file with; the bytes that were skipped."""
    if file.read(len(BOM_UTF8)) == BOM_UTF8:
        return len(BOM_UTF8)
    file.seek(0)
    return 0


def _skip_line(file: Any) -> int:
    """Skip to the next line; the bytes that were skipped."""
    skipped = 0
    while True:
        piece = file.readline(LONGEST_LINE)
        skipped += len(piece)
        if not piece or piece.endswith(b"\n"):
            return skipped


def day_of_result(line: bytes) -> date | None:
    """The day of the result in *line*."""
    return effective(salvage(line, Observation)[0]).day


def stated_day(folder: Path, files: Iterable[Path], timezone: str) -> tuple[date, str] | None:
    """The day of the export by its own manifest or log, and where that was found; the latest, if there are several."""
    places = dict.fromkeys([folder, *(Path(os.path.realpath(file)).parent for file in files)])  # of a loop too
    found: list[tuple[datetime, str]] = []
    for place in places:
        for file in sorted([*place.glob("*.json"), place / LOG]):
            found += [(moment, file.name) for moment in _moments(file)]
    if not found:
        return None
    moment, name = max(found)
    return moment.astimezone(ZoneInfo(timezone)).date(), f"{TRANSACTION_TIME} in {name}"


def _moments(file: Path) -> Iterator[datetime]:
    """Each transaction time that a manifest, or a line of a log, states."""
    try:
        texts = file.read_bytes().splitlines() if file.name == LOG else [file.read_bytes()]
    except OSError:
        return
    for text in texts:
        try:
            said = msgspec.json.decode(text)
            detail = said.get("eventDetail") if isinstance(said, dict) else None
            stated = (detail if isinstance(detail, dict) else said).get(TRANSACTION_TIME)
            moment = datetime.fromisoformat(str(stated))
        except (*UNREADABLE, AttributeError, TypeError, ValueError):
            continue
        if moment.tzinfo is not None:
            yield moment
