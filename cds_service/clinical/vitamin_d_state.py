"""The state of 25(OH)D (sections 3.2, 4.3, 9.1): which result drives it, its band, its flags."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.bands import D, Edges, edges_in_force
from cds_service.clinical.facts import Family, Kind, LabResult
from cds_service.clinical.results import (
    Choice,
    Standing,
    block,
    block_conflicts,
    block_future,
    choose,
    interval_of,
    newest_first,
    untrusted_results,
)

if TYPE_CHECKING:
    from datetime import date

    from cds_service.clinical.facts import PatientFacts
    from cds_service.clinical.guidance_types import Overlay, Profile
    from cds_service.clinical.limit_types import Limits, VitaminDLimits

NG_PER_NMOL = Decimal("0.40064")
"""1 nmol/L of 25(OH)D in ng/mL (section 4.1); for display and mixed fractions, never for a band."""

UNREADABLE_D2 = "d2-unreadable"
LONE_D3, AMBIGUOUS = "d3-alone", "ambiguous"


@dataclass(frozen=True, slots=True)
class BandRules:
    """What decides the edges: profile, overlay (in CKD G3 or worse), indication, PTH."""

    profile: Profile
    overlay: Overlay | None
    indicated: bool
    pth_normal: bool

    def edges(self, family: Family) -> Edges:
        """The edges in force for results of *family*."""
        return edges_in_force(self.profile, self.overlay, family, indicated=self.indicated, pth_normal=self.pth_normal)


@dataclass(frozen=True, slots=True)
class VitaminD:
    """The state of 25(OH)D. `last_band` is the band of the newest usable result of any age.

    `provisional` is why a band is provisional (key), `spanning` that an interval covers DEF and INS, `floor` that the
    whole value is below the Floor, `problem` why the state is INDET.
    """

    state: D
    result: LabResult | None
    edges: Edges
    last: LabResult | None
    last_band: D | None
    usable: tuple[LabResult, ...]
    provisional: str
    spanning: bool
    implausible: bool
    floor: bool
    problem: str
    passed_over: LabResult | None
    untrusted: tuple[LabResult, ...]

    @property
    def low(self) -> bool:
        """Whether D is DEF or INS."""
        return self.state in (D.DEF, D.INS)

    @property
    def day(self) -> date:
        """The day of the driving result (`d` of section 13)."""
        if self.result is None or self.result.day is None:
            message = "no driving result"
            raise ValueError(message)
        return self.result.day


def assess(facts: PatientFacts, rules: BandRules, limits: Limits, today: date, *, recent_d2: bool) -> VitaminD:
    """Derive the state of 25(OH)D as of *today*. *recent_d2*: ergocalciferol is current or ended within 180 days."""
    choice = _choose(facts, limits, today)
    last = choice.last_usable
    last_band = None if last is None else _band(last, rules, recent_d2=recent_d2)
    state, problem = _state(choice, last_band)
    driving = choice.newest if choice.newest is not None else last
    edges = rules.edges("mass" if driving is None else driving.family)
    value = None if driving is None else driving.interval
    banded = state not in (D.UNK, D.STALE, D.INDET)
    return VitaminD(
        state=state,
        result=driving if state is not D.UNK else None,
        edges=edges,
        last=last,
        last_band=last_band,
        usable=choice.usable,
        provisional=_provisional(driving, state) if banded else "",
        spanning=state is D.INS and value is not None and (value.low is None or value.low < edges.deficient),
        implausible=state is D.TOX and _is_implausible(driving, limits.vitamin_d),
        floor=banded and value is not None and value.is_under(_floor(driving, limits.vitamin_d)),
        problem=problem,
        passed_over=choice.passed_over,
        untrusted=untrusted_results(choice, problem),
    )


def _choose(facts: PatientFacts, limits: Limits, today: date) -> Choice:
    checked = [_too_low(result, limits.vitamin_d) for result in facts.vitamin_d]
    future = block_future(checked, today, limits.card.future_days)
    ordered = block_conflicts(newest_first(future), _to_mass)
    undated = [result for result in facts.vitamin_d if result.day is None]
    window = limits.windows.vitamin_d
    return choose(ordered, undated, today, window, lambda _: window)


def _state(choice: Choice, last_band: D | None) -> tuple[D, str]:
    if choice.standing is Standing.NONE:
        return D.UNK, ""
    if choice.standing is Standing.BLOCKED:
        return D.INDET, choice.newest.problem if choice.newest is not None else ""
    if choice.standing is Standing.STALE:
        return D.STALE, ""
    if last_band is None:
        lone = choice.newest is not None and choice.newest.form == LONE_D3
        return D.INDET, "d3-with-d2" if lone else "interval"
    return last_band, ""


def _band(result: LabResult, rules: BandRules, *, recent_d2: bool) -> D | None:
    """The band of a usable result; a lone D3 that may hide D2 is undetermined below target (section 3.2)."""
    band = rules.edges(result.family).band_of(interval_of(result))
    if result.form == LONE_D3 and band in (D.DEF, D.INS) and (recent_d2 or UNREADABLE_D2 in result.notes):
        return None
    return band


def _provisional(result: LabResult | None, state: D) -> str:
    if result is None:
        return ""
    if result.form == LONE_D3 and state in (D.DEF, D.INS):
        return LONE_D3
    if result.form == AMBIGUOUS and state not in (D.OK, D.NOBAND):
        return AMBIGUOUS
    return ""


def _too_low(result: LabResult, limits: VitaminDLimits) -> LabResult:
    """Implausibly low (section 4.3): blocked."""
    if result.kind is not Kind.USABLE:
        return result
    bound = interval_of(result).bound
    return block(result, "too-low") if bound < limits.unusable_below.for_family(result.family) else result


def _is_implausible(result: LabResult | None, limits: VitaminDLimits) -> bool:
    return result is not None and interval_of(result).bound > limits.implausible_above.for_family(result.family)


def _floor(result: LabResult | None, limits: VitaminDLimits) -> Decimal:
    return limits.floor.for_family("mass" if result is None else result.family)


def _to_mass(result: LabResult) -> Decimal:
    """The factor to ng/mL, to tell whether two results tied in time say the same."""
    return Decimal(1) if result.family == "mass" else NG_PER_NMOL
