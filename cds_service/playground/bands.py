"""The bands in force as spans with a name and a shade: what the picture of results and the sliders are drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from cds_service.clinical.facts import Family
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.states.bands import D, M, edges_in_force
from cds_service.playground.changes import VITAMIN_D, Changeable, Dial

FAMILIES: Mapping[str, Family] = {
    "ng/ml": "mass", "mg/dl": "mass", "nmol/l": "molar", "mmol/l": "molar", "meq/l": "equivalent",
}  # fmt: skip
NAMES = {
    D.DEF: ("deficient", "low"), D.INS: ("insufficient", "lowish"), D.OK: ("adequate", "fine"),
    D.NOBAND: ("no band", "none"), D.HIGH: ("high", "highish"), D.TOX: ("toxic", "high"),
    M.SEV: ("severely low", "low"), M.LOW: ("low", "lowish"), M.LAT: ("low-normal", "edge"),
    M.NORM: ("in range", "fine"), M.HIGH: ("high", "highish"), M.VHIGH: ("very high", "high"),
}  # fmt: skip
"""Each band in words, and how it is shaded."""
NEAR = Decimal(12)
"""Hundredths of a slider within which two numbers would run into each other."""


class Span(NamedTuple):
    """A band, from its lower to its upper edge; the last has none."""

    name: str
    shade: str
    low: Decimal
    high: Decimal | None


class Stretch(NamedTuple):
    """A band on a slider, in hundredths of its length."""

    name: str
    shade: str
    left: Decimal
    width: Decimal


class Mark(NamedTuple):
    """An edge on a slider, in hundredths; `below`: its number stands a line lower, as another is near."""

    at: Decimal
    text: str
    below: bool


class Ruler(NamedTuple):
    """What lies along a slider."""

    stretches: tuple[Stretch, ...]
    marks: tuple[Mark, ...]


def vitamin_d(guidance: Guidance, family: Family) -> list[Span]:
    """The bands of 25(OH)D by the profile in force."""
    edges = edges_in_force(guidance.profile, None, family, indicated=False, pth_normal=False)
    return [Span(*NAMES[band], span.low or Decimal(0), span.high) for band, span in edges.bands()]


def magnesium(guidance: Guidance, family: Family = "molar") -> list[Span]:
    """The bands of magnesium, the same in every profile."""
    limits = guidance.limits.mg
    cuts = (limits.severe, limits.low, limits.latent, limits.normal_to, limits.very_high)
    edges = [cut.printed(family) for cut in cuts]
    bands = (M.SEV, M.LOW, M.LAT, M.NORM, M.HIGH, M.VHIGH)
    ends = zip(bands, [Decimal(0), *edges], [*edges, None], strict=True)
    return [Span(*NAMES[band], low, high) for band, low, high in ends]


def ruler(analyte: Changeable, dial: Dial, guidance: Guidance) -> Ruler:
    """The bands and their edges along the slider of *analyte*, in the unit of *dial*."""
    family = FAMILIES[dial.unit.lower()]
    spans = vitamin_d(guidance, family) if analyte is VITAMIN_D else magnesium(guidance, family)
    low, high = dial.scale.low, dial.scale.high

    def at(value: Decimal) -> Decimal:
        share = (min(max(value, low), high) - low) / (high - low)
        return (100 * share).quantize(Decimal("0.1"))

    stretches = []
    marks: list[Mark] = []
    for name, shade, begin, end in spans:
        left, right = at(begin), at(high if end is None else end)
        if left < right:
            stretches.append(Stretch(name, shade, left, right - left))
        if low < begin < high and begin != end:
            near = bool(marks) and left - marks[-1].at < NEAR and not marks[-1].below
            marks.append(Mark(left, f"{begin.normalize():f}", near))
    return Ruler(tuple(stretches), tuple(marks))
