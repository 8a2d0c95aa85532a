"""Reads the shipped value sets (`valuesets/*.json`, FHIR ValueSet) and names the code systems they use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
BASE = "https://vitamin-d-magnesium.example/fhir/"
_EXTENSION = BASE + "StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a value set. `group` is its sub-group, `concept` the condition set of a SNOMED CT code."""

    system: str
    code: str
    display: str
    group: str
    concept: str
    loinc_property: str


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A loaded value set: its concepts in order and the codes it excludes."""

    id: str
    concepts: tuple[Concept, ...]
    excluded: frozenset[str]


def read_all(needed: Iterable[str]) -> dict[str, ValueSet]:
    """Every value set by its id.

    Raises:
        GuidanceError: one of *needed* is missing, or a file cannot be read.
    """
    folder = files("cds_service.fhir") / "valuesets"
    read = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".json"):
            found = _read(entry.name, entry.read_bytes())
            read[found.id] = found
    missing = set(needed) - read.keys()
    if missing:
        raise GuidanceError("valuesets", "(folder)", ", ".join(sorted(missing)), "a file for each of these value sets")
    return read


def _read(file: str, content: bytes) -> ValueSet:
    try:
        data = msgspec.json.decode(content)
        include = data["compose"]["include"]
        concepts = tuple(_concept(part["system"], item) for part in include for item in part.get("concept", ()))
        excluded = [item["code"] for part in data["compose"].get("exclude", ()) for item in part["concept"]]
        return ValueSet(data["id"], concepts, frozenset(code.replace(".", "") for code in excluded))
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise GuidanceError(f"valuesets/{file}", "(file)", str(error), "a ValueSet with compose.include") from error


def _concept(system: str, item: dict[str, object]) -> Concept:
    extensions = item.get("extension")
    told = {}
    for extension in extensions if isinstance(extensions, list) else ():
        name = str(extension["url"]).removeprefix(_EXTENSION)
        told[name] = str(extension.get("valueCode", ""))
    group, concept = told.get("group", ""), told.get("concept", "")
    return Concept(system, str(item["code"]), str(item.get("display", "")), group, concept, told.get("property", ""))


def whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of *words* as whole words, the longest first; matched against lower-case text."""
    listed = sorted(words, key=lambda word: (-len(word), word))
    if not listed:
        return re.compile(r"(?!)")
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, listed)) + r")(?!\w)")
