"""Gates (section 10): what may be suggested to this patient, and the reason why not. Each is decided once.

A gate is a function from states to the reasons that close it; no reason means open. A gate that reads a source that
is not available is closed: unknown never unlocks a suggestion (section 9.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical import holds, phrases
from cds_service.clinical.bands import D, M
from cds_service.clinical.facts import Availability, Source
from cds_service.clinical.numbers import grouped
from cds_service.clinical.therapy import ACTIVE_FORM, NUTRITIONAL, is_course_grade, is_supplement

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.clinical.card import Text
    from cds_service.clinical.facts import Medication
    from cds_service.clinical.holds import Hold
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace

MAGNESIUM_PRODUCTS = "mg-products"


@dataclass(frozen=True, slots=True)
class Closed:
    """One reason that closes one gate."""

    gate: str
    reason: Text


@dataclass(frozen=True, slots=True)
class Gates:
    """The closed gates of each plan (second table of section 10), and the hard holds behind G-HOLD."""

    course: tuple[Closed, ...]
    step_down: tuple[Closed, ...]
    magnesium: tuple[Closed, ...]
    adjunct: tuple[Closed, ...]
    holds: tuple[Hold, ...]


def decide(s: States, trace: Trace) -> Gates:
    """Decide every gate once and note the closed ones in *trace*."""
    hard = holds.hard(s)
    common = [*g_adult(s), *g_preg(s), *g_hold(s, hard), *g_ca(s), *g_kid(s), *g_sev(s), *g_ad(s)]
    duplicate = g_dup_d(s)
    people = [*g_adult(s), *g_preg(s)]
    magnesium = [*people, *g_mg(s), *g_dup_mg(s)]
    adjunct = [*magnesium, *g_adjunct(s)]
    for closed in {(c.gate, c.reason.key, str(c.reason.values)): c for c in (*common, *duplicate, *adjunct)}.values():
        trace.yes(closed.gate, "closed: {} {}", closed.reason.key, closed.reason.values)
    return Gates(_once([*common, *duplicate]), _once(common), _once(magnesium), _once(adjunct), hard)


def _once(closed: list[Closed]) -> tuple[Closed, ...]:
    """Leave each gate's reasons, and a reason that several gates share only once."""
    kept: dict[tuple[str, str], Closed] = {}
    for item in closed:
        source = item.reason.values.get("source")
        shared = str(source) if source is not None else item.gate
        kept.setdefault((item.reason.key, shared), item)
    return tuple(kept.values())


def _unavailable(gate: str, s: States, *sources: Source) -> list[Closed]:
    return [Closed(gate, _missing(s, source)) for source in sources if not s.known(source)]


def _missing(s: States, source: Source) -> Text:
    """Not available at all, or only in part: a next page was not read, or an entry could not be."""
    partial = s.facts.availability.get(source) is Availability.PARTIAL
    phrase = phrases.GATE_PARTIAL if partial else phrases.GATE_UNAVAILABLE
    return phrase(source=phrases.SOURCES[source.value]())


def g_adult(s: States) -> list[Closed]:
    """G-ADULT: birth date known and age at least 18."""
    if s.person.age is None or s.person.age < s.limits.people.adult_age:
        return [Closed("G-ADULT", phrases.GATE_ADULT())]
    return []


def g_preg(s: States) -> list[Closed]:
    """G-PREG: not pregnant; where that cannot be known, open only for recorded males and from 56 on."""
    person = s.person
    if person.pregnant:
        return [Closed("G-PREG", phrases.GATE_PREG())]
    past = person.age is not None and person.age >= s.limits.people.no_pregnancy_age
    if person.pregnancy_known or person.male or past:
        return []
    return [Closed("G-PREG", phrases.GATE_PREG_UNKNOWN())]


def g_hold(s: States, hard: tuple[Hold, ...]) -> list[Closed]:
    """G-HOLD: no hard hold, 25(OH)D not high, in CKD G3 or worse calcium known in its window."""
    closed = [Closed("G-HOLD", hard[0].reason)] if hard else []
    if s.d.state in (D.HIGH, D.TOX):
        closed.append(Closed("G-HOLD", phrases.GATE_HOLD_HIGH_D()))
    missing = _unavailable("G-HOLD", s, Source.CONDITIONS, Source.CHEMISTRY, Source.KIDNEY)
    if s.kidney.ckd3 and not s.calcium.known and s.known(Source.CHEMISTRY):
        closed.append(Closed("G-HOLD", phrases.GATE_HOLD_CALCIUM_UNKNOWN()))
    return closed + missing


def g_ca(s: States) -> list[Closed]:
    """G-CA: calcium not very low (below 7.5 mg/dL, ionised 0.90 mmol/L); none on file leaves it open."""
    closed = [Closed("G-CA", phrases.GATE_CA())] if s.calcium.very_low else []
    return closed + _unavailable("G-CA", s, Source.CHEMISTRY)


def g_kid(s: States) -> list[Closed]:
    """G-KID: not G5, dialysis or kidney transplant."""
    renal = s.kidney
    failure = 5
    if renal.stage == failure or renal.dialysis or renal.transplant:
        return [Closed("G-KID", phrases.GATE_KID())]
    return _unavailable("G-KID", s, Source.CONDITIONS, Source.KIDNEY)


def g_sev(s: States) -> list[Closed]:
    """G-SEV: magnesium is not SEV, nor was it when last usable while it is unknown now."""
    severe = s.m.state is M.SEV or (s.m.unknown and s.m.last_band is M.SEV)
    closed = [Closed("G-SEV", phrases.GATE_SEV())] if severe else []
    return closed + _unavailable("G-SEV", s, Source.MAGNESIUM)


def g_ad(s: States) -> list[Closed]:
    """G-AD: no current active vitamin D order; a drug that cannot be resolved could be one."""
    closed = []
    if s.therapy.taking(ACTIVE_FORM):
        closed.append(Closed("G-AD", phrases.GATE_AD()))
    return closed + _unresolved("G-AD", s) + _unavailable("G-AD", s, Source.MEDICATIONS)


def g_dup_d(s: States) -> list[Closed]:
    """G-DUP(D): no current or draft nutritional vitamin D order other than a supplement."""
    limits = s.limits.therapy
    standing = [o for o in (*s.therapy.current, *s.therapy.drafts) if NUTRITIONAL in o.sets]
    closed = []
    if any(is_course_grade(o, limits) for o in standing):
        closed.append(Closed("G-DUP(D)", phrases.GATE_DUP_D()))
    elif maintenance := [o for o in standing if not is_supplement(o, limits)]:
        closed.append(Closed("G-DUP(D)", phrases.GATE_DUP_D_MAINTENANCE(n=_per_day(s, maintenance))))
    return closed + _unresolved("G-DUP(D)", s) + _unavailable("G-DUP(D)", s, Source.MEDICATIONS)


def _per_day(s: States, maintenance: list[Medication]) -> str:
    total = s.therapy.daily_total
    drafted = maintenance[0].dose
    return grouped(total if total or drafted is None else drafted.per_day)


def g_dup_mg(s: States) -> list[Closed]:
    """G-DUP(Mg): no current or draft magnesium product."""
    standing = [o for o in (*s.therapy.current, *s.therapy.drafts) if MAGNESIUM_PRODUCTS in o.sets]
    closed = [Closed("G-DUP(Mg)", phrases.GATE_DUP_MG())] if standing else []
    return closed + _unresolved("G-DUP(Mg)", s) + _unavailable("G-DUP(Mg)", s, Source.MEDICATIONS)


def _unresolved(gate: str, s: States) -> list[Closed]:
    """A medication reference without resource or display could be anything (section 9.7)."""
    if any(o.unresolved for o in (*s.therapy.current, *s.therapy.drafts)):
        return [Closed(gate, phrases.GATE_UNRESOLVED())]
    return []


def g_mg(s: States) -> list[Closed]:
    """G-MG: every reason against an oral magnesium order, in the order of section 10."""
    renal, has = s.kidney, s.problems.has
    reasons: list[tuple[bool, Callable[[], Text]]] = [
        (renal.egfr_for_magnesium is None, phrases.GATE_MG_EGFR),
        (renal.stage >= 4, phrases.GATE_MG_STAGE),  # noqa: PLR2004 - G4
        (renal.dialysis, phrases.GATE_MG_DIALYSIS),
        (renal.aki, phrases.GATE_MG_AKI),
        (s.d.state is D.TOX, phrases.GATE_MG_TOX),
        (has("myasthenia"), phrases.GATE_MG_MYASTHENIA),
        (has("heart-block") and not s.problems.coded("pacemaker"), phrases.GATE_MG_HEART_BLOCK),
        (s.calcium.very_low, phrases.GATE_CA),
        (s.m.open, phrases.GATE_MG_OPEN),
        (bool(s.therapy.taking("mg-blocking")), phrases.GATE_MG_RALTEGRAVIR),
    ]
    closed = [Closed("G-MG", say()) for holds_now, say in reasons if holds_now]
    sources = (Source.KIDNEY, Source.CONDITIONS, Source.CHEMISTRY, Source.VITAMIN_D, Source.MEDICATIONS)
    return closed + _unavailable("G-MG", s, *sources)


def g_adjunct(s: States) -> list[Closed]:
    """R16: an adjunct needs an eGFR of 60 or more and no CKD G3 or worse."""
    egfr = s.kidney.egfr_for_magnesium
    if s.kidney.ckd3 or egfr is None or egfr.value < s.limits.kidney.adjunct_from:
        return [Closed("G-MG", phrases.GATE_MG_ADJUNCT())]
    return []
