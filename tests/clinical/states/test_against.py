"""Results that stand against one another: tied ones, and ones without a date (decision table, section 5)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, albumin, ask, calcium, lab, mg, order, problem, vitd

DIGOXIN = {"medications": [order("digoxin", "2026-01-05")]}
VERY_LOW = {"calcium": [calcium("7.2")], "albumin": [albumin("4.0")]}


def bare(value):
    """A 25(OH)D without a unit."""
    return lab("62292-8", value)


def bare_mg(value):
    """A magnesium without a unit."""
    return lab("2601-3", value)


def text(value):
    """A magnesium as text."""
    return lab("2601-3", None, valueString=value)


@for_each(
    ("results", "state"),
    [
        ([vitd("22"), vitd("22")], "INS"),
        ([vitd("22"), vitd("22.0")], "INS"),
        ([vitd("22"), vitd("22.1")], "INDET"),
        ([vitd("22"), bare("22")], "INS"),
        ([vitd("22"), bare("22.0")], "INS"),
        ([vitd("22"), bare("31")], "INDET"),
        ([vitd("22"), bare("<22")], "INDET"),
        ([vitd("<22"), bare("<22")], "INS"),
        ([vitd("22"), lab("62292-8", None, valueString="22 (see comment)")], "INDET"),
        ([vitd("22"), lab("62292-8", None, valueString="QNS")], "INS"),
        ([vitd("22"), bare("22"), bare("31")], "INDET"),
        # 55 nmol/L is 22.04 ng/mL; half a nmol/L is 0.2 ng/mL, half a ng/mL 0.5
        ([vitd("22"), vitd("55", "nmol/L")], "INS"),
        ([vitd("22.0"), vitd("56", "nmol/L")], "INDET"),
        ([vitd("22"), vitd("22.0"), vitd("56", "nmol/L")], "INDET"),
        ([bare("22"), bare("31")], "INDET"),
    ],
)
def test_tied_results(results, state):
    """Measured results of one moment that differ are all blocked; a repeat without its unit does not differ."""
    assert ask(vitamin_d=results, magnesium=[mg("0.9")]).d == state
    assert ask(vitamin_d=results[::-1], magnesium=[mg("0.9")]).d == state


def test_of_agreeing_results_the_one_without_a_range_decides():
    """1.75 mg/dL twice, once with a range it lies in: not inside the laboratory's range, so a warning."""
    softened, plain = mg("1.75", "mg/dL", low="1.6"), mg("0.72")
    assert ask(magnesium=[softened]).indicator("magnesium-low") == "info"
    assert ask(magnesium=[softened, plain]).indicator("magnesium-low") == "warning"


@for_each(
    ("parts", "state"),
    [
        ({"vitamin_d": [vitd("16"), vitd("14", day=None)]}, "DEF"),
        ({"vitamin_d": [vitd("16"), vitd("41", day=None)]}, "INDET"),
        ({"vitamin_d": [vitd("16"), vitd("<25", day=None)]}, "INDET"),
        ({"vitamin_d": [vitd("16"), bare("41") | {"effectiveDateTime": "someday"}]}, "DEF"),
        ({"vitamin_d": [vitd("41", day=None)]}, "INDET"),
        ({"vitamin_d": [vitd("41", day=ago(1096)), vitd("41", day=None)]}, "INDET"),
        ({"vitamin_d": [vitd("16", day=ago(366)), vitd("15", day=None)]}, "STALE"),
        ({"vitamin_d": [vitd("16", day=ago(366)), vitd("41", day=None)]}, "INDET"),
        ({"vitamin_d": [vitd("16"), vitd("41", "furlong", day="2026-02-21"), vitd("41", day=None)]}, "INDET"),
    ],
)
def test_results_without_a_date(parts, state):
    """A usable one of another band leaves nothing to rely on; of the same band, or itself unusable, it is passed over.

    Where nothing dated can be read, whatever was measured cannot be placed in time.
    """
    assert ask(**parts).d == state


def test_what_has_no_date_is_named():
    """K-DATA: "no usable date", and what the result said."""
    seen = ask(vitamin_d=[vitd("16"), vitd("41", day=None)])
    assert seen.summary("unusable-result").startswith("25(OH)D: result could not be used safely (no usable date).")
    assert "41 ng/mL" in seen.detail("unusable-result")


ALARMS = [
    ("d", "120", {}, "HIGH"),
    ("d", "160", {}, "TOX"),
    ("d", "15", {}, "INDET"),
    ("d", "15", VERY_LOW, "DEF"),
    ("d", "25", VERY_LOW, "INS"),
    ("d", "40", VERY_LOW, "INDET"),
    ("m", "0.45", {}, "SEV"),
    ("m", "1.3", {}, "HIGH"),
    ("m", "2.4", {}, "VHIGH"),
    ("m", "0.7", {}, "INDET"),
    ("m", "0.7", DIGOXIN, "LOW"),
    ("m", "0.7", VERY_LOW, "LOW"),
    ("m", "0.8", DIGOXIN, "INDET"),
    ("m", "0.9", {}, "INDET"),
]


@for_each(("analyte", "value", "parts", "state"), ALARMS)
def test_an_alarm_is_never_taken_away(analyte, value, parts, state):
    """High, toxic and severe ones stand, low ones with digoxin or a very low calcium; the detail names the other."""
    if analyte == "d":
        whole, others = vitd(value), [bare("31"), vitd("60" if value != "40" else "25", day=None)]
    else:
        whole, others = mg(value), [text("1,250 mmol/L"), mg("0.95" if value != "0.9" else "0.8", day=None)]
    for other in others:
        seen = ask(**{"vitamin_d" if analyte == "d" else "magnesium": [whole, other]}, **parts)
        assert getattr(seen, analyte) == state
        if state != "INDET":
            said = str(other.get("valueString", other.get("valueQuantity", {}).get("value", ""))).strip("=")
            assert said in seen.text


def test_magnesium_against_one_that_cannot_be_used_gets_no_order():
    """G-MG: "conflicting magnesium results"."""
    seen = ask(magnesium=[mg("0.72"), bare_mg("0.95")], **DIGOXIN)
    assert (seen.m, seen.drugs) == ("LOW", [])
    assert "conflicting magnesium results" in seen.detail("magnesium-low")


@for_each(
    "results",
    [
        [mg("0.45", day=None)],
        [mg("0.9"), mg("0.45", day=None)],
        [mg("0.45", day=ago(100)), bare_mg("0.9")],
        [mg("0.45"), mg("0.9")],
    ],
)
def test_a_severe_magnesium_without_a_date_holds_vitamin_d(results):
    """G-SEV: severe when last usable, without a date, or in one of two that conflict, while magnesium is not known."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=results)
    assert seen.m == "INDET"
    assert ("G-SEV", "gate.G-SEV") in seen.closed


@for_each(("results", "state"), [([mg("0.65")], "LOW"), ([mg("1.2")], "HIGH")])
def test_a_severe_magnesium_without_a_date_holds_vitamin_d_beside_an_alarm(results, state):
    """G-SEV: what keeps an alarm standing (digoxin, a high value) opens no gate that was closed without it."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[*results, mg("0.45", day=None)], **DIGOXIN)
    assert seen.m == state
    assert ("G-SEV", "gate.G-SEV") in seen.closed


@for_each("blocked", [bare_mg("0.9"), lab("2601-3", None, valueString="QNS")], ids=["blocked", "empty"])
@for_each(("days", "short", "state"), [(90, True, "INDET"), (91, True, "UNK"), (91, False, "INDET")])
def test_the_window_of_what_cannot_be_used(blocked, days, short, state):
    """A blocked or empty magnesium counts for 365 days, 90 where an earlier one of two years was low."""
    earlier = [mg("0.7", day=ago(500))] if short else []
    found = ask(magnesium=[blocked | {"effectiveDateTime": ago(days)}, *earlier]).m
    assert found == ("STALE" if state == "UNK" and earlier and "valueString" in blocked else state)


ENDS = {"low": {"value": 15, "unit": "ng/mL"}, "high": {"value": 60, "unit": "ng/mL"}}


@for_each(
    ("result", "state"),
    [
        (vitd("15", day=ago(1095)), "STALE"),
        (vitd("15", day=ago(1096)), "UNK"),
        (lab("62292-8", None, valueRange=ENDS, day=ago(366)), "UNK"),
    ],
)
def test_too_old_to_be_stale(result, state):
    """9.1: older than three years, or stale and in no band: nothing to read."""
    assert ask(vitamin_d=[result]).d == state


def test_a_25ohd_of_long_ago_is_shown():
    """9.1: older than three years it is shown, and not used."""
    asked = ask(vitamin_d=[vitd("15", day=ago(1096))], magnesium=[mg("0.9")], conditions=[problem("M81.0")])
    assert f"15 ng/mL on {ago(1096)}: older than 3 years" in asked.detail("vitamin-d-order")
