"""What was found, in texts that several cards share, and the sentences of R17."""

from __future__ import annotations

from cds_service.clinical.facts import LabResult
from cds_service.clinical.numbers import grouped
from cds_service.clinical.rules.gates import Closed, Gates, soft_holds
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.therapy import NUTRITIONAL, is_supplement
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import RecordText, Text
from cds_service.clinical.words.sentences import InWords

DAYS_A_YEAR = 365
MOST_NAMED = 3
"""Drugs named one by one."""
MOST_REPORTED = 3
"""Results named one by one; a chart may hold thousands that say nothing new."""
NOTES = {
    "unit-property": phrases.NOTE_PROPERTY,
    "scaled": phrases.NOTE_SCALED,
    "blood": phrases.NOTE_BLOOD,
    "sum": phrases.NOTE_SUM,
    "below-detection": phrases.NOTE_BELOW_DETECTION,
    "d2-unreadable": phrases.NOTE_D2_UNREADABLE,
}
CONDITIONS = ("malabsorption", "lactation", "stone-history", "liver")
"""What sentences of R17 are about, by their names on the problem list."""


def trace_sentences(s: States, gates: Gates, trace: Trace) -> None:
    """Note R17 in *trace* with the facts behind its sentences."""
    facts: list[object] = [concept for concept in CONDITIONS if s.problems.has(concept)]
    sets = ("mg-chelating", "digoxin", "thiazides", "calcium-salts")
    facts += [f"{order.name} ({drug_set})" for drug_set in sets for order in s.therapy.taking(drug_set)]
    facts += wasting_drugs(s)
    facts += [InWords(text, s.guidance.wording) for text in soft_holds(s)]
    closed = "vitamin D order closed" if gates.course else "vitamin D order open"
    trace.note("R17", facts, "{}; {}", tuple(facts) or "no fact for its sentences", closed)


def found_vitamin_d(s: States, *beside_it: Text) -> list[Text]:
    """What was found for 25(OH)D, what stands *beside it* in the line, and its flags (section 14.3)."""
    result = s.d.result
    if s.d.state is D.INDET:
        return [*unusable_vitamin_d(s), *beside_it]
    if result is None:
        return no_vitamin_d(s)
    said = [
        phrases.FOUND_D(
            v=result.shown, u=result.unit, converted=wording.vitamin_d_converted(result), date=str(result.day)
        ),
        *beside_it,
    ]
    if s.d.provisional:
        said.append(phrases.NOTE_PROVISIONAL(why=phrases.PROVISIONAL[s.d.provisional]()))
    if s.d.implausible:
        said.append(phrases.NOTE_IMPLAUSIBLE())
    if s.d.spanning:
        said.append(phrases.NOTE_INTERVAL())
    return said + notes(result) + beside(s.d.beside) + passed_over("vitamin-d", s.d.passed_over)


def no_vitamin_d(s: States) -> list[Text]:
    """No 25(OH)D to read: one older than three years is shown, not used (section 9.1)."""
    if s.d.last is None:
        return [phrases.FOUND_ONLY_CALCITRIOL() if s.facts.calcitriol_on_file else phrases.FOUND_NO_D()]
    years = str(s.limits.windows.stale // DAYS_A_YEAR)
    return [phrases.FOUND_D_TOO_OLD(v=s.d.last.shown, u=s.d.last.unit, date=str(s.d.last.day), n=years)]


def unusable_vitamin_d(s: States) -> list[Text]:
    """Why the 25(OH)D could not be used and what it says."""
    said = phrases.FOUND_UNUSABLE_D(reason=phrases.PROBLEMS[s.d.problem](), values=reported_of(s.d.untrusted))
    return [said, *_not_used("vitamin-d", s.d.last, s.d.untrusted)]


def unusable_magnesium(s: States) -> list[Text]:
    """Why the magnesium could not be used and what it says."""
    said = phrases.FOUND_UNUSABLE_MG(reason=phrases.PROBLEMS[s.m.problem](), values=reported_of(s.m.untrusted))
    return [said, *_not_used("magnesium", s.m.last, s.m.untrusted)]


def _not_used(analyte: str, last: LabResult | None, untrusted: tuple[LabResult, ...]) -> list[Text]:
    """An older result is shown, not used (section 4.5)."""
    if last is None or last in untrusted:
        return []
    name, day = phrases.ANALYTES[analyte](), str(last.day)
    return [phrases.FOUND_SHOWN_NOT_USED(analyte=name, v=last.shown, u=last.unit, date=day)]


def beside(results: tuple[LabResult, ...]) -> list[Text]:
    """Results that cannot be used and do not take this finding away (section 5)."""
    return [phrases.NOTE_BESIDE(values=reported_of(results))] if results else []


def reported_of(results: tuple[LabResult, ...]) -> tuple[Text, ...]:
    """What results that cannot be used say: the first few of them, and how many more there are."""
    said = tuple(reported(result) for result in results[:MOST_REPORTED])
    more = len(results) - len(said)
    return (*said, phrases.REPORTED_MORE(n=str(more))) if more else said


def reported(result: LabResult) -> Text:
    """What a result that cannot be used says, as the record has it, with its date or without one."""
    date = phrases.DATE_MISSING() if result.day is None else str(result.day)
    if not result.shown:
        return phrases.REPORTED_NOTHING(date=date)
    return phrases.REPORTED(v=RecordText(f"{result.shown} {result.unit}".strip()), date=date)


def found_magnesium(s: States, *beside_it: Text) -> list[Text]:
    """What was found for magnesium, what stands *beside it* in the line, and its flags."""
    result = s.m.result
    if result is None:
        return [phrases.FOUND_NO_MG()]
    said = [
        phrases.FOUND_MG(
            v=result.shown,
            u=result.unit,
            converted=wording.magnesium_converted(result),
            date=str(result.day),
            band=phrases.BANDS[s.m.state](),
        ),
        *beside_it,
    ]
    if s.m.implausible:
        said.append(phrases.NOTE_IMPLAUSIBLE())
    if s.m.open:
        said.append(phrases.NOTE_SEVERE_OPEN())
    if result.haemolysed:
        said.append(phrases.NOTE_HAEMOLYSED())
    return said + notes(result) + beside(s.m.beside) + passed_over("magnesium", s.m.passed_over)


def magnesium_too(s: States, *, also_in_range: bool = False) -> list[Text]:
    """The magnesium beside a 25(OH)D: where it is out of range or low-normal, or *also in range*."""
    result = s.m.result
    if result is None or s.m.unknown or not (also_in_range or s.m.abnormal or s.m.state is M.LAT):
        return []
    band = phrases.BANDS[s.m.state]()
    return [phrases.FOUND_MG_TOO(v=result.shown, u=result.unit, date=str(result.day), band=band)]


def unknown_magnesium(s: States) -> list[Text]:
    """What is known where magnesium is UNK, STALE or INDET: older results are shown, not used."""
    if s.m.last is None:
        return [phrases.FOUND_NO_MG()]
    last = s.m.last
    converted = wording.magnesium_converted(last)
    band = phrases.BANDS[s.m.last_band or "open"]()
    return [phrases.FOUND_MG_OLD(v=last.shown, u=last.unit, converted=converted, date=str(last.day), band=band)]


def found_calcium(s: States, *, first: bool = False) -> list[Text]:
    """The calcium that counts, and how it was corrected; *first* in its line, it is what drives the card.

    A newer unusable one is named (section 4.5).
    """
    result, form = s.calcium.result, s.calcium.form
    said = []
    if result is not None:
        phrase = phrases.FOUND_CALCIUM_FIRST if first else phrases.FOUND_CALCIUM
        how = phrases.CALCIUM_FORMS[form]()
        said.append(phrase(v=result.shown, u=result.unit, form=how, date=str(result.day)))
        if s.kidney.ckd3 and form in ("corrected", "computed"):
            said.append(phrases.FOUND_CORRECTION_IN_CKD())
    day = s.calcium.passed_over
    if day is not None:
        said.append(phrases.FOUND_PASSED_OVER(analyte=phrases.ANALYTES["calcium"](), date=str(day)))
    return said


def found_egfr(s: States) -> list[Text]:
    """The eGFR that counts, computed or reported, or the blood that makes the stage; a newer unusable one is named."""
    egfr = s.kidney.deciding
    said = []
    if egfr is not None:
        how = phrases.EGFR_HOW[s.kidney.how]()
        said.append(phrases.FOUND_EGFR(v=egfr.shown, how=how, date=str(egfr.day)))
    if s.kidney.race_variants:
        said.append(phrases.FOUND_RACE_VARIANTS())
    if s.kidney.passed_over is not None:
        analyte = phrases.ANALYTES["egfr"]()
        said.append(phrases.FOUND_PASSED_OVER(analyte=analyte, date=str(s.kidney.passed_over)))
    return said


def notes(result: LabResult) -> list[Text]:
    """The notes the reader left on *result*."""
    return [NOTES[note]() for note in result.notes if note in NOTES]


def passed_over(analyte: str, result: LabResult | None) -> list[Text]:
    """A newer result that held no measurement is named (section 4.5)."""
    if result is None:
        return []
    return [phrases.FOUND_PASSED_OVER(analyte=phrases.ANALYTES[analyte](), date=str(result.day))]


def why_not(s: States, phrase: phrases.Phrase, closed: tuple[Closed, ...]) -> list[Text]:
    """One sentence with the reasons of the closed gates: the first few, and how many more there are."""
    reasons, most = tuple(item.reason for item in closed), s.limits.card.max_reasons
    more = len(reasons) - most
    if more > 0:
        reasons = (*reasons[:most], phrases.MORE_REASONS(n=str(more)))
    return [phrase(reasons=reasons)] if reasons else []


def supplements(s: States) -> list[Text]:
    """A supplement below 800 IU a day closes no gate; the detail names it (section 9.3)."""
    found = [o for o in s.therapy.taking(NUTRITIONAL) if is_supplement(o, s.limits.therapy)]
    total = sum([o.dose.per_day for o in found if o.dose is not None])
    return [phrases.BEWARE_SUPPLEMENT(n=grouped(total))] if found and total else []


def calcium_monitoring(s: States) -> list[Text]:
    """R17: a vitamin D order beside digoxin or a thiazide."""
    drug = s.therapy.first("digoxin", "thiazides")
    return [] if drug is None else [phrases.BEWARE_CALCIUM_MONITORING(drug=drug.name)]


def malabsorption(s: States) -> list[Text]:
    """R17: usual doses often fail in malabsorption and after bariatric surgery."""
    return [phrases.BEWARE_MALABSORPTION()] if s.problems.has("malabsorption") else []


def held_softly(s: States) -> list[Text]:
    """Every soft hold, in one bullet (section 15)."""
    reasons = soft_holds(s)
    return [phrases.BEWARE_SOFT_HOLDS(reasons=reasons)] if reasons else []


def wasting_drugs(s: States) -> list[str]:
    """The current drugs that waste magnesium (`mg-wasting`), each named once."""
    sets = ("mg-wasting-strong", "loop-diuretics", "thiazides", "ppi")
    return list(dict.fromkeys([order.name for drug_set in sets for order in s.therapy.taking(drug_set)]))


def wasting(s: States) -> list[Text]:
    """R17: the current magnesium-wasting drugs by name, the first few."""
    names = wasting_drugs(s)
    shown, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    if more > 0:
        return [phrases.FOUND_WASTING_MORE(drugs=shown, n=str(more))]
    return [phrases.FOUND_WASTING(drugs=shown)] if names else []
