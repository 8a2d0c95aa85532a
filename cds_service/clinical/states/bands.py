"""Bands of 25(OH)D and of magnesium, and the interval rule (sections 2, 4.4 and 6.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Family
from cds_service.clinical.guidance_types import Overlay, Profile
from cds_service.clinical.interval import Interval
from cds_service.clinical.limits import MagnesiumLimits


class D(StrEnum):
    """States of 25(OH)D (section 9.1)."""

    UNK = "UNK"
    STALE = "STALE"
    INDET = "INDET"
    DEF = "DEF"
    INS = "INS"
    OK = "OK"
    NOBAND = "NOBAND"
    HIGH = "HIGH"
    TOX = "TOX"


class M(StrEnum):
    """States of magnesium (section 9.2)."""

    UNK = "UNK"
    STALE = "STALE"
    INDET = "INDET"
    SEV = "SEV"
    LOW = "LOW"
    LAT = "LAT"
    NORM = "NORM"
    HIGH = "HIGH"
    VHIGH = "VHIGH"


IN_RANGE: Mapping[str, frozenset[str]] = {
    "vitamin-d": frozenset({D.OK, D.NOBAND}),
    "magnesium": frozenset({M.NORM}),
}
"""The bands of each analyte that ask for nothing."""
SPANNING_D: dict[tuple[D, ...], D] = {(D.DEF, D.INS): D.INS, (D.HIGH, D.TOX): D.HIGH}
SPANNING_M: dict[tuple[M, ...], M] = {(M.SEV, M.LOW): M.LOW, (M.HIGH, M.VHIGH): M.HIGH}
"""The interval rule (section 4.4): what a value over two neighbouring bands counts as; any other span is open."""


class Edges(Datum, frozen=True):
    """The edges of the 25(OH)D bands in force, in one unit family.

    Below `deficient`: DEF; below `insufficient`: INS; up to and with `adequate_to`: OK (or NOBAND); up to and with
    `high_to`: HIGH; above: TOX.
    """

    deficient: Decimal
    insufficient: Decimal
    adequate_to: Decimal
    high_to: Decimal
    adequate: D

    def bands(self) -> tuple[tuple[D, Interval], ...]:
        """Each band with its interval, from below."""
        return (
            (D.DEF, Interval(None, self.deficient, high_closed=False)),
            (D.INS, Interval(self.deficient, self.insufficient, high_closed=False)),
            (self.adequate, Interval(self.insufficient, self.adequate_to)),
            (D.HIGH, Interval(self.adequate_to, self.high_to, low_closed=False)),
            (D.TOX, Interval(self.high_to, None, low_closed=False)),
        )

    def band_of(self, value: Interval) -> D | None:
        """The band of *value*; `None` where an interval leaves it open (section 4.4).

        An interval over DEF and INS alone is INS, over HIGH and TOX alone HIGH.
        """
        if value.is_point:
            return self._of_number(value.bound)
        found = tuple(band for band, span in self.bands() if not _empty(span) and span.overlaps(value))
        if len(found) == 1:
            return found[0]
        return SPANNING_D.get(found)

    def _of_number(self, number: Decimal) -> D:
        if number < self.deficient:
            return D.DEF
        if number < self.insufficient:
            return D.INS
        if number <= self.adequate_to:
            return self.adequate
        return D.HIGH if number <= self.high_to else D.TOX


def _empty(span: Interval) -> bool:
    return span.low is not None and span.low == span.high and not (span.low_closed and span.high_closed)


def edges_in_force(
    profile: Profile,
    overlay: Overlay | None,
    family: Family,
    *,
    indicated: bool,
    pth_normal: bool,
) -> Edges:
    """The edges of *profile* for results of *family*; *overlay* is given only in CKD G3 or worse (section 2).

    *indicated*: an established indication is there. *pth_normal*: PTH is known and not raised.
    """
    deficient = profile.deficient_below
    if profile.indicated_below is not None and indicated:
        deficient = profile.indicated_below
    cut = deficient.for_family(family)
    upper = cut if profile.insufficient_below is None else profile.insufficient_below.for_family(family)
    if overlay is not None and overlay.kind == "raise-target":
        upper = max(upper, overlay.insufficient_below.for_family(family))
    elif overlay is not None and overlay.deficient_below is not None:
        cut = overlay.deficient_below.for_family(family)
        upper = cut if pth_normal else max(upper, overlay.insufficient_below.for_family(family))
    return Edges(
        cut,
        upper,
        profile.adequate_to.for_family(family),
        profile.high_to.for_family(family),
        D.OK if profile.has_adequate_band else D.NOBAND,
    )


def magnesium_band(value: Interval, limits: MagnesiumLimits) -> M | None:
    """The band of a magnesium in mmol/L; `None` where an interval leaves it open (sections 4.4 and 6.1)."""
    if value.is_point:
        return _magnesium_number(value.bound, limits)
    edges = (limits.severe, limits.low, limits.latent)
    spans: list[tuple[M, Interval]] = []
    low: Decimal | None = None
    for band, edge in zip((M.SEV, M.LOW, M.LAT), edges, strict=True):
        spans.append((band, Interval(low, edge.mmol_L, high_closed=False)))
        low = edge.mmol_L
    spans.append((M.NORM, Interval(low, limits.normal_to.mmol_L)))
    spans.append(
        (M.HIGH, Interval(limits.normal_to.mmol_L, limits.very_high.mmol_L, low_closed=False, high_closed=False))
    )
    spans.append((M.VHIGH, Interval(limits.very_high.mmol_L, None)))
    return _single(spans, value)


def _single(spans: Sequence[tuple[M, Interval]], value: Interval) -> M | None:
    found = tuple(band for band, span in spans if span.overlaps(value))
    if len(found) == 1:
        return found[0]
    return SPANNING_M.get(found)


def _magnesium_number(number: Decimal, limits: MagnesiumLimits) -> M:
    if number > limits.normal_to.mmol_L:
        return M.VHIGH if number >= limits.very_high.mmol_L else M.HIGH
    if number >= limits.latent.mmol_L:
        return M.NORM
    if number >= limits.low.mmol_L:
        return M.LAT
    return M.LOW if number >= limits.severe.mmol_L else M.SEV
