"""Which condition sets a problem belongs to, from its codes or, where it has none, its text (section 8)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from cds_service.clinical.guidance_types import Names
from cds_service.fhir.valuesets import (
    ICD10,
    ICD10CM,
    ICD10CM_SYSTEMS,
    SNOMED_SYSTEMS,
    ValueSet,
    ValueSetCode,
    is_other_icd10,
    whole_words,
)
from cds_service.fhir.views import Concept

CONDITION_SETS = (
    "ckd", "dialysis", "transplant", "aki", "obesity", "vitd-deficiency", "malabsorption", "osteoporosis",
    "hypoparathyroidism", "hypocalcaemia", "hypercalcaemia", "granulomatous", "tuberculosis", "williams",
    "hypervitaminosis-d", "primary-hyperparathyroidism", "lymphoma", "vitd-soft-hold", "stone-history",
    "active-vitd-indication", "myasthenia", "heart-block", "pacemaker", "pregnancy", "lactation", "liver",
    "calcitriol-test",
)  # fmt: skip
SNOMED_SET = "snomed"
"""SNOMED CT codes stand in this one file, which a site may remove (section 23)."""
SHORTEST_CODE, LONGEST_CODE = 3, 7
LONGEST_REMEMBERED = 50
"""Characters of a code; a client may send millions."""


class ConditionMatch(NamedTuple):
    """A condition value set a code or phrase belongs to, and its sub-group."""

    concept: str
    group: str


Prefixes = dict[str, tuple[ConditionMatch, ...]]


class ProblemTerms:
    """The lookups of section 8: ICD-10 of any edition by its longest prefix, SNOMED CT exactly, phrases of text."""

    def __init__(self, sets: dict[str, ValueSet], names: Names) -> None:
        """Build the lookups from value sets and names."""
        self._icd10cm: Prefixes = {}
        self._other_icd10: Prefixes = {}
        self._snomed: Prefixes = {}
        self._phrases: Prefixes = {}
        excluded: set[tuple[str, str]] = set()
        for set_id in CONDITION_SETS:
            excluded |= {(set_id, code) for code in sets[set_id].excluded}
            for concept in sets[set_id].concepts:
                if concept.system in (ICD10, ICD10CM):
                    self._add_icd10(concept, ConditionMatch(set_id, concept.group))
        for concept in sets[SNOMED_SET].concepts if SNOMED_SET in sets else ():
            _add(self._snomed, concept.code, ConditionMatch(concept.concept, concept.group))
        for named in names.condition:
            for phrase in named.phrases:
                _add(self._phrases, phrase, ConditionMatch(named.concept, named.group))
        self._excluded = frozenset(excluded)
        self._pattern = whole_words(self._phrases)
        self._refused = tuple(f" {word}" if word.endswith(" ") else word for word in names.condition_text.refuse)
        self._remembered = lru_cache(maxsize=4096)(self._find_icd10)

    def _add_icd10(self, concept: ValueSetCode, match: ConditionMatch) -> None:
        plain = concept.code.replace(".", "")
        if concept.edition != "other":
            _add(self._icd10cm, plain, match)
        if concept.edition != "cm":
            _add(self._other_icd10, plain, match)

    def by_code(self, concept: Concept) -> tuple[list[ConditionMatch], bool]:
        """The condition sets of the codes of *concept*, and whether any ICD-10 or SNOMED CT code was there at all."""
        found: list[ConditionMatch] = []
        coded = False
        for coding in concept.coding or ():
            if coding is None or not coding.code:
                continue
            if coding.system in SNOMED_SYSTEMS:
                coded = True
                found += self._snomed.get(coding.code, ())
                continue
            is_cm = coding.system in ICD10CM_SYSTEMS
            if is_cm or is_other_icd10(coding.system):
                coded = True
                short = len(coding.code) <= LONGEST_REMEMBERED
                found += (self._remembered if short else self._find_icd10)(coding.code, is_cm)
        return found, coded

    def _find_icd10(self, code: str, is_cm: bool) -> tuple[ConditionMatch, ...]:  # noqa: FBT001 - a key of the cache
        """The longest prefix counts, once per condition set: N18.31 is stage 3 and not also a bare N18."""
        table = self._icd10cm if is_cm else self._other_icd10
        plain = code.replace(".", "").replace(" ", "").upper()
        prefixes = [plain[:n] for n in range(min(len(plain), LONGEST_CODE), SHORTEST_CODE - 1, -1)]
        found: dict[str, list[ConditionMatch]] = {}
        for prefix in prefixes:
            fresh = [match for match in table.get(prefix, ()) if match.concept not in found]
            for match in fresh:
                if not any((match.concept, each) in self._excluded for each in prefixes):
                    found.setdefault(match.concept, []).append(match)
        return tuple(match for matches in found.values() for match in matches)

    def by_text(self, concept: Concept) -> list[ConditionMatch]:
        """The condition sets that the texts of *concept* name by a whole phrase."""
        return [match for text in concept.texts() for match in self._named_in(text)]

    def _named_in(self, text: str) -> list[ConditionMatch]:
        """Those that one text names; none where it speaks of history, family or risk."""
        folded = f" {' '.join(text.lower().split())} "
        if any(word in folded for word in self._refused):
            return []
        return [match for found in self._pattern.findall(folded) for match in self._phrases[found]]


def _add(table: Prefixes, key: str, match: ConditionMatch) -> None:
    table[key] = (*table.get(key, ()), match)
