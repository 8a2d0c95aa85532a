"""Value sets from `valuesets/*.json` (FHIR ValueSet) and names from `names.toml`: which code or word means what.

LOINC, RxNorm and SNOMED CT codes match exactly; ATC and ICD-10-CM codes by their longest prefix, dots ignored
(decision table, sections 3, 7, 8 and 22). Displays of laboratory codes are never matched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cds_service.clinical.guidance_types import DrugName, Names
    from cds_service.fhir.views import Coding

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = frozenset({ICD10CM, "http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.840.1.113883.6.90"})
"""ICD-10-CM, and the ICD-10 it extends: the categories that are read mean the same in both."""

BASE = "https://vitamin-d-magnesium.example/fhir/"
_EXTENSION = BASE + "StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of a value set. `group` is its sub-group, `concept` the condition set of a SNOMED code."""

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


@dataclass(frozen=True, slots=True)
class LabCode:
    """What an accepted LOINC code measures. `rank`: preferred first; `specificity`: a fraction before a total."""

    code: str
    analyte: str
    form: str
    rank: int
    specificity: int
    loinc_property: str


@dataclass(frozen=True, slots=True)
class DrugMatch:
    """One reason why an order belongs to a drug set."""

    set: str
    group: str
    name: str
    by_name: bool


@dataclass(frozen=True, slots=True)
class ConditionMatch:
    """A condition value set a code or phrase belongs to, and its sub-group."""

    concept: str
    group: str


@dataclass(slots=True)
class Terminology:
    """Every lookup the readers need; built once at start-up by `load`."""

    lab: dict[str, LabCode] = field(default_factory=dict)
    denied: dict[str, frozenset[str]] = field(default_factory=dict)
    calcitriol: frozenset[str] = frozenset()
    pregnancy_question: frozenset[str] = frozenset()
    pregnancy_answers: dict[str, bool] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    rxnorm: dict[str, tuple[DrugMatch, ...]] = field(default_factory=dict)
    atc: dict[str, tuple[DrugMatch, ...]] = field(default_factory=dict)
    names: dict[str, tuple[DrugMatch, ...]] = field(default_factory=dict)
    name_pattern: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    no_magnesium: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    no_calcium: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    local_route: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    snomed: dict[str, tuple[ConditionMatch, ...]] = field(default_factory=dict)
    icd: dict[str, tuple[ConditionMatch, ...]] = field(default_factory=dict)
    icd_excluded: frozenset[tuple[str, str]] = frozenset()
    phrases: dict[str, tuple[ConditionMatch, ...]] = field(default_factory=dict)
    phrase_pattern: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    refused: tuple[str, ...] = ()

    def measures(self, codings: Iterable[Coding]) -> LabCode | None:
        """The accepted code that decides what an Observation measures; a deny list of its analyte wins (section 3)."""
        codes = [c.code for c in codings if c.code is not None and c.system == LOINC]
        accepted = [found for code in codes if (found := self.lab.get(code)) is not None]
        if len(codes) > 1:
            accepted = [
                found for found in accepted if not self.denied.get(found.analyte, frozenset()).intersection(codes)
            ]
        return min(accepted, key=lambda found: (found.specificity, found.rank), default=None)

    def condition_codes(self, codings: Iterable[Coding]) -> tuple[list[ConditionMatch], bool]:
        """The condition sets of the codes, and whether any ICD-10 or SNOMED CT code was there at all."""
        found: list[ConditionMatch] = []
        coded = False
        for coding in codings:
            if coding.code is None:
                continue
            if coding.system == SNOMED:
                coded = True
                found += self.snomed.get(coding.code, ())
            elif coding.system in ICD10:
                coded = True
                found += self._icd(coding.code)
        return found, coded

    def _icd(self, code: str) -> Iterator[ConditionMatch]:
        """The longest prefix counts, once per condition set: N18.31 is stage 3 and not also a bare N18."""
        plain = code.replace(".", "").upper()
        seen: set[str] = set()
        for length in range(min(len(plain), 7), 2, -1):
            longer = frozenset(seen)
            for match in self.icd.get(plain[:length], ()):
                excluded = any((match.concept, plain[:n]) in self.icd_excluded for n in range(3, len(plain) + 1))
                if match.concept not in longer and not excluded:
                    seen.add(match.concept)
                    yield match

    def condition_text(self, text: str) -> list[ConditionMatch]:
        """The condition sets a text names by a whole phrase; refused where it speaks of history, family or risk."""
        folded = f" {' '.join(text.lower().split())} "
        if any(word in folded for word in self.refused):
            return []
        return [match for found in self.phrase_pattern.findall(folded) for match in self.phrases[found]]

    def drug_names(self, text: str) -> list[DrugMatch]:
        """Every drug named in *text*, as whole words in any case."""
        return [match for found in self.name_pattern.findall(text) for match in self.names[found]]

    def drug_codes(self, codings: Iterable[Coding]) -> list[DrugMatch]:
        """The drug sets of RxNorm codes, and of ATC codes by their longest prefix."""
        found: list[DrugMatch] = []
        for coding in codings:
            if coding.code is None:
                continue
            if coding.system == RXNORM:
                found += self.rxnorm.get(coding.code, ())
            elif coding.system == ATC:
                found += self._atc(coding.code)
        return found

    def _atc(self, code: str) -> tuple[DrugMatch, ...]:
        plain = code.replace(" ", "").upper()
        return next((self.atc[plain[:n]] for n in range(len(plain), 2, -1) if plain[:n] in self.atc), ())

    def analyte_of_order(self, codings: Iterable[Coding]) -> str | None:
        """The analyte an order is for: its value set, else the code itself (section 17)."""
        codes = [c.code for c in codings if c.code is not None and c.system == LOINC]
        return next((self.orders.get(code, code) for code in codes), None)


VITAMIN_D, MAGNESIUM = "vitamin-d", "magnesium"
_FORM_RANK = {"total": 0, "ambiguous": 1, "sum": 2, "d3-alone": 3}
_ANALYTE = {
    "ca-total": "calcium", "ca-corrected": "calcium", "ca-ionised": "calcium", "albumin": "albumin",
    "phosphate": "phosphate", "pth": "pth", "potassium": "potassium", "creatinine": "creatinine", "egfr": "egfr",
}  # fmt: skip
_CALCIUM_FORM = {"ca-total": "total", "ca-corrected": "corrected", "ca-ionised": "ionised"}
PANEL_ORDER, MAGNESIUM_ORDER = "49590-3", "108834-3"
DRUG_SETS = (
    "nutritional-vitd", "active-vitd", "mg-products", "ppi", "loop-diuretics", "thiazides", "mg-wasting-strong",
    "mg-chelating", "mg-blocking", "vitd-catabolism", "vitd-malabsorption", "glucocorticoids", "digoxin",
    "calcium-salts",
)  # fmt: skip
CONDITION_SETS = (
    "ckd", "dialysis", "transplant", "aki", "obesity", "vitd-deficiency", "malabsorption", "osteoporosis",
    "hypoparathyroidism", "hypocalcaemia", "hypercalcaemia", "granulomatous", "tuberculosis", "williams",
    "hypervitaminosis-d", "primary-hyperparathyroidism", "lymphoma", "vitd-soft-hold", "stone-history",
    "active-vitd-indication", "myasthenia", "heart-block", "pacemaker", "pregnancy", "lactation", "liver",
)  # fmt: skip
SNOMED_SET = "snomed"
"""SNOMED CT codes stand in this one file, which a site may remove (section 23)."""


def load(names: Names) -> Terminology:
    """Read every value set and build the lookups.

    Raises:
        GuidanceError: a value set is missing or unreadable.
    """
    sets = _read_all()
    found = Terminology()
    _add_labs(found, sets)
    _add_drugs(found, sets, names)
    _add_conditions(found, sets, names)
    return found


def _read_all() -> dict[str, ValueSet]:
    folder = files("cds_service.fhir") / "valuesets"
    read = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".json"):
            found = _read(entry.name, entry.read_bytes())
            read[found.id] = found
    missing = {*_ANALYTE, *DRUG_SETS, *CONDITION_SETS, "vitd-25ohd-total", "mg-serum-total"} - read.keys()
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
        raise GuidanceError(
            f"valuesets/{file}", "(file)", str(error), "a ValueSet with compose.include.concept"
        ) from error


def _concept(system: str, item: dict[str, object]) -> Concept:
    extensions = item.get("extension")
    told = {}
    for extension in extensions if isinstance(extensions, list) else ():
        name = str(extension["url"]).removeprefix(_EXTENSION)
        told[name] = str(extension.get("valueCode", ""))
    group, concept = told.get("group", ""), told.get("concept", "")
    return Concept(system, str(item["code"]), str(item.get("display", "")), group, concept, told.get("property", ""))


def _add_labs(found: Terminology, sets: dict[str, ValueSet]) -> None:
    for concept in sets["vitd-25ohd-total"].concepts:
        form = "ambiguous" if concept.group == "ambiguous" else "total"
        specificity = 2 if form == "ambiguous" else 1
        found.lab[concept.code] = _lab(concept, VITAMIN_D, form, _FORM_RANK[form], specificity)
    for set_id, form in (("vitd-25ohd-d3", "d3"), ("vitd-25ohd-d2", "d2")):
        for concept in sets[set_id].concepts:
            found.lab[concept.code] = _lab(concept, VITAMIN_D, form, _FORM_RANK["d3-alone"], 0)
    for place, concept in enumerate(sets["mg-serum-total"].concepts):
        if concept.group != "order-only":
            found.lab[concept.code] = _lab(concept, MAGNESIUM, concept.group, 0, place)
    for set_id, analyte in _ANALYTE.items():
        ranks = _group_ranks(sets[set_id])
        for concept in sets[set_id].concepts:
            form = _CALCIUM_FORM.get(set_id, concept.group)
            found.lab[concept.code] = _lab(concept, analyte, form, ranks[concept.code], ranks[concept.code])
    for concept in sets["body-size"].concepts:
        found.lab[concept.code] = _lab(concept, concept.group, "", 0, 0)
    found.denied = {
        VITAMIN_D: frozenset(c.code for c in sets["vitd-not-25ohd"].concepts),
        MAGNESIUM: frozenset(c.code for c in sets["mg-not-serum-total"].concepts),
    }
    found.calcitriol = frozenset(c.code for c in sets["vitd-not-25ohd"].concepts if c.group == "calcitriol")
    status = sets["pregnancy-status"].concepts
    found.pregnancy_question = frozenset(c.code for c in status if c.group == "question")
    found.pregnancy_answers = {c.code: c.group == "pregnant" for c in status if c.group in ("pregnant", "not-pregnant")}
    found.orders = _order_analytes(sets)


def _lab(concept: Concept, analyte: str, form: str, rank: int, specificity: int) -> LabCode:
    return LabCode(concept.code, analyte, form, rank, specificity, concept.loinc_property)


def _group_ranks(value_set: ValueSet) -> dict[str, int]:
    """Codes of one group share a rank; groups rank in the order in which they first stand in the file."""
    order = list(dict.fromkeys(concept.group or concept.code for concept in value_set.concepts))
    return {concept.code: order.index(concept.group or concept.code) for concept in value_set.concepts}


def _order_analytes(sets: dict[str, ValueSet]) -> dict[str, str]:
    analytes = {PANEL_ORDER: VITAMIN_D, MAGNESIUM_ORDER: MAGNESIUM}
    for set_id in ("vitd-25ohd-total", "vitd-25ohd-d3", "vitd-25ohd-d2"):
        analytes |= {concept.code: VITAMIN_D for concept in sets[set_id].concepts}
    analytes |= {concept.code: MAGNESIUM for concept in sets["mg-serum-total"].concepts}
    for set_id in _ANALYTE:
        analytes |= {concept.code: set_id for concept in sets[set_id].concepts}
    return analytes


def _add_drugs(found: Terminology, sets: dict[str, ValueSet], names: Names) -> None:
    first = {(drug.set, drug.group): drug.name for drug in reversed(names.drug)}
    for set_id in DRUG_SETS:
        for concept in sets[set_id].concepts:
            name = concept.display or first.get((set_id, concept.group)) or first.get((set_id, ""), "")
            table = found.rxnorm if concept.system == RXNORM else found.atc
            match = DrugMatch(set_id, concept.group, name[:MOST_NAME], by_name=False)
            table[concept.code] = (*table.get(concept.code, ()), match)
    for drug in names.drug:
        _add_name(found, drug)
    found.name_pattern = _whole_words(found.names)
    found.no_magnesium = _whole_words(names.exclusions.magnesium)
    found.no_calcium = _whole_words(names.exclusions.calcium)
    found.local_route = _whole_words(names.exclusions.routes)


MOST_NAME = 30
"""`{drug}` is at most 30 characters (section 14)."""


def _add_name(found: Terminology, drug: DrugName) -> None:
    if len(drug.name) > MOST_NAME:
        raise GuidanceError("names.toml", "drug.name", drug.name, f"at most {MOST_NAME} characters")
    for spelling in drug.spellings:
        match = DrugMatch(drug.set, drug.group, drug.name, by_name=True)
        found.names[spelling] = (*found.names.get(spelling, ()), match)


def _whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of *words* as whole words, the longest first; matched against lower-case text."""
    listed = sorted(words, key=lambda word: (-len(word), word))
    if not listed:
        return re.compile(r"(?!)")
    return re.compile(r"(?<![a-z0-9])(?:" + "|".join(map(re.escape, listed)) + r")(?![a-z0-9])")


def _add_conditions(found: Terminology, sets: dict[str, ValueSet], names: Names) -> None:
    excluded: set[tuple[str, str]] = set()
    for set_id in CONDITION_SETS:
        excluded |= {(set_id, code) for code in sets[set_id].excluded}
        for concept in sets[set_id].concepts:
            if concept.system == ICD10CM:
                code = concept.code.replace(".", "")
                found.icd[code] = (*found.icd.get(code, ()), ConditionMatch(set_id, concept.group))
    found.icd_excluded = frozenset(excluded)
    for concept in sets[SNOMED_SET].concepts if SNOMED_SET in sets else ():
        match = ConditionMatch(concept.concept, concept.group)
        found.snomed[concept.code] = (*found.snomed.get(concept.code, ()), match)
    for named in names.condition:
        for phrase in named.phrases:
            match = ConditionMatch(named.concept, named.group)
            found.phrases[phrase] = (*found.phrases.get(phrase, ()), match)
    found.phrase_pattern = _whole_words(found.phrases)
    found.refused = tuple(f" {word}" if word.endswith(" ") else word for word in names.condition_text.refuse)
