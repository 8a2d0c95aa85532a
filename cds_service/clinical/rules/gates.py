"""Gates and holds (section 10): what may be suggested to this patient, and why not. Each is decided once.

A gate is a function from states to the reasons that close it; no reason means open. A gate that reads a source that
is not available is closed: unknown never unlocks a suggestion (section 9.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Availability, MedicationOrder, Source
from cds_service.clinical.numbers import grouped
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.magnesium import TOO_HIGH
from cds_service.clinical.states.therapy import ACTIVE_FORM, NUTRITIONAL, is_course_grade, is_supplement
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Text
from cds_service.clinical.words.sentences import InWords
from cds_service.clinical.words.wording import on

MAGNESIUM_PRODUCTS = "mg-products"
READS = {
    "G-HOLD": (Source.CONDITIONS, Source.CHEMISTRY, Source.KIDNEY, Source.VITAMIN_D),
    "G-CA": (Source.CHEMISTRY,),
    "G-KID": (Source.CONDITIONS, Source.KIDNEY),
    "G-SEV": (Source.MAGNESIUM,),
    "G-AD": (Source.MEDICATIONS,),
    "G-DUP(D)": (Source.MEDICATIONS,),
    "G-DUP(Mg)": (Source.MEDICATIONS,),
    "G-MG": (
        Source.MAGNESIUM, Source.KIDNEY, Source.CONDITIONS, Source.CHEMISTRY, Source.VITAMIN_D, Source.MEDICATIONS
    ),
    "G-ADV": (Source.MAGNESIUM, Source.KIDNEY, Source.CONDITIONS),
}  # fmt: skip
"""The sources that a gate reads: it is closed by each that is not available."""


Reasons: TypeAlias = tuple[tuple[object, phrases.Phrase], ...]
"""What may close a gate: whether it holds, and how it is said."""


class Hold(Datum, frozen=True):
    """One hard hold. `by_value`: from a laboratory value rather than a condition."""

    id: str
    reason: Text
    by_value: bool = False


class Closed(Datum, frozen=True):
    """One reason that closes one gate."""

    gate: str
    reason: Text


class Gates(Datum, frozen=True):
    """The closed gates of each plan (second table of section 10), and the hard holds behind G-HOLD.

    `held`: the holds matter here, so that K-HOLD speaks (R11). `advice`: magnesium may be advised in words (G-ADV).
    """

    course: tuple[Closed, ...]
    step_down: tuple[Closed, ...]
    magnesium: tuple[Closed, ...]
    adjunct: tuple[Closed, ...]
    holds: tuple[Hold, ...]
    held: bool
    advice: bool


def decide(s: States, trace: Trace) -> Gates:
    """Decide every gate once and note the closed ones in *trace*."""
    hard = hard_holds(s)
    people = [*g_adult(s), *g_preg(s)]
    common = [*people, *g_hold(s, hard), *g_ca(s), *g_kid(s), *g_sev(s), *g_ad(s)]
    duplicate = g_dup_d(s)
    harm = magnesium_may_harm(s)
    magnesium = [*people, *g_mg(s, harm), *g_dup_mg(s)]
    adjunct = [*magnesium, *g_adjunct(s)]
    advice = g_adv(s, harm)
    trace.later(partial(_trace_closed, (*common, *duplicate, *adjunct, *advice), s.guidance.wording))
    return Gates(
        course=_once([*common, *duplicate]),
        step_down=_once(common),
        magnesium=_once(magnesium),
        adjunct=_once(adjunct),
        holds=hard,
        held=holds_matter(s, hard),
        advice=not advice,
    )


def _trace_closed(every: Iterable[Closed], wording: Mapping[str, str], trace: Trace) -> None:
    """Note each reason of each gate once."""
    for closed in {(c.gate, c.reason.key, str(c.reason.values)): c for c in every}.values():
        trace.yes(closed.gate, "{}", InWords(closed.reason, wording))


def _once(closed: list[Closed]) -> tuple[Closed, ...]:
    """Leave each gate's reasons, and a reason that several gates share only once."""
    kept: dict[tuple[str, str], Closed] = {}
    for item in closed:
        source = item.reason.values.get("source")
        shared = str(source) if source is not None else item.gate
        kept.setdefault((item.reason.key, shared), item)
    return tuple(kept.values())


def _unavailable(gate: str, s: States) -> list[Closed]:
    if s.lacking.isdisjoint(READS[gate]):
        return []
    return [Closed(gate, missing(s, source)) for source in READS[gate] if not s.known(source)]


def missing(s: States, source: Source) -> Text:
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
    if s.d.high:
        closed.append(Closed("G-HOLD", phrases.GATE_HOLD_HIGH_D()))
    missing = _unavailable("G-HOLD", s)
    if s.kidney.ckd3 and not s.calcium.known and s.known(Source.CHEMISTRY):
        closed.append(Closed("G-HOLD", phrases.GATE_HOLD_CALCIUM_UNKNOWN()))
    return closed + missing


def g_ca(s: States) -> list[Closed]:
    """G-CA: calcium not very low (below 7.5 mg/dL, ionised 0.90 mmol/L); none on file leaves it open."""
    closed = [Closed("G-CA", phrases.GATE_CA())] if s.calcium.very_low else []
    return closed + _unavailable("G-CA", s)


def g_kid(s: States) -> list[Closed]:
    """G-KID: not G5, dialysis or kidney transplant."""
    renal = s.kidney
    failure = 5
    if renal.stage == failure or renal.dialysis or renal.transplant:
        return [Closed("G-KID", phrases.GATE_KID())]
    return _unavailable("G-KID", s)


def g_sev(s: States) -> list[Closed]:
    """G-SEV: magnesium is not SEV, nor in a result without a date, nor was it when last usable while unknown now."""
    closed = [Closed("G-SEV", phrases.GATE_SEV())] if s.m.state is M.SEV or s.m.was_severe else []
    return closed + _unavailable("G-SEV", s)


def g_ad(s: States) -> list[Closed]:
    """G-AD: no current active vitamin D order; a drug that cannot be resolved could be one."""
    closed = []
    if s.therapy.taking(ACTIVE_FORM):
        closed.append(Closed("G-AD", phrases.GATE_AD()))
    return closed + _unresolved("G-AD", s) + _unavailable("G-AD", s)


def g_dup_d(s: States) -> list[Closed]:
    """G-DUP(D): no current or draft nutritional vitamin D order other than a supplement."""
    limits = s.limits.therapy
    standing = [o for o in s.therapy.standing if NUTRITIONAL in o.sets]
    closed = []
    if any(is_course_grade(o, limits) for o in standing):
        closed.append(Closed("G-DUP(D)", phrases.GATE_DUP_D()))
    elif maintenance := [o for o in standing if not is_supplement(o, limits)]:
        closed.append(Closed("G-DUP(D)", _on_maintenance(s, maintenance)))
    return closed + _unresolved("G-DUP(D)", s) + _unavailable("G-DUP(D)", s)


def _on_maintenance(s: States, maintenance: list[MedicationOrder]) -> Text:
    """How much is taken; of calcium with vitamin D it may not be known."""
    doses = [order.dose for order in maintenance if order.dose is not None]
    if not doses:
        return phrases.GATE_DUP_D_CALCIUM()
    return phrases.GATE_DUP_D_MAINTENANCE(n=grouped(s.therapy.daily_total or doses[0].per_day))


def g_dup_mg(s: States) -> list[Closed]:
    """G-DUP(Mg): no current or draft magnesium product."""
    standing = [o for o in s.therapy.standing if MAGNESIUM_PRODUCTS in o.sets]
    closed = [Closed("G-DUP(Mg)", phrases.GATE_DUP_MG())] if standing else []
    return closed + _unresolved("G-DUP(Mg)", s) + _unavailable("G-DUP(Mg)", s)


def _unresolved(gate: str, s: States) -> list[Closed]:
    """An order without a readable name or a known code could be anything (sections 7 and 9.7)."""
    return [Closed(gate, phrases.GATE_UNRESOLVED())] if s.therapy.unresolved else []


def g_mg(s: States, harm: Reasons) -> list[Closed]:
    """G-MG: every reason against an oral magnesium order, in the order of section 10."""
    reasons: Reasons = (
        (s.kidney.egfr_for_magnesium is None, phrases.GATE_MG_EGFR),
        *harm,
        (s.calcium.very_low, phrases.GATE_CA),
        (s.m.open, phrases.GATE_MG_OPEN),
        (s.m.beside, phrases.GATE_MG_CONFLICT),
        (s.therapy.taking("mg-blocking"), phrases.GATE_MG_RALTEGRAVIR),
    )
    closed = [Closed("G-MG", say()) for holds_now, say in reasons if holds_now]
    return closed + _unavailable("G-MG", s)


def g_adv(s: States, harm: Reasons) -> list[Closed]:
    """G-ADV: where magnesium may not be advised, not even in words. An unknown eGFR leaves it open."""
    high = s.m.state in TOO_HIGH or (s.m.unknown and s.m.last_band in TOO_HIGH)
    reasons: Reasons = ((high, phrases.GATE_ADV_HIGH), *harm)
    closed = [Closed("G-ADV", say()) for holds_now, say in reasons if holds_now]
    return closed + _unavailable("G-ADV", s)


def magnesium_may_harm(s: States) -> Reasons:
    """What G-MG and G-ADV share: kidneys that do not clear magnesium, toxic 25(OH)D, muscle and heart."""
    renal, has = s.kidney, s.problems.has
    return (
        (renal.stage >= 4, phrases.GATE_MG_STAGE),  # noqa: PLR2004 - G4
        (renal.dialysis, phrases.GATE_MG_DIALYSIS),
        (renal.aki, phrases.GATE_MG_AKI),
        (s.d.state is D.TOX, phrases.GATE_MG_TOX),
        (has("myasthenia"), phrases.GATE_MG_MYASTHENIA),
        (has("heart-block") and not s.problems.coded("pacemaker"), phrases.GATE_MG_HEART_BLOCK),
    )


def g_adjunct(s: States) -> list[Closed]:
    """R16: an adjunct needs an eGFR of 60 or more and no CKD G3 or worse."""
    egfr = s.kidney.egfr_for_magnesium
    if s.kidney.ckd3 or egfr is None or egfr.value < s.limits.kidney.adjunct_from:
        return [Closed("G-MG", phrases.GATE_MG_ADJUNCT())]
    return []


def hard_holds(s: States) -> tuple[Hold, ...]:
    """G-HOLD: every hard hold that applies, in the order of section 10; the first is the `{reason}`."""
    has, normal = s.problems.has, s.calcium.known_normal
    found = [
        _high_calcium(s),
        _named(has("hypercalcaemia"), "hypercalcaemia", phrases.HOLD_HYPERCALCAEMIA),
        Hold("phosphate", phrases.HOLD_PHOSPHATE(), by_value=True) if s.phosphate_high else None,
        _named(has("granulomatous"), "granulomatous", phrases.HOLD_GRANULOMATOUS),
        _named(has("tuberculosis"), "tuberculosis", phrases.HOLD_TUBERCULOSIS),
        _named(has("williams"), "williams", phrases.HOLD_WILLIAMS),
        _named(has("hypervitaminosis-d"), "hypervitaminosis-d", phrases.HOLD_HYPERVITAMINOSIS),
        _named(
            has("primary-hyperparathyroidism") and not normal, "hyperparathyroidism", phrases.HOLD_HYPERPARATHYROIDISM
        ),
        _named(has("lymphoma") and not normal, "lymphoma", phrases.HOLD_LYMPHOMA),
    ]
    return tuple(hold for hold in found if hold is not None)


def holds_matter(s: States, found: tuple[Hold, ...]) -> bool:
    """R11: whether the hard holds *found* matter here, so that K-HOLD speaks. Severe hypercalcaemia always does."""
    if not found or s.calcium.severe:
        return bool(found)
    nutritional, active = s.therapy.taking(NUTRITIONAL), s.therapy.taking(ACTIVE_FORM)
    if s.d.low or active:
        return True
    only_conditions = not any(hold.by_value for hold in found)
    small = not any(is_course_grade(order, s.limits.therapy) for order in nutritional)
    return bool(nutritional) and not (only_conditions and s.calcium.known_normal and small)


def soft_holds(s: States) -> tuple[Text, ...]:
    """Soft holds: the suggestion stays and a warning sentence is added (section 10)."""
    has = s.problems.has
    found: list[Text] = []
    if has("vitd-soft-hold", "stones"):
        found.append(phrases.SOFT_STONES())
    if has("vitd-soft-hold", "hyperparathyroidism"):
        found.append(phrases.SOFT_HYPERPARATHYROIDISM())
    if s.calcium.known_normal and has("primary-hyperparathyroidism"):
        found.append(phrases.SOFT_PRIMARY_HYPERPARATHYROIDISM())
    if s.calcium.known_normal and has("lymphoma"):
        found.append(phrases.SOFT_LYMPHOMA())
    return tuple(found)


def _named(holds: bool, hold_id: str, phrase: phrases.Phrase) -> Hold | None:  # noqa: FBT001 - reads as a sentence
    return Hold(hold_id, phrase()) if holds else None


def _high_calcium(s: States) -> Hold | None:
    """Hypercalcaemia by value, at any age of the newest usable calcium."""
    result = s.calcium.result
    if not s.calcium.high or result is None:
        return None
    reason = phrases.HOLD_HIGH_CALCIUM(v=result.shown, u=result.unit, on=on(result, s))
    return Hold("high-calcium", reason, by_value=True)
