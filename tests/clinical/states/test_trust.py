"""Which results are trusted (decision table, sections 4.3 and 4.5): swapped units, plausibility, kinds of result."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    EGFR_UNIT,
    ago,
    albumin,
    ask,
    calcium,
    derive,
    egfr,
    lab,
    mg,
    phosphate,
    vitd,
)  # fmt: skip


@for_each(
    ("value", "unit", "high", "state"),
    [
        ("1.2", "mmol/L", "1.8", "INDET"),
        ("2.0", "mmol/L", "2.6", "INDET"),
        ("1.19", "mmol/L", "1.8", "HIGH"),
        ("1.2", "mmol/L", "1.79", "HIGH"),
        ("1.2", "mmol/L", None, "HIGH"),
        ("2.0", "mmol/L", "1.1", "VHIGH"),
        ("1.19", "mg/dL", "1.3", "INDET"),
        ("0.85", "mg/dL", "1.05", "INDET"),
        # 1.2 / 2.4305 = 0.494 mmol/L
        ("1.2", "mg/dL", "1.3", "SEV"),
        ("1.19", "mg/dL", "1.31", "SEV"),
        ("1.19", "mg/dL", None, "SEV"),
        ("1.19", "mg/dL", "2.6", "SEV"),
        ("1.5", "mEq/L", "2.1", "LAT"),
    ],
)
def test_swapped_unit_guard(value, unit, high, state):
    """Section 4.3: a value that fits the own range of the other unit is blocked, in both directions."""
    assert ask(magnesium=[mg(value, unit, high=high)]).m == state


def test_a_swapped_unit_raises_k_data_and_nothing_else():
    """Section 4.3: never hypermagnesaemia; K-DATA asks for the test again and names the reason."""
    seen = ask(magnesium=[mg("2.0", high="2.6")])
    assert seen.outline == [["unusable-result", "info", [["SR:19123-9"]]]]
    assert "unit" in seen.summary("unusable-result")


IMPLAUSIBLE = "implausible value: confirm at once"


@for_each(
    ("value", "unit", "said"),
    [("500", "ng/mL", False), ("500.1", "ng/mL", True), ("1250", "nmol/L", False), ("1250.1", "nmol/L", True),
     (">500", "ng/mL", False), (">501", "ng/mL", True), ("151", "ng/mL", False)],
)  # fmt: skip
def test_implausibly_high_25ohd(value, unit, said):
    """Section 4.3: above 500 ng/mL or 1,250 nmol/L it stays TOX, with the sentence."""
    seen = ask(vitamin_d=[vitd(value, unit)])
    assert seen.d == "TOX"
    assert (IMPLAUSIBLE in seen.detail("vitamin-d-toxicity").lower()) is said


@for_each(
    ("value", "unit", "state"),
    [("1", "ng/mL", "DEF"), ("0.99", "ng/mL", "INDET"), ("0", "ng/mL", "INDET"), ("2.5", "nmol/L", "DEF"),
     ("2.49", "nmol/L", "INDET"), ("<1", "ng/mL", "DEF"), ("<0.9", "ng/mL", "INDET"), ("<4", "ng/mL", "DEF")],
)  # fmt: skip
def test_implausibly_low_25ohd(value, unit, state):
    """Section 4.3: below 1 ng/mL or 2.5 nmol/L it is blocked; of an interval the finite bound is tested."""
    assert ask(vitamin_d=[vitd(value, unit)]).d == state


@for_each(
    ("value", "state", "topic", "said"),
    [("6.0", "VHIGH", "magnesium-very-high", False), ("6.01", "VHIGH", "magnesium-very-high", True),
     ("0.1", "SEV", "magnesium-severe-low", False), ("0.09", "SEV", "magnesium-severe-low", True)],
)  # fmt: skip
def test_implausible_magnesium(value, state, topic, said):
    """Section 4.3: above 6.0 or below 0.1 mmol/L the band stays, with the sentence."""
    seen = ask(magnesium=[mg(value)])
    assert seen.m == state
    assert (IMPLAUSIBLE in seen.detail(topic).lower()) is said


@for_each(
    ("result", "passed_over"),
    [
        (calcium("5.0", "mmol/L", "2026-02-20"), False),
        (calcium("5.01", "mmol/L", "2026-02-20"), True),
        (calcium("20.1", "mg/dL", "2026-02-20"), True),  # 5.015 mmol/L
        (calcium("20.0", "mg/dL", "2026-02-20"), False),  # 4.990 mmol/L
        (calcium("1.0", "mmol/L", "2026-02-20"), False),
        (calcium("0.99", "mmol/L", "2026-02-20"), True),
        (calcium("4.0", "mg/dL", "2026-02-20"), True),  # 0.998 mmol/L
    ],
)
def test_implausible_calcium_is_passed_over(result, passed_over):
    """Section 4.3: outside 1.0 to 5.0 mmol/L a calcium is passed over; the older one decides."""
    found = derive(calcium=[result, calcium("9.4")], albumin=[]).calcium.result
    assert (found.shown == "9.4") is passed_over


BLOCKED = [
    vitd("8", "furlong"),
    lab("62292-8", None, valueString="<4 (LOQ)"),
    vitd("8", "pg/mL"),
    vitd("0.5"),
    vitd("8", day=ago(-3)),
]


@for_each("newest", BLOCKED, ids=["unit", "text", "unit of 1,25", "too low", "future"])
def test_a_blocked_result_hides_older_ones(newest):
    """Section 4.5: if the newest result is blocked the state is INDET; the older one is shown, not used."""
    seen = ask(vitamin_d=[newest, vitd("15.5", day="2026-01-10")], magnesium=[mg("0.9")])
    assert (seen.d, seen.topics, seen.drugs) == ("INDET", ["unusable-result"], [])
    assert "15.5" in seen.detail("unusable-result")


def test_a_blocked_magnesium_hides_older_ones():
    """Section 4.5: the same for magnesium, which never doses then."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9", "furlong"), mg("0.7", day="2026-01-10")])
    assert seen.m == "INDET"
    assert "MR:magnesium-200-daily" not in seen.drugs


@for_each(
    "empty",
    [
        lab("62292-8", None, valueString="QNS"),
        lab("62292-8", None),
        lab("62292-8", None, dataAbsentReason={"text": "x"}),
    ],
    ids=["text", "nothing", "absent"],
)
def test_an_empty_result_is_passed_over(empty):
    """Section 4.5: the next older result decides; the newest, empty one is named in the detail."""
    seen = ask(vitamin_d=[empty, vitd("15", day="2026-01-10")], magnesium=[mg("0.9")])
    assert seen.d == "DEF"
    assert "2026-02-20" in seen.detail("vitamin-d-deficiency")


def test_empty_results_alone_are_undetermined():
    """Section 4.5: if every result inside the window is empty: INDET, also beside an older measurement."""
    empty = lab("62292-8", None, valueString="QNS")
    assert ask(vitamin_d=[empty]).d == "INDET"
    assert ask(vitamin_d=[empty, vitd("15", day=ago(366))]).d == "INDET"
    assert ask(magnesium=[lab("2601-3", None, valueString="hemolyzed")]).m == "INDET"


@for_each(("day", "state"), [(ago(365), "INDET"), (ago(366), "UNK")])
def test_a_blocked_result_beyond_the_window_leaves_unk(day, state):
    """Section 9.1: a blocked result older than the window leaves UNK."""
    assert ask(vitamin_d=[vitd("15", "furlong", day)]).d == state


QNS = {"valueString": "QNS"}


@for_each(
    ("analyte", "newest", "shown"),
    [
        ("calcium", calcium("12", "furlong", "2026-02-20"), "9.24"),
        ("calcium", lab("17861-6", None, **QNS), "9.24"),
        ("kidney", egfr("20", "2026-02-20", unit="furlong"), "90"),
        ("kidney", lab("98979-8", None, **QNS), "90"),
    ],
)
def test_blocked_and_empty_companions_are_passed_over(analyte, newest, shown):
    """Section 4.5: the next older one decides, the newer one is remembered for the detail, and there is no K-DATA."""
    parts = {analyte: [newest, calcium("9.4") if analyte == "calcium" else egfr("90")]}
    found = derive(**parts)
    used, passed_over = (
        (found.calcium.result.shown, found.calcium.passed_over)
        if analyte == "calcium"
        else (found.kidney.egfr.shown, found.kidney.passed_over)
    )
    assert (used, str(passed_over)) == (shown, "2026-02-20")
    assert "unusable-result" not in ask(**parts).topics


def test_blocked_albumin_and_phosphate_are_passed_over():
    """Section 4.5: also these."""
    albumins = [albumin("2.0", "furlong", "2026-02-11"), albumin("4.2")]
    phosphates = [phosphate("9", "furlong", "2026-02-11"), phosphate("3.4")]
    found = derive(kidney=[egfr("50")], albumin=albumins, phosphate=phosphates)
    assert (found.calcium.result.shown, found.phosphate_high) == ("9.24", False)


def test_a_blocked_egfr_is_named_where_it_matters():
    """Section 4.5: K-MGLOW without an order names the newer result that could not be used."""
    kidney = [lab("98979-8", "20", "furlong", "2026-02-21"), lab("98979-8", "25", EGFR_UNIT)]
    assert "2026-02-21" in ask(magnesium=[mg("0.7")], kidney=kidney).detail("magnesium-low")
