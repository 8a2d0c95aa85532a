"""Which code measures what: laboratory codes, orders, pregnancy status (sections 3 and 17); drugs and problems beside.

LOINC codes match exactly and never by their display; deny lists hold per analyte.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.clinical.guidance_types import Names
from cds_service.fhir import valuesets
from cds_service.fhir.drugs import DRUG_SETS, DrugTerms
from cds_service.fhir.problems import CONDITION_SETS, ProblemTerms
from cds_service.fhir.valuesets import LOINC_SYSTEMS, ValueSet, ValueSetCode
from cds_service.fhir.views import Concept, LabConcept

VITAMIN_D, MAGNESIUM = "vitamin-d", "magnesium"
FORM_RANK = {"total": 0, "ambiguous": 1, "sum": 2, "d3-alone": 3}
"""Of 25(OH)D results of one time: a total before a sum of fractions before D3 alone (section 5)."""
ANALYTE_OF_SET = {
    "ca-total": "calcium", "ca-corrected": "calcium", "ca-ionised": "calcium", "albumin": "albumin",
    "phosphate": "phosphate", "pth": "pth", "potassium": "potassium", "creatinine": "creatinine", "egfr": "egfr",
}  # fmt: skip
CALCIUM_FORM = {"ca-total": "total", "ca-corrected": "corrected", "ca-ionised": "ionised"}
FRACTION_SETS = (("vitd-25ohd-d3", "d3"), ("vitd-25ohd-d2", "d2"))
LAB_SETS = (
    *ANALYTE_OF_SET, *(name for name, _ in FRACTION_SETS), "vitd-25ohd-total", "vitd-not-25ohd", "mg-serum-total",
    "mg-not-serum-total", "body-size", "pregnancy-status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabCode:
    """What an accepted LOINC code measures. `rank`: preferred first; `specificity`: a fraction before a total."""

    code: str
    analyte: str
    form: str
    rank: int
    specificity: int
    loinc_property: str


class Terminology:
    """Every lookup the readers need; built once at start-up by `load`."""

    def __init__(self, sets: dict[str, ValueSet], names: Names) -> None:
        """Build the lookups from value sets and names."""
        self.lab = _lab_codes(sets)
        self.denied = {
            VITAMIN_D: frozenset(c.code for c in sets["vitd-not-25ohd"].concepts),
            MAGNESIUM: frozenset(c.code for c in sets["mg-not-serum-total"].concepts),
        }
        self.calcitriol = frozenset(c.code for c in sets["vitd-not-25ohd"].concepts if c.group == "calcitriol")
        status = sets["pregnancy-status"].concepts
        self.pregnancy_question = frozenset(c.code for c in status if c.group == "question")
        told = {"pregnant": True, "not-pregnant": False, "unknown": None}
        self.pregnancy_answers: dict[str | None, bool | None] = {
            c.code: told[c.group] for c in status if c.group in told
        }
        self.orders = _order_analytes(sets)
        self.of_orders = _codes_of_orders(sets)
        self.drugs = DrugTerms(sets, names)
        self.problems = ProblemTerms(sets, names)

    def measures(self, concept: LabConcept) -> LabCode | None:
        """The accepted code that decides what an Observation measures; a deny list of its analyte wins (section 3)."""
        codes = self.loinc(concept)
        if len(codes) == 1:
            return self.lab.get(codes[0])
        denied = {analyte for analyte, refused in self.denied.items() if not refused.isdisjoint(codes)}
        accepted = [found for code in codes if (found := self.lab.get(code)) is not None]
        allowed = [found for found in accepted if found.analyte not in denied]
        return min(allowed, key=lambda found: (found.specificity, found.rank), default=None)

    def loinc(self, concept: LabConcept | Concept) -> list[str]:
        """The LOINC codes of *concept*."""
        listed = concept.coding or ()
        return [c.code for c in listed if c is not None and c.system in LOINC_SYSTEMS and c.code is not None]

    def analyte_of_order(self, concept: LabConcept) -> str | None:
        """The analyte an order is for: its value set, else the code itself (section 17)."""
        return next((self.orders.get(code, code) for code in self.loinc(concept)), None)


def load(names: Names) -> Terminology:
    """Read every value set and build the lookups.

    Raises:
        GuidanceError: a value set is missing or unreadable, or a name is wrong.
    """
    return Terminology(valuesets.read_all((*LAB_SETS, *DRUG_SETS, *CONDITION_SETS)), names)


def _lab_codes(sets: dict[str, ValueSet]) -> dict[str, LabCode]:
    found: list[LabCode] = []
    for concept in sets["vitd-25ohd-total"].concepts:
        form = "ambiguous" if concept.group == "ambiguous" else "total"
        found.append(_lab(concept, VITAMIN_D, form, FORM_RANK[form], 2 if form == "ambiguous" else 1))
    for set_id, form in FRACTION_SETS:
        found += [_lab(c, VITAMIN_D, form, FORM_RANK["d3-alone"], 0) for c in sets[set_id].concepts]
    for place, concept in enumerate(sets["mg-serum-total"].concepts):
        if concept.group != "order-only":
            found.append(_lab(concept, MAGNESIUM, concept.group, 0, place))
    for set_id, analyte in ANALYTE_OF_SET.items():
        ranks = _group_ranks(sets[set_id])
        for concept in sets[set_id].concepts:
            form = CALCIUM_FORM.get(set_id, concept.group)
            found.append(_lab(concept, analyte, form, ranks[concept.code], ranks[concept.code]))
    found += [_lab(concept, concept.group, "", 0, 0) for concept in sets["body-size"].concepts]
    return {code.code: code for code in found}


def _lab(concept: ValueSetCode, analyte: str, form: str, rank: int, specificity: int) -> LabCode:
    return LabCode(concept.code, analyte, form, rank, specificity, concept.loinc_property)


def _group_ranks(value_set: ValueSet) -> dict[str, int]:
    """Codes of one group share a rank; groups rank in the order in which they first stand in the file."""
    order = list(dict.fromkeys(concept.group or concept.code for concept in value_set.concepts))
    return {concept.code: order.index(concept.group or concept.code) for concept in value_set.concepts}


def _codes_of_orders(sets: dict[str, ValueSet]) -> dict[str, ValueSetCode]:
    """The codes of elements of orders, by group; none where a site has removed their file."""
    found = sets.get("snomed-orders")
    return {} if found is None else {concept.group: concept for concept in found.concepts}


def _order_analytes(sets: dict[str, ValueSet]) -> dict[str, str]:
    analytes = {c.code: VITAMIN_D for c in sets["vitd-not-25ohd"].concepts if c.group == "order-only"}
    for set_id in ("vitd-25ohd-total", *(name for name, _ in FRACTION_SETS)):
        analytes |= {concept.code: VITAMIN_D for concept in sets[set_id].concepts}
    analytes |= {concept.code: MAGNESIUM for concept in sets["mg-serum-total"].concepts}
    for set_id in ANALYTE_OF_SET:
        analytes |= {concept.code: set_id for concept in sets[set_id].concepts}
    return analytes
