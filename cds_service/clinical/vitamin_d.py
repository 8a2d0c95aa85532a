"""Chooses the one vitamin D card: the first row of the D map that answers (section 12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import course, drafts, phrases, wording
from cds_service.clinical.bands import D
from cds_service.clinical.card import Card
from cds_service.clinical.days import whole_months
from cds_service.clinical.drafts import CALCIUM_LAB, CREATININE_LAB, MAGNESIUM_LAB, PHOSPHATE_LAB, VITAMIN_D_LAB
from cds_service.clinical.magnesium_request import Asks, who_asks
from cds_service.clinical.results import age_in_days
from cds_service.clinical.trigger import order_trigger
from cds_service.clinical.vitamin_d_low import deficient, insufficient, low_with_very_low_calcium
from cds_service.clinical.vitamin_d_on_course import at_target, recheck_due, resistant, too_soon
from cds_service.clinical.vitamin_d_parts import build, driving, high_threshold, obesity, recheck_dated

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.clinical.card import LabDraft
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace


def choose(s: States, gates: Gates, trace: Trace) -> Card | None:
    """The vitamin D card, or none; the trace says for R1 to R4 whether each holds and why."""
    trace.add("R1", course.overdue(s))
    trace.add("R2", course.running(s))
    trace.add("R3", course.resistant(s))
    path = course.at_target(s)
    trace.note("R4", path is not None, "path {}: 25(OH)D is {}", path, s.d.state)
    _trace_modifiers(s, trace)
    for row in ROWS:
        card = row(s, gates)
        if card is not None:
            trace.yes(f"D:{card.id}", row.__doc__ or "")
            return card
    trace.no("D:none", "no row of the D map answers: 25(OH)D is {}", s.d.state)
    return None


def _trace_modifiers(s: States, trace: Trace) -> None:
    """Note R10, R12, R13, R15 and T-D, which shape cards rather than choose them."""
    trace.note("R10", obesity(s), "BMI {}", s.person.bmi)
    older = s.d.state is D.DEF and (s.person.age or 0) >= s.limits.people.daily_first_age
    trace.note("R12", older, "age {}, 25(OH)D {}", s.person.age, s.d.state)
    trace.note("R13", s.d.floor, "25(OH)D below the Floor: {}", s.d.floor)
    beside = s.m.inside_range or s.m.high_in_range or s.calcium.low or s.potassium_low
    trace.note("R15", beside, "laboratory's range {}, calcium low {}", s.m.inside_range, s.calcium.low)
    trigger = order_trigger(s) if s.d.state is D.UNK else None
    if trigger is None:
        trace.no("T-D", "25(OH)D is {}; no trigger", s.d.state)
    else:
        trace.yes(f"T-D {trigger.number}", trigger.reason.key)


def toxic(s: States, _: Gates) -> Card | None:
    """K-DTOX, row 1: 25(OH)D above the toxic line."""
    if s.d.state is not D.TOX:
        return None
    result = driving(s)
    edges = wording.vitamin_d_edges(s)
    codes = [CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB]
    if age_in_days(result, s.today) > s.limits.repeat.vitamin_d_toxic:
        codes.append(VITAMIN_D_LAB)
    summary = phrases.S_DTOX(v=result.shown, u=result.unit, date=str(result.day), cut=edges["tox"], cu=edges["cu"])
    says = [*drafts.found_vitamin_d(s), high_threshold(s), *drafts.found_calcium(s), phrases.SAY_DTOX()]
    return build(s, "K-DTOX", "critical", summary, says, drafts.labs(codes, drafts.vitamin_d_reason(s), urgent=True))


def high(s: States, _: Gates) -> Card | None:
    """K-DHIGH, row 2: 25(OH)D above the caution line."""
    if s.d.state is not D.HIGH:
        return None
    result = driving(s)
    edges = wording.vitamin_d_edges(s)
    summary = phrases.S_DHIGH(**wording.value_of(result, s), cut=edges["top"], cu=edges["cu"])
    codes = [] if s.recent("calcium", s.limits.repeat.calcium) else [CALCIUM_LAB]
    says = [*drafts.found_vitamin_d(s), high_threshold(s), *drafts.found_calcium(s), phrases.SAY_DHIGH()]
    return build(s, "K-DHIGH", "warning", summary, says, drafts.labs(codes, drafts.vitamin_d_reason(s)))


def ask_for_vitamin_d(s: States, _: Gates) -> Card | None:
    """K-DORDER, row 10: no result to read and a trigger T-D; offers both tests by R5e."""
    if s.d.state is not D.UNK:
        return None
    trigger = order_trigger(s)
    if trigger is None:
        return None
    both = who_asks(s, "K-DORDER", critical=False) is Asks.BOTH
    says = [phrases.FOUND_ONLY_CALCITRIOL() if s.facts.calcitriol_on_file else phrases.FOUND_NO_D()]
    says += [phrases.SAY_TRIGGER(reason=trigger.reason), *recheck_dated(s)]
    reason = phrases.BECAUSE_REASON(reason=trigger.reason)
    on = drafts.course_recheck(s) if course.running(s) else None
    suggestions = drafts.labs([VITAMIN_D_LAB], reason, on=on)
    if both:
        alone = suggestions[0]
        magnesium: LabDraft = drafts.labs([MAGNESIUM_LAB], reason)[0].labs[0]
        together = type(alone)(phrases.LABEL_BOTH(), (*alone.drafts, magnesium))
        suggestions = (together, type(alone)(phrases.LABEL_D_ALONE(), alone.drafts))
        says += [*drafts.unknown_magnesium(s), phrases.SAY_ASK_BOTH()]
    return build(s, "K-DORDER", "info", phrases.S_DORDER(reason=trigger.reason), says, suggestions)


def stale(s: States, _: Gates) -> Card | None:
    """K-STALE, row 11: the last value is too old to act on and was low, high, or the dose is high."""
    if s.d.state is not D.STALE:
        return None
    if s.d.last_band not in (D.DEF, D.HIGH, D.TOX) and not s.therapy.high_dose:
        return None
    result = driving(s)
    summary = phrases.S_STALE(v=result.shown, u=result.unit, n=str(whole_months(s.d.day, s.today)))
    says = [
        *drafts.found_vitamin_d(s),
        phrases.SAY_STALE(band=phrases.BANDS[s.d.last_band or "open"]()),
        *recheck_dated(s),
    ]
    on = drafts.course_recheck(s) if course.running(s) else None
    return build(s, "K-STALE", "info", summary, says, drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=on))


ROWS: tuple[Callable[[States, Gates], Card | None], ...] = (
    toxic,
    high,
    low_with_very_low_calcium,
    at_target,
    recheck_due,
    too_soon,
    resistant,
    deficient,
    insufficient,
    ask_for_vitamin_d,
    stale,
)
"""The D map, from the top."""
