"""Which drug sets an order belongs to, from its codes and the names in its text (section 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar

from cds_service.clinical.guidance_types import Names
from cds_service.errors import GuidanceError
from cds_service.fhir.names import Named, NameFinder, spellings, words_apart
from cds_service.fhir.strengths import IU_LETTERS, IU_WORDS, Strengths, strengths
from cds_service.fhir.valuesets import ATC_SYSTEMS, RXNORM, RXNORM_SYSTEMS, ValueSet

NUTRITIONAL, ACTIVE, MAGNESIUM, CALCIUM = "nutritional-vitd", "active-vitd", "mg-products", "calcium-salts"
DRUG_SETS = (
    NUTRITIONAL, ACTIVE, MAGNESIUM, "ppi", "loop-diuretics", "thiazides", "mg-wasting-strong", "mg-chelating",
    "mg-blocking", "vitd-catabolism", "vitd-malabsorption", "glucocorticoids", "digoxin", CALCIUM,
)  # fmt: skip
MINERALS = frozenset({MAGNESIUM, CALCIUM})
COMPATIBLE = MINERALS | {NUTRITIONAL, ACTIVE}
"""An order in any other set is not a magnesium or calcium product: esomeprazole magnesium is a PPI (section 7)."""
NAMED_FORMS = frozenset({"d2", "d3", "calcifediol"})
COMBINATION = "combination"
"""The group of calcium with vitamin D, whatever else the order's groups say of the vitamin (sections 7.1 and 9.3)."""
MOST_NAME = 30
"""`{drug}` is at most 30 characters (section 14)."""
REMEMBERED = 4096
"""Names of drugs repeat from patient to patient; what so many of them say is kept. Nothing of a patient is in it."""
LONGEST_REMEMBERED = 500
"""Characters of a name and its codes; a client may send millions."""
LONGEST_ATC = 7
WHOLE_ATC = re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}")
IU_NUMBER = re.compile(rf"[0-9] ?(?:{'|'.join([*(f'{a} ?{b}' for a, b in IU_LETTERS), *IU_WORDS])})(?!\w)")
"""A number of IU in folded text."""
WORD = re.compile(r"[a-z]{3,}")

Codes = tuple[tuple[str | None, str], ...]
NO_STRENGTHS = Strengths()


class DrugMatch(NamedTuple):
    """One reason why an order belongs to a drug set."""

    set: str
    group: str
    name: str
    by_name: bool


class Drug(NamedTuple):
    """What a drug is to the rules: the name that a card prints, its sets and their groups; none of all is another."""

    name: str
    sets: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True)
class Hints:
    """What names and codes say of a drug; an order that tells it in several places joins what each of them says.

    `beside_units` count only beside a number of IU. `tells` are the kinds of names that were found, and whether there
    is a number of IU and the drug can be known. `units` are IU in one piece of a clinical drug. Strengths are looked
    for in `text` once they are asked for; `joined` are those of several places.
    """

    coded: tuple[DrugMatch, ...] = ()
    named: tuple[DrugMatch, ...] = ()
    beside_units: tuple[DrugMatch, ...] = ()
    tells: frozenset[str] = frozenset()
    units: frozenset[int] = frozenset()
    text: str = ""
    joined: Strengths = NO_STRENGTHS

    @cached_property
    def drug(self) -> Drug | None:
        """The drug that it is, found out once; `None` where nothing tells which."""
        matches = classify(self)
        if matches is None:
            return None
        sets = frozenset([match.set for match in matches])
        return Drug(
            _name(matches) if matches else "", sets, frozenset([match.group for match in matches if match.group])
        )

    def joined_with(self, other: Hints) -> Hints:
        """What both say."""
        return Hints(
            _distinct(self.coded + other.coded),
            _distinct(self.named + other.named),
            _distinct(self.beside_units + other.beside_units),
            self.tells | other.tells,
            self.units | other.units,
            joined=self.strengths.joined_with(other.strengths),
        )

    @cached_property
    def strengths(self) -> Strengths:
        """The strengths that the names tell."""
        return self.joined.joined_with(strengths(self.text)) if self.text else self.joined

    def each(self, *, combination: bool) -> Decimal | None:
        """IU of vitamin D in one piece: by the name, else by the code of a clinical drug."""
        named = self.strengths.each(combination=combination)
        if named is not None or len(self.units) != 1:
            return named
        return Decimal(next(iter(self.units)))

    @property
    def told(self) -> frozenset[Decimal]:
        """Every strength that name and code tell."""
        return self.strengths.told | {Decimal(units) for units in self.units}


def _distinct(matches: Iterable[DrugMatch]) -> tuple[DrugMatch, ...]:
    return tuple(dict.fromkeys(matches))


CALCIUM_WITH_D = DrugMatch(NUTRITIONAL, COMBINATION, "calcium with vitamin D", by_name=True)
SPELLING, BESIDE_UNITS = "drug.spellings", "drug.beside_units"
FILLER, NO_MAGNESIUM, LOCAL = "exclusions.fillers", "exclusions.magnesium", "exclusions.routes"
PARENTERAL, TRACE = "exclusions.parenteral", "exclusions.trace"
HAS_CALCIUM, D_BESIDE_CALCIUM = "calcium_with_d.calcium", "calcium_with_d.beside_calcium"
CALCIUM_BRAND, D_BESIDE_BRAND = "calcium_with_d.brands", "calcium_with_d.beside_brands"
"""Kinds of names, called by their place in `names.toml`."""
HAS_UNITS, KNOWABLE = "units", "knowable"
BETWEEN_NAMES = " | "
"""Between the names of one order, which are read as one text."""
BETWEEN_INGREDIENTS = " / "
TRACE_FROM = 3
"""A name of four ingredients or more is that of a product with a little of each (order hooks, part 2)."""

K = TypeVar("K")


class DrugTerms:
    """The lookups of section 7: RxNorm exactly, ATC by its longest prefix, names as words of the text."""

    def __init__(self, sets: dict[str, ValueSet], names: Names) -> None:
        """Build the lookups from value sets and names.

        Raises:
            GuidanceError: a name is too long to be printed, or spelled so that it would never be found.
        """
        self._rxnorm: dict[str, tuple[DrugMatch, ...]] = {}
        self._atc: dict[str, tuple[DrugMatch, ...]] = {}
        self._named: dict[Named, tuple[DrugMatch, ...]] = {}
        self._units: dict[str, int] = {}
        self._add_codes(sets, names)
        self._add_names(names)
        excluded, combined = names.exclusions, names.calcium_with_d
        kinds = {
            FILLER: excluded.fillers,
            LOCAL: excluded.routes,
            NO_MAGNESIUM: excluded.magnesium,
            PARENTERAL: excluded.parenteral,
            TRACE: excluded.trace,
            HAS_CALCIUM: combined.calcium,
            D_BESIDE_CALCIUM: combined.beside_calcium,
            CALCIUM_BRAND: combined.brands,
            D_BESIDE_BRAND: combined.beside_brands,
            SPELLING: tuple(named.name for named in self._named if named.kind == SPELLING),
            BESIDE_UNITS: tuple(named.name for named in self._named if named.kind == BESIDE_UNITS),
        }
        self._finder = NameFinder(kinds, ignored=FILLER)
        self._empty_words = frozenset(names.empty.words)
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._read)

    def _add_codes(self, sets: dict[str, ValueSet], names: Names) -> None:
        first = {(drug.set, drug.group): drug.name for drug in reversed(names.drug)}
        for set_id in DRUG_SETS:
            for concept in sets[set_id].concepts:
                name = concept.display or first.get((set_id, concept.group)) or first.get((set_id, ""), "")
                table = self._rxnorm if concept.system == RXNORM else self._atc
                _add(table, concept.code, DrugMatch(set_id, concept.group, name[:MOST_NAME], by_name=False))
                if concept.units is not None:
                    self._units[concept.code] = concept.units

    def _add_names(self, names: Names) -> None:
        for drug in names.drug:
            if len(drug.name) > MOST_NAME:
                raise GuidanceError("names.toml", "drug.name", drug.name, f"at most {MOST_NAME} characters")
            match = DrugMatch(drug.set, drug.group, drug.name, by_name=True)
            for spelling in drug.spellings:
                _add(self._named, Named(SPELLING, spelling), match)
            for spelling in drug.beside_units:
                _add(self._named, Named(BESIDE_UNITS, spelling), match)
            for code in drug.rxnorm:
                _add(self._rxnorm, code, match._replace(by_name=False))
            for code in drug.atc:
                _add(self._atc, code, match._replace(by_name=False))

    def is_local(self, text: str) -> bool:
        """Whether *text* speaks of a topical, ophthalmic, otic, nasal, inhaled or vaginal form."""
        return LOCAL in self.hints((), text).tells

    def is_parenteral(self, text: str) -> bool:
        """Whether *text* speaks of an injection or infusion."""
        return PARENTERAL in self.hints((), text).tells

    def hints(self, codes: Codes, text: str) -> Hints:
        """What *codes* and *text*, as written, say of the drug.

        It is remembered, but for names so long that many of them would fill the memory.
        """
        length = len(text)
        for system, code in codes:
            length += len(system or "") + len(code)
        return self._remembered(codes, text) if length <= LONGEST_REMEMBERED else self._read(codes, text)

    def _read(self, codes: Codes, text: str) -> Hints:
        written = spellings(text)
        found = dict.fromkeys(named for spelled in written for named in self._finder.found(spelled))
        tells = {named.kind for named in found}
        if any(IU_NUMBER.search(spelled) for spelled in written):
            tells.add(HAS_UNITS)
        if any(name.count(BETWEEN_INGREDIENTS) >= TRACE_FROM for name in text.split(BETWEEN_NAMES)):
            tells.add(TRACE)
        if _is_whole_atc(codes) or self._is_readable(text):
            tells.add(KNOWABLE)
        return Hints(
            _distinct(match for system, code in codes for match in self._of_code(system, code)),
            _distinct(match for named in found if named.kind == SPELLING for match in self._named[named]),
            _distinct(match for named in found if named.kind == BESIDE_UNITS for match in self._named[named]),
            frozenset(tells),
            frozenset(self._units[code] for system, code in codes if code in self._units and system in RXNORM_SYSTEMS),
            text,
        )

    def _is_readable(self, text: str) -> bool:
        """Whether a word of three Latin letters or more says anything about the drug."""
        return not self._empty_words.issuperset(WORD.findall(words_apart(text)))

    def _of_code(self, system: str | None, code: str) -> tuple[DrugMatch, ...]:
        if system in RXNORM_SYSTEMS:
            return self._rxnorm.get(code, ())
        return self._longest_prefix(code) if system in ATC_SYSTEMS else ()

    def _longest_prefix(self, code: str) -> tuple[DrugMatch, ...]:
        plain = _plain_atc(code)
        longest = min(len(plain), LONGEST_ATC)
        return next((self._atc[plain[:n]] for n in range(longest, 2, -1) if plain[:n] in self._atc), ())


def _add(table: dict[K, tuple[DrugMatch, ...]], key: K, match: DrugMatch) -> None:
    table[key] = (*table.get(key, ()), match)


def _plain_atc(code: str) -> str:
    return code.replace(" ", "").upper()


def _is_whole_atc(codes: Codes) -> bool:
    """Whether a whole ATC code says which drug it is, and so what it is not."""
    return any(system in ATC_SYSTEMS and WHOLE_ATC.fullmatch(_plain_atc(code)) for system, code in codes)


def classify(hints: Hints) -> tuple[DrugMatch, ...] | None:
    """The drug sets by *hints* after the exclusions of section 7, none where it is another drug or a local form.

    `None` where neither a readable name nor a known code tells which drug it is.
    """
    if LOCAL in hints.tells:
        return ()
    named = hints.named + (hints.beside_units if HAS_UNITS in hints.tells else ())
    if _is_calcium_with_d(named, hints.tells):
        named = (*named, CALCIUM_WITH_D)
    if not hints.coded and not named:
        return () if KNOWABLE in hints.tells else None
    if NO_MAGNESIUM in hints.tells:
        named = tuple([match for match in named if match.set != MAGNESIUM])
    return _compatible(_one_form(hints.coded + named))


def _is_calcium_with_d(named: tuple[DrugMatch, ...], tells: frozenset[str]) -> bool:
    """Whether the name holds calcium and vitamin D (section 7.1)."""
    if HAS_CALCIUM in tells:
        return D_BESIDE_CALCIUM in tells or any(match.set == NUTRITIONAL for match in named)
    return CALCIUM_BRAND in tells and D_BESIDE_BRAND in tells


def _one_form(matches: tuple[DrugMatch, ...]) -> tuple[DrugMatch, ...]:
    """A named form of vitamin D stands before the broad one: the text "vitamin d2" also names "vitamin d".

    An active form is not nutritional vitamin D, though its ATC group is the same.
    """
    nutritional = {match.group for match in matches if match.set == NUTRITIONAL}
    if not nutritional & NAMED_FORMS:
        is_active = any(match.set == ACTIVE for match in matches)
        return tuple([match for match in matches if match.set != NUTRITIONAL]) if is_active else matches
    return tuple([match for match in matches if match.set != NUTRITIONAL or match.group != "any"])


def _compatible(matches: tuple[DrugMatch, ...]) -> tuple[DrugMatch, ...]:
    """Calcium and vitamin D are a combination, wherever they stand; beside another drug no mineral counts."""
    sets = {match.set for match in matches}
    if NUTRITIONAL in sets and (CALCIUM in sets or any(match.group == COMBINATION for match in matches)):
        matches = (*matches, CALCIUM_WITH_D, CALCIUM_WITH_D._replace(set=CALCIUM, group=""))
    if sets - COMPATIBLE:
        return tuple([match for match in matches if match.set not in MINERALS])
    return matches


def _name(matches: Sequence[DrugMatch]) -> str:
    """The name a card prints: a name found in the order's own text before one that belongs to a code."""
    vitamin_d = [match for match in matches if match.set in (NUTRITIONAL, ACTIVE)]
    listed = vitamin_d or [match for match in matches if match.set not in MINERALS] or matches
    named = [match for match in listed if match.by_name and match.name]
    return (named or [match for match in listed if match.name] or listed)[0].name
