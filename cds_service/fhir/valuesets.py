"""Reads the shipped value sets (`valuesets/*.json`, FHIR ValueSet) and names the code systems, by URI and by OID."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from cds_service.errors import GuidanceError

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10CM = f"{ICD10}-cm"
_OID = "urn:oid:2.16.840.1.113883.6"
LOINC_SYSTEMS = frozenset({LOINC, f"{_OID}.1"})
RXNORM_SYSTEMS = frozenset({RXNORM, f"{_OID}.88"})
ATC_SYSTEMS = frozenset({ATC, f"{_OID}.73"})
SNOMED_SYSTEMS = frozenset({SNOMED, f"{_OID}.96"})
ICD10CM_SYSTEMS = frozenset({ICD10CM, f"{_OID}.90"})
OTHER_ICD10_SYSTEMS = frozenset({
    ICD10, "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/dimdi/icd-10-gm",
    "https://fhir.hl7.org.uk/Id/icd-10", f"{_OID}.3", f"{_OID}.135", "urn:oid:2.16.578.1.12.4.1.1.7110",
})  # fmt: skip
"""The names of every system that is read: compare a system with these, never with one name (section 22).

Those of UCUM stand in `units.py`.
"""
_NATIONAL = re.compile(re.escape(ICD10) + r"-(?!(?:cm|pcs)$)[a-z]+", re.IGNORECASE)
"""Any other national edition; ICD-10-PCS is none: its codes are procedures and mean other things."""
BASE = "https://vitamin-d-magnesium.example/fhir/"
_EXTENSION = BASE + "StructureDefinition/"


def is_other_icd10(system: str | None) -> bool:
    """Whether *system* is an edition of ICD-10 other than ICD-10-CM (section 22)."""
    if system is None:
        return False
    return system in OTHER_ICD10_SYSTEMS or _NATIONAL.fullmatch(system) is not None


@dataclass(frozen=True, slots=True)
class ValueSetCode:
    """One code of a value set. `group` is its sub-group, `concept` the condition set of a SNOMED CT code.

    `edition` says where a code of ICD-10 is read: `cm` in ICD-10-CM alone, `other` in every other edition, empty in
    all. `units` are the IU of vitamin D in one piece of a clinical drug.
    """

    system: str
    code: str
    display: str
    group: str
    concept: str
    loinc_property: str
    edition: str
    units: int | None


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A loaded value set: its concepts in order and the codes it excludes."""

    id: str
    concepts: tuple[ValueSetCode, ...]
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


def _concept(system: str, item: dict[str, object]) -> ValueSetCode:
    extensions = item.get("extension")
    told = {}
    for extension in extensions if isinstance(extensions, list) else ():
        told[str(extension["url"]).removeprefix(_EXTENSION)] = extension.get("valueCode", extension.get("valueInteger"))
    text = {name: str(told.get(name) or "") for name in ("group", "concept", "property", "edition")}
    return ValueSetCode(
        system,
        str(item["code"]),
        str(item.get("display", "")),
        text["group"],
        text["concept"],
        text["property"],
        text["edition"],
        told.get("units"),
    )


def whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of *words* as whole words, the longest first; matched against lower-case text."""
    listed = sorted(words, key=lambda word: (-len(word), word))
    if not listed:
        return re.compile(r"(?!)")
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, listed)) + r")(?!\w)")
