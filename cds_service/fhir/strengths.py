"""The strength of one piece from the name of a drug (section 7.4): exactly one number with a unit, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from cds_service.clinical.factors import IU_PER_UG, UG_PER_MG

IU_OF_MASS = {"mcg": IU_PER_UG, "ug": IU_PER_UG, "µg": IU_PER_UG, "μg": IU_PER_UG, "mg": IU_PER_UG * UG_PER_MG}

IU_LETTERS, IU_WORDS = (("i", "u"), ("u", "i"), ("i", "e"), ("j", "m")), ("unt", "unit", "units")
"""How IU is spelled, in several languages: by its letters, which may have points and blanks, or in words."""

_IU = "|".join([r"\[?iu\]?", r"j\.? ?m\.?", *(rf"{a}{b}|{a}\.{b}\.?" for a, b in IU_LETTERS), *IU_WORDS])
_END = r"(?![a-z0-9/]| ?/ ?(?:[0-9.,]{1,9} ?)?(?:ml|mg|g|l)\b)"
"""A strength in one mL is none of one piece."""
_START = r"(?<![\w.,'])"
IN_UNITS = re.compile(
    rf"{_START}(?:([1-9][0-9]{{0,2}}(?:[.,' ][0-9]{{3}}){{1,3}})|([0-9]{{1,9}}(?:[.,][0-9]{{1,2}})?)) ?(?:{_IU}){_END}"
)
"""A number of IU; before exactly three digits a comma, point, apostrophe or blank parts thousands."""
_NO_NUMBER_BEFORE = r"(?<!\b[0-9] )(?<!\b[0-9]{2} )(?<!\b[0-9]{3} )"
_MASS = "|".join(IU_OF_MASS)
BY_MASS = re.compile(rf"{_START}{_NO_NUMBER_BEFORE}([0-9]{{1,9}})(?:[.,]([0-9]{{1,6}}))? ?({_MASS}){_END}")
D_OR_THREE_THOUSAND = re.compile(rf"\bd 3 (?!000)([0-9]{{3}}) ?(?:{_IU}){_END}")
"""Vitamin D3 of 400 IU, or vitamin D of 3,400 IU."""
THOUSANDS = 3
NOT_OF_A_PIECE = re.compile(
    r"[0-9]{3}|[0-9] ?k\b|(?<![a-z])m ?l\b|millilit|solution|drop|liquid|syrup|suspension|elixir"
)
"""What is left of a name beside its strengths and tells of a liquid, or holds a number that may be another strength."""
UNCLEAR = Decimal(0)


class Strengths(NamedTuple):
    """The strengths that a name holds, as IU of vitamin D: two of a kind stand for any number of them."""

    in_units: frozenset[Decimal] = frozenset()
    by_mass: frozenset[Decimal] = frozenset()
    unclear: bool = False

    def joined_with(self, other: Strengths) -> Strengths:
        """Those of both."""
        return Strengths(
            _two(self.in_units | other.in_units), _two(self.by_mass | other.by_mass), self.unclear or other.unclear
        )

    def each(self, *, combination: bool) -> Decimal | None:
        """IU in one piece: the one in IU, else the only mass; a mass in a combination may be the other ingredient's."""
        found = self.in_units or (frozenset() if combination else self.by_mass)
        return next(iter(found)) if len(found) == 1 else None

    @property
    def told(self) -> frozenset[Decimal]:
        """All that the name tells, with `UNCLEAR` where something may be a strength that is none of one piece."""
        return self.in_units | self.by_mass | ({UNCLEAR} if self.unclear else set())


def strengths(name: str) -> Strengths:
    """The strengths in the *name* of a drug, as written."""
    text = " ".join(name.lower().replace("\u2019", "'").split())
    beside = BY_MASS.sub(" ", IN_UNITS.sub(" ", text))
    return Strengths(_two(_in_units(text)), _two(_by_mass(text)), NOT_OF_A_PIECE.search(beside) is not None)


def _in_units(text: str) -> Iterable[Decimal]:
    for thousands, number in IN_UNITS.findall(text):
        yield Decimal(re.sub(r"[^0-9]", "", thousands) if thousands else number.replace(",", "."))
    for unclear in D_OR_THREE_THOUSAND.findall(text):
        yield Decimal(unclear)


def _by_mass(text: str) -> Iterable[Decimal]:
    """Masses; "1,250" and "1.250" can be read two ways, and both are told."""
    for whole, part, unit in BY_MASS.findall(text):
        per_unit = IU_OF_MASS[unit]
        yield Decimal(f"{whole}.{part or 0}") * per_unit
        if len(part) == THOUSANDS and not whole.startswith("0") and len(whole) <= THOUSANDS:
            yield Decimal(whole + part) * per_unit


def _two(found: Iterable[Decimal]) -> frozenset[Decimal]:
    """At most two: one is the answer, and two are as good as many."""
    distinct = dict.fromkeys(found)
    return frozenset(islice(distinct, 2))
