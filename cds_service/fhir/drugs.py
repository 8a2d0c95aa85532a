"""Which drug sets an order belongs to, from its codes and the names in its text (section 7)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cds_service.errors import GuidanceError
from cds_service.fhir.valuesets import ATC, RXNORM, whole_words

if TYPE_CHECKING:
    from cds_service.clinical.guidance_types import Names
    from cds_service.fhir.valuesets import ValueSet

NUTRITIONAL, ACTIVE, MAGNESIUM, CALCIUM = "nutritional-vitd", "active-vitd", "mg-products", "calcium-salts"
DRUG_SETS = (
    NUTRITIONAL, ACTIVE, MAGNESIUM, "ppi", "loop-diuretics", "thiazides", "mg-wasting-strong", "mg-chelating",
    "mg-blocking", "vitd-catabolism", "vitd-malabsorption", "glucocorticoids", "digoxin", CALCIUM,
)  # fmt: skip
MINERALS = frozenset({MAGNESIUM, CALCIUM})
COMPATIBLE = MINERALS | {NUTRITIONAL, ACTIVE}
"""An order in any other set is not a magnesium or calcium product: esomeprazole magnesium is a PPI (section 7)."""
NAMED_FORMS = frozenset({"d2", "d3", "calcifediol"})
MOST_NAME = 30
"""`{drug}` is at most 30 characters (section 14)."""
REMEMBERED = 4096
"""Drug texts repeat from patient to patient; so many classifications are kept. Nothing of a patient is in them."""
LONGEST_REMEMBERED = 500
"""Characters of a name and its codes; a client may send millions."""
LONGEST_ATC = 7


class Drug(NamedTuple):
    """What an order names: its (system, code) pairs, and every text that names it, lower case."""

    codes: tuple[tuple[str | None, str], ...]
    text: str


class DrugMatch(NamedTuple):
    """One reason why an order belongs to a drug set."""

    set: str
    group: str
    name: str
    by_name: bool


class DrugTerms:
    """The lookups of section 7: RxNorm exactly, ATC by its longest prefix, ingredient names as whole words."""

    def __init__(self, sets: dict[str, ValueSet], names: Names) -> None:
        """Build the lookups from value sets and names.

        Raises:
            GuidanceError: a name is too long to be printed.
        """
        self._rxnorm: dict[str, tuple[DrugMatch, ...]] = {}
        self._atc: dict[str, tuple[DrugMatch, ...]] = {}
        self._names: dict[str, tuple[DrugMatch, ...]] = {}
        self._add_codes(sets, names)
        self._add_names(names)
        self._name_pattern = whole_words(self._names)
        self._no_magnesium = whole_words(names.exclusions.magnesium)
        self._no_calcium = whole_words(names.exclusions.calcium)
        self._local_route = whole_words(names.exclusions.routes)
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._classify)

    def _add_codes(self, sets: dict[str, ValueSet], names: Names) -> None:
        first = {(drug.set, drug.group): drug.name for drug in reversed(names.drug)}
        for set_id in DRUG_SETS:
            for concept in sets[set_id].concepts:
                name = concept.display or first.get((set_id, concept.group)) or first.get((set_id, ""), "")
                table = self._rxnorm if concept.system == RXNORM else self._atc
                match = DrugMatch(set_id, concept.group, name[:MOST_NAME], by_name=False)
                table[concept.code] = (*table.get(concept.code, ()), match)

    def _add_names(self, names: Names) -> None:
        for drug in names.drug:
            if len(drug.name) > MOST_NAME:
                raise GuidanceError("names.toml", "drug.name", drug.name, f"at most {MOST_NAME} characters")
            for spelling in drug.spellings:
                match = DrugMatch(drug.set, drug.group, drug.name, by_name=True)
                self._names[spelling] = (*self._names.get(spelling, ()), match)

    def is_local(self, text: str) -> bool:
        """Whether *text* (lower case) speaks of a topical, ophthalmic, otic, nasal, inhaled or vaginal form."""
        return self._local_route.search(text) is not None

    def classify(self, drug: Drug) -> tuple[DrugMatch, ...]:
        """The drug sets of *drug* after the exclusions of section 7; none for a local form.

        Names are remembered, but for those so long that many of them would fill the memory.
        """
        length = len(drug.text) + sum(len(system or "") + len(code or "") for system, code in drug.codes)
        return self._remembered(drug) if length <= LONGEST_REMEMBERED else self._classify(drug)

    def _classify(self, drug: Drug) -> tuple[DrugMatch, ...]:
        matches = self._by_code(drug) + self._by_name(drug.text)
        if not matches or self.is_local(drug.text):
            return ()
        if self._no_magnesium.search(drug.text):
            matches = [match for match in matches if match.set != MAGNESIUM or not match.by_name]
        if self._no_calcium.search(drug.text):
            matches = [match for match in matches if match.set != CALCIUM or not match.by_name]
        if any(match.set not in COMPATIBLE for match in matches):
            matches = [match for match in matches if match.set not in MINERALS]
        return tuple(_one_form(matches))

    def _by_code(self, drug: Drug) -> list[DrugMatch]:
        found: list[DrugMatch] = []
        for system, code in drug.codes:
            if system == RXNORM:
                found += self._rxnorm.get(code, ())
            elif system == ATC:
                found += self._longest_prefix(code)
        return found

    def _longest_prefix(self, code: str) -> tuple[DrugMatch, ...]:
        plain = code.replace(" ", "").upper()
        longest = min(len(plain), LONGEST_ATC)
        return next((self._atc[plain[:n]] for n in range(longest, 2, -1) if plain[:n] in self._atc), ())

    def _by_name(self, text: str) -> list[DrugMatch]:
        return [match for found in self._name_pattern.findall(text) for match in self._names[found]]


def _one_form(matches: list[DrugMatch]) -> list[DrugMatch]:
    """A named form of vitamin D stands before the broad one: the text "vitamin d2" also names "vitamin d".

    An active form is not nutritional vitamin D, though its ATC group is the same.
    """
    nutritional = {match.group for match in matches if match.set == NUTRITIONAL}
    if any(match.set == ACTIVE for match in matches) and not nutritional & NAMED_FORMS:
        matches = [match for match in matches if match.set != NUTRITIONAL]
    if nutritional & NAMED_FORMS:
        matches = [match for match in matches if match.set != NUTRITIONAL or match.group != "any"]
    return matches
