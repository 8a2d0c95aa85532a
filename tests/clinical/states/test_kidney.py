"""Kidney function: which eGFR decides, CKD-EPI 2021, stages, CKD known (decision table, sections 3.5 and 9.4)."""

from __future__ import annotations

from itertools import pairwise

from cds_service.clinical.trace import Trace
from cds_service.clinical.words import wording
from tests.support.for_each import for_each
from tests.support.patients import EGFR_UNIT, ago, ask, creatinine, derive, egfr, lab, mg, problem, vitd

DAY = "2026-02-20"
BLOOD = lab("38483-4", "3.0", "mg/dL", DAY)
"""142 x 3.3333^-1.2 x 0.9938^45 = 25, of whole blood."""
WOMAN_60 = {"gender": "female", "birthDate": "1965-06-15"}


def kidney(*results, **parts):
    """The kidney state with these results."""
    return derive(kidney=list(results), **parts).kidney


@for_each(
    ("patient", "value", "unit", "shown", "stage"),
    [
        # 142 x 1.3333^-1.2 x 0.9938^45 = 142 x 0.7081 x 0.7559
        ({}, "1.2", "mg/dL", "76", 2),
        # 142 x 0.8571^-0.241 x 0.9938^60 x 1.012 = 142 x 1.0378 x 0.6886 x 1.012
        (WOMAN_60, "0.6", "mg/dL", "103", 1),
        # 142 x 3.3333^-1.2 x 0.9938^45 = 142 x 0.2358 x 0.7559
        ({}, "3.0", "mg/dL", "25", 4),
        # 106.0824 umol/L / 88.402 = 1.2 mg/dL
        ({}, "106.0824", "umol/L", "76", 2),
        # 142 x 1.6289^-1.2 x 0.7559 = 59.77: compared unrounded, printed as 60
        ({}, "1.466", "mg/dL", "60", 3),
    ],
)
def test_ckd_epi_2021(patient, value, unit, shown, stage):
    """The worked numbers; male and female; compared unrounded, printed whole."""
    found = kidney(creatinine(value, unit), patient=patient)
    assert (found.egfr.shown, found.egfr.computed, found.stage) == (shown, True, stage)


def test_computed_is_said():
    """The detail says "computed from creatinine"."""
    seen = ask(magnesium=[mg("0.7")], kidney=[creatinine("3.0")])
    assert "25 mL/min/1.73 m2" in seen.detail("magnesium-low")
    assert "computed from creatinine" in seen.detail("magnesium-low")


@for_each(
    ("patient", "results"),
    [
        ({"gender": "other"}, [creatinine("1.2")]),
        ({"gender": "unknown"}, [creatinine("1.2")]),
        ({"gender": None}, [creatinine("1.2")]),
        ({"birthDate": None}, [creatinine("1.2")]),
        # 17 on the day of the creatinine, though 18 as of today
        ({"birthDate": "2008-02-25"}, [creatinine("1.2")]),
        ({}, [lab("38483-4", "1.2", "mg/dL", DAY)]),
        ({}, [creatinine("0")]),
        ({}, [creatinine("1.2", "furlong")]),
    ],
    ids=["other", "unknown", "no sex", "no birth date", "17", "whole blood", "zero", "blocked"],
)  # fmt: skip
def test_nothing_is_computed(patient, results):
    """Only from a usable serum or plasma creatinine at 18 or later of a person recorded male or female."""
    assert kidney(*results, patient=patient).egfr is None


def test_age_counts_on_the_day_of_the_creatinine():
    """The first day at 18 computes: 142 x 1.3333^-1.2 x 0.9938^18 = 142 x 0.7081 x 0.8941 = 90 (89.9)."""
    found = kidney(creatinine("1.2"), patient={"birthDate": "2008-02-20"})
    assert (found.egfr.shown, found.stage) == ("90", 2)


@for_each(
    ("results", "shown", "computed"),
    [
        ([egfr("90", "2025-11-01"), creatinine("3.0")], "25", True),
        ([egfr("90", DAY), creatinine("3.0", day="2025-11-01")], "90", False),
        ([egfr("90", DAY), creatinine("3.0", day=DAY)], "90", False),
        ([egfr("90", f"{DAY}T08:00:00Z"), creatinine("3.0", day=f"{DAY}T12:00:00Z")], "90", False),
        ([creatinine("3.0", day="2025-11-01"), creatinine("1.2")], "76", True),
        ([egfr("50", "2026-01-01"), egfr("70", "2026-01-02")], "70", False),
    ],
    ids=["newer creatinine", "older creatinine", "same date", "same date, later instant", "two creatinine", "two eGFR"],
)
def test_the_newest_decides(results, shown, computed):
    """The newest, reported or computed; on the same date a reported one."""
    found = kidney(*results).egfr
    assert (found.shown, found.computed) == (shown, computed)


RANKED = ["98979-8", "98980-6", "62238-1", "77147-7", "50210-4", "69405-9", "88294-4"]


@for_each(
    ("better", "worse"),
    [*pairwise(RANKED), ("33914-3", "50210-4"), ("69405-9", "48642-3"), ("69405-9", "50044-7")],
)
def test_order_of_formulas(better, worse):
    """On the same date 2021, 98980-6, 2009, MDRD, cystatin C, unspecified, then the race- or sex-labelled codes."""
    results = [egfr("50", DAY, worse), egfr("80", DAY, better)]
    assert kidney(*results).egfr.shown == kidney(*results[::-1]).egfr.shown == "80"


@for_each(
    ("one", "other"), [("48642-3", "48643-1"), ("88294-4", "88293-6"), ("77147-7", "33914-3"), ("98979-8", "98979-8")]
)
def test_what_is_still_tied(one, other):
    """The lowest: of both race variants, of two MDRD codes, of one code twice."""
    results = [egfr("58", DAY, one), egfr("70", DAY, other)]
    assert kidney(*results).egfr.shown == kidney(*results[::-1]).egfr.shown == "58"


@for_each(("codes", "said"), [(("48642-3", "48643-1"), True), (("88294-4", "88293-6"), True), (("98979-8",), False)])
def test_race_variants_are_said(codes, said):
    """Both race variants reported: the lower is used, and the detail says so."""
    results = [egfr(value, DAY, code) for code, value in zip(codes, ("20", "28"), strict=False)]
    assert ("variant" in ask(magnesium=[mg("0.7")], kidney=results).detail("magnesium-low")) is said


@for_each(
    ("text", "stage"),
    [(">59", 2), (">60", 2), (">=60", 2), (">=90", 1), (">90", 1), ("<15", 5), ("<=15", 5), ("<60", 3), ("<=60", 3),
     ("<30", 4), ("15", 4), ("> 59", 2), (">59 mL/min/1.73.m2", 2), ("<15 mL/min", 5)],
)  # fmt: skip
def test_text_forms(text, stage):
    """`>n` and `>=n` count as n, `>59` as 60; `<n` and `<=n` as just below n."""
    assert kidney(lab("98979-8", None, valueString=text)).stage == stage


@for_each(("value", "stage"), [(">59", 2), (">60", 2), ("<15", 5), (">=90", 1), ("<=60", 3)])
def test_comparators(value, stage):
    """The same as a Quantity with a comparator."""
    assert kidney(egfr(value)).stage == stage


@for_each("unit", ["mL/min/{1.73_m2}", "mL/min/{1.73m2}", "mL/min/1.73.m2", "mL/min", "ml/min/1.73m2"])
def test_unit_annotations(unit):
    """Compare the number, ignore the annotation."""
    assert kidney(egfr("52", unit=unit)).stage == 3


STAGES = [("90", 1), ("89.9", 2), ("60", 2), ("59.9", 3), ("45", 3), ("44.9", 3), ("30", 3), ("29.9", 4), ("15", 4),
          ("14.9", 5)]  # fmt: skip


@for_each(("value", "stage"), STAGES)
def test_stage_by_value(value, stage):
    """Section 6.2: the lower edge belongs to its stage."""
    assert kidney(egfr(value)).stage == stage


@for_each(
    ("codes", "value", "stage"),
    [
        (["N18.1"], "95", 1), (["N18.2"], "95", 2), (["N18.31"], "95", 3), (["N18.4"], "95", 4), (["N18.5"], "95", 5),
        (["N18.4"], "50", 4), (["N18.31"], "20", 4), (["N18.1"], "50", 3), (["N18.2", "N18.4"], None, 4),
        (["N18.6"], "95", 5), (["Z99.2"], "95", 5), (["Z49.31"], "95", 5), (["N18.9"], None, 3), (["N18"], None, 3),
        (["N18.9"], "59.9", 3), (["N18.9"], "60", 2), (["N18.9"], "95", 1), (["N18.9"], "20", 4), ([], None, 0),
    ],
)  # fmt: skip
def test_stage_by_code(codes, value, stage):
    """Section 9.4: the worse of the codes and the newest eGFR; a bare N18 is G3 without an eGFR of 60 or more."""
    results = [] if value is None else [egfr(value)]
    assert kidney(*results, conditions=[problem(code) for code in codes]).stage == stage


def test_a_bare_code_beside_an_old_egfr():
    """Section 9.4: an eGFR older than 365 days is absent: the bare code is G3."""
    assert kidney(egfr("95", ago(366)), conditions=[problem("N18.9")]).stage == 3
    assert kidney(egfr("95", ago(365)), conditions=[problem("N18.9")]).stage == 1


@for_each(("code", "dialysis"), [("N18.6", True), ("Z99.2", True), ("Z49.01", True), ("N18.5", False)])
def test_dialysis_by_code(code, dialysis):
    """Section 9.4: N18.6, Z99.2 and Z49 count as G5 and dialysis."""
    assert kidney(conditions=[problem(code)]).dialysis is dialysis


@for_each(
    ("codes", "results", "known"),
    [
        (["N18.31"], [egfr("95")], True),
        (["N18.5"], [], True),
        (["Z99.2"], [], True),
        (["N18.9"], [], True),
        (["N18.9"], [egfr("59.9")], True),
        (["N18.9"], [egfr("60")], False),
        (["N18.2"], [egfr("50")], False),
        ([], [egfr("50")], False),
        ([], [egfr("55", ago(20)), egfr("58", ago(110))], True),
        ([], [egfr("55", ago(20)), egfr("58", ago(109))], False),
        ([], [egfr("55", ago(20)), egfr("60", ago(200))], False),
        ([], [egfr("60", ago(20)), egfr("55", ago(110)), egfr("55", ago(300))], False),
        ([], [egfr("55", ago(20)), egfr("62", ago(60)), egfr("58", ago(110))], True),
        ([], [egfr("55", ago(365)), egfr("58", ago(455))], True),
        ([], [egfr("55", ago(366)), egfr("58", ago(456))], False),
        ([], [egfr("55", ago(20)), egfr("58", ago(3000))], True),
        ([], [creatinine("3.0", day=ago(20)), creatinine("3.0", day=ago(110))], True),
    ],
)
def test_ckd_known(codes, results, known):
    """Section 9.4: a code of G3 or worse, or two eGFR below 60 at least 90 days apart, the newest being one."""
    assert kidney(*results, conditions=[problem(code) for code in codes]).ckd_known is known


@for_each(
    ("results", "patient", "asked"),
    [
        ([], {}, True),
        ([egfr("90")], {}, False),
        ([egfr("90", ago(366))], {}, True),
        ([creatinine("1.2")], {"gender": "other"}, False),
        ([creatinine("1.2", day=ago(365))], {"gender": "other"}, False),
        ([creatinine("1.2", day=ago(366))], {"gender": "other"}, True),
        ([creatinine("1.2", "furlong")], {"gender": "other"}, True),
        ([egfr("50", ago(91))], {}, True),
        ([egfr("50", ago(91)), creatinine("1.2", day=ago(90))], {"gender": "other"}, False),
    ],
)
def test_creatinine_is_asked_for_where_the_egfr_is_unknown(results, patient, asked):
    """Section 9.4: SR 2160-0 unless a usable creatinine lies in that same window."""
    seen = ask(magnesium=[mg("0.7")], kidney=results, patient=patient)
    assert ("SR:2160-0" in seen.labs("magnesium-low")) is asked


def test_unknown_kidneys_block_every_magnesium_order():
    """Section 10: K-MGLOW says so and offers SR 2160-0; no other card asks for it on that ground."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")], kidney=[])
    assert seen.summary("magnesium-low").endswith("Renal function unknown: check creatinine/eGFR first.")
    assert seen.suggestions("magnesium-low") == [["SR:2160-0"]]
    adjunct = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], kidney=[])
    assert adjunct.topics == ["vitamin-d-deficiency"]
    assert "SR:2160-0" not in str(adjunct.outline)


@for_each(
    ("results", "stage", "told"),
    [
        ([egfr("70", DAY), BLOOD], 2, "eGFR 70 of 2026-02-20"),
        ([egfr("70", f"{DAY}T08:00:00Z"), lab("38483-4", "3.0", "mg/dL", f"{DAY}T12:00:00Z")], 2, "eGFR 70 of"),
        ([egfr("70", "2026-02-19"), BLOOD], 4, "eGFR 25 of 2026-02-20 in whole blood"),
        ([egfr("70", "2026-02-21"), BLOOD], 2, "eGFR 70 of 2026-02-21"),
        ([creatinine("1.2", day=DAY), BLOOD], 4, "eGFR 25 of 2026-02-20 in whole blood"),
        ([BLOOD], 4, "eGFR 25 of 2026-02-20 in whole blood"),
        ([egfr("20", "2026-02-19"), BLOOD], 4, "eGFR 20 of 2026-02-19"),
    ],
    ids=["same date", "later that day", "newer", "older", "beside serum", "alone", "no worse"],
)
def test_whole_blood_that_makes_the_stage_is_named(results, stage, told):
    """Of one date a reported eGFR decides; a newer creatinine in whole blood closes gates, and the trace names it."""
    trace = Trace()
    states = derive(kidney=results)
    wording.trace_states(states, trace)
    assert states.kidney.stage == stage
    assert told in next(step.because for step in trace.steps if step.id == "KIDNEY")


def test_whole_blood_is_said():
    """The detail names it in place of the eGFR it overrules."""
    detail = ask(magnesium=[mg("0.7")], kidney=[egfr("70", "2026-02-19"), BLOOD]).detail("magnesium-low")
    assert "25 mL/min/1.73 m2, 2026-02-20 (computed from creatinine in whole blood)" in detail
    assert "eGFR 70" not in detail


def test_unit_of_the_annotation_is_not_part_of_the_number():
    """Section 3.5: a Quantity without any unit is no eGFR that can be used."""
    assert kidney(lab("98979-8", "52")).egfr is None
    assert kidney(lab("98979-8", "52", EGFR_UNIT)).egfr.shown == "52"
