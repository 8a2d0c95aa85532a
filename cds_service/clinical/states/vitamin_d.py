"""The state of 25(OH)D (sections 3.2, 4.3, 9.1): which result drives it, its band, its flags."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from cds_service.clinical.datum import Datum
from cds_service.clinical.factors import VITAMIN_D
from cds_service.clinical.facts import USABLE, Family, LabResult, PatientFacts
from cds_service.clinical.guidance_types import Overlay, Profile
from cds_service.clinical.limits import Limits, VitaminDLimits
from cds_service.clinical.states.bands import D, Edges, edges_in_force
from cds_service.clinical.states.results import (
    FRESH,
    NONE,
    STALE,
    UNDETERMINED,
    Analyte,
    Judged,
    block,
    interval_of,
    judge,
)

UNREADABLE_D2 = "d2-unreadable"
LONE_D3, AMBIGUOUS = "d3-alone", "ambiguous"
LOW = (D.DEF, D.INS)
ALARMS = frozenset({D.HIGH, D.TOX})
OTHERWISE = {UNDETERMINED: D.INDET, STALE: D.STALE, NONE: D.UNK}
"""The state where no fresh result has a band."""


class BandRules(Datum, frozen=True):
    """What decides the edges: profile, overlay (in CKD G3 or worse), indication, PTH."""

    profile: Profile
    overlay: Overlay | None
    indicated: bool
    pth_normal: bool

    def edges(self, family: Family) -> Edges:
        """The edges in force for results of *family*."""
        return edges_in_force(self.profile, self.overlay, family, indicated=self.indicated, pth_normal=self.pth_normal)


class VitaminD(Datum, frozen=True):
    """The state of 25(OH)D. `last_band` is the band of the newest usable result of any age.

    `banded_on` is the day of the newest usable result that can be banded. `provisional` is why a band is provisional
    (key), `spanning` that an interval covers DEF and INS, `floor` that the whole value is below the Floor, `problem`
    why the state is INDET, `beside` the results that cannot be used and do not take this alarm away (section 5).
    """

    state: D
    result: LabResult | None
    edges: Edges
    last: LabResult | None
    last_band: D | None
    banded_on: date | None
    provisional: str
    spanning: bool
    implausible: bool
    floor: bool
    problem: str
    passed_over: LabResult | None
    untrusted: tuple[LabResult, ...]
    beside: tuple[LabResult, ...]

    @property
    def low(self) -> bool:
        """Whether D is DEF or INS."""
        return self.state in LOW

    @property
    def high(self) -> bool:
        """Whether D is HIGH or TOX."""
        return self.state in ALARMS

    @property
    def day(self) -> date:
        """The day of the driving result (`d` of section 13)."""
        if self.result is None or self.result.day is None:
            raise ValueError("no driving result")
        return self.result.day


def assess(
    facts: PatientFacts, rules: BandRules, limits: Limits, today: date, *, recent_d2: bool, calcium_very_low: bool
) -> VitaminD:
    """Derive the state of 25(OH)D as of *today*. *recent_d2*: ergocalciferol is current or ended within 180 days.

    No unusable result takes an alarm away: high and toxic, and low ones beside a very low calcium (section 5).
    """
    window = limits.windows.vitamin_d
    of_family = {family: rules.edges(family) for family in {result.family for result in facts.vitamin_d}}

    def band(result: LabResult) -> D | None:
        return _band(result, of_family[result.family], recent_d2=recent_d2)

    found = judge(
        [_too_low(result, limits.vitamin_d) for result in facts.vitamin_d],
        Analyte(
            band=band,
            alarms=ALARMS.union(LOW) if calcium_very_low else ALARMS,
            window=lambda _result, _band, _usable: window,
            long_window=lambda _: window,
            factor=lambda result: VITAMIN_D.in_mass(result.family),
            future_days=limits.card.future_days,
            oldest=limits.windows.stale,
        ),
        today,
    )
    last, driving = found.last, found.driving
    banded = found.standing is FRESH
    state = found.state(OTHERWISE)
    value = None if driving is None else driving.interval
    edges = rules.edges("mass") if driving is None else of_family[driving.family]
    return VitaminD(
        state=state,
        result=None if found.standing is NONE else driving,
        edges=edges,
        last=last,
        last_band=found.band if found.band is not None or last is None else band(last),
        banded_on=next((r.day for r in found.usable if band(r) is not None), None),
        provisional=_provisional(driving, state) if banded else "",
        spanning=state is D.INS and value is not None and (value.low is None or value.low < edges.deficient),
        implausible=state is D.TOX and _is_implausible(driving, limits.vitamin_d),
        floor=banded and value is not None and value.is_under(_floor(driving, limits.vitamin_d)),
        problem=_problem(found),
        passed_over=found.passed_over,
        untrusted=found.untrusted,
        beside=found.beside,
    )


def _problem(found: Judged[D]) -> str:
    lone = found.result is not None and found.result.form == LONE_D3
    return "d3-with-d2" if found.problem == "interval" and lone else found.problem


def _band(result: LabResult, edges: Edges, *, recent_d2: bool) -> D | None:
    """The band of a usable result; a lone D3 that may hide D2 is undetermined below target (section 3.2)."""
    band = edges.band_of(interval_of(result))
    if result.form == LONE_D3 and band in LOW and (recent_d2 or UNREADABLE_D2 in result.notes):
        return None
    return band


def _provisional(result: LabResult | None, state: D) -> str:
    if result is None:
        return ""
    if result.form == LONE_D3 and state in LOW:
        return LONE_D3
    if result.form == AMBIGUOUS and state not in (D.OK, D.NOBAND):
        return AMBIGUOUS
    return ""


def _too_low(result: LabResult, limits: VitaminDLimits) -> LabResult:
    """Implausibly low (section 4.3): blocked."""
    if result.kind is not USABLE:
        return result
    bound = interval_of(result).bound
    return block(result, "too-low") if bound < limits.unusable_below.for_family(result.family) else result


def _is_implausible(result: LabResult | None, limits: VitaminDLimits) -> bool:
    return result is not None and interval_of(result).bound > limits.implausible_above.for_family(result.family)


def _floor(result: LabResult | None, limits: VitaminDLimits) -> Decimal:
    return limits.floor.for_family("mass" if result is None else result.family)
