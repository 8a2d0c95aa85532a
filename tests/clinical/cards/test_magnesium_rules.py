"""The magnesium card: R5, R6, R15 and R16 (decision table, sections 12.2 and 13)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    MG_LOW,
    MG_ORDER,
    ago,
    albumin,
    ask,
    calcium,
    creatinine,
    d3,
    egfr,
    lab,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

VERY_LOW = {"calcium": [calcium("7.4")], "albumin": [albumin("4.0")]}
HIGH = [d3("5000", "2026-02-25")]
LONG = [d3("2000", "2025-06-01")]
TACROLIMUS, PHENYTOIN = order("tacrolimus", "2026-01-05"), order("phenytoin", "2026-01-05")
DIALYSIS = {"conditions": [problem("Z99.2")]}
STALE_SEV, STALE_LOW, STALE_HIGH = mg("0.4", day=ago(91)), mg("0.7", day=ago(91)), mg("1.3", day=ago(91))
CRITICAL, RESIST = ("vitamin-d-deficiency", "critical"), ("vitamin-d-resistance", "warning")
DEFICIENT, INSUFFICIENT = ("vitamin-d-deficiency", "warning"), ("vitamin-d-insufficiency", "info")
TOO_SOON, RECHECK = ("vitamin-d-too-soon", "info"), ("vitamin-d-recheck", "info")
WARNING, ORDER, WASTE = ("magnesium-order", "warning"), ("magnesium-order", "info"), ("magnesium-wasting-drug", "info")
HIDOSE, BOTH = ("high-dose-vitamin-d-without-magnesium", "info"), ("vitamin-d-order", "info")
DEF, OK = {"vitamin_d": [vitd("15")]}, {"vitamin_d": [vitd("40")]}


def asks(**parts):
    """The cards that offer a magnesium test, with their level."""
    seen = ask(**parts)
    return [(topic, level) for topic, level, listed in seen.outline if "SR:19123-9" in str(listed)]


R5 = [
    ("critical", {**DEF, **VERY_LOW}, CRITICAL),
    ("critical, stale severe", {**DEF, **VERY_LOW, "magnesium": [STALE_SEV]}, CRITICAL),
    ("stale severe", {"magnesium": [STALE_SEV]}, WARNING),
    ("stale severe, D OK", {**OK, "magnesium": [STALE_SEV]}, WARNING),
    ("stale severe, HD", {**OK, "magnesium": [STALE_SEV], "medications": HIGH}, WARNING),
    ("stale severe, resistance", {**DEF, "magnesium": [STALE_SEV], "medications": LONG}, WARNING),
    ("resistance", {**DEF, "medications": LONG}, RESIST),
    ("resistance, HD", {**DEF, "medications": [d3("5000", "2025-06-01")]}, RESIST),
    ("HD", {**OK, "medications": HIGH}, HIDOSE),
    ("HD, D low", {**DEF, "medications": HIGH}, HIDOSE),
    ("HD, D unknown", {"medications": HIGH}, HIDOSE),
    ("HD, stale LOW", {"medications": HIGH, "magnesium": [STALE_LOW]}, HIDOSE),
    ("very low calcium, not recent", {**DEF, "calcium": [calcium("7.4", day=ago(31))], "albumin": []}, DEFICIENT),
    ("DEF", DEF, DEFICIENT),
    ("DEF, no vitamin D order", {**DEF, "medications": [d3("1000")]}, DEFICIENT),
    ("INS", {"vitamin_d": [vitd("25")]}, INSUFFICIENT),
    ("DEF, stale NORM", {**DEF, "magnesium": [mg("0.9", day=ago(366))]}, DEFICIENT),
    ("recheck, stale LOW", {"vitamin_d": [vitd("40", day=ago(300))], "medications": [d3("2000", ago(200))],
                            "conditions": [problem("M81.0")], "magnesium": [STALE_LOW]}, RECHECK),
    ("stale LOW", {**OK, "magnesium": [STALE_LOW]}, ORDER),
    ("stale HIGH", {"magnesium": [STALE_HIGH]}, ORDER),
    ("stale VHIGH", {"magnesium": [mg("2.1", day=ago(91))]}, ORDER),
    ("stale LOW, inside the range", {**OK, "magnesium": [mg("0.7", day=ago(91), low="0.7")]}, None),
    ("stale LOW, inside the range, digoxin",
     {**OK, "magnesium": [mg("0.7", day=ago(91), low="0.7")], "medications": [order("digoxin")]}, ORDER),
    ("stale LOW, inside the range, below 0.70", {**OK, "magnesium": [mg("0.69", day=ago(91), low="0.6")]}, ORDER),
    ("stale HIGH, inside the range", {**OK, "magnesium": [mg("1.08", day=ago(91), high="1.1")]}, None),
    ("stale LOW of 1,095 days", {**OK, "magnesium": [mg("0.7", day=ago(1095))]}, ORDER),
    ("stale LOW of 1,096 days", {**OK, "magnesium": [mg("0.7", day=ago(1096))]}, None),
    ("stale severe of 1,096 days", {**OK, "magnesium": [mg("0.4", day=ago(1096))]}, WARNING),
    ("DEF, wasting", {**DEF, "medications": [TACROLIMUS]}, DEFICIENT),
    ("wasting", {**OK, "medications": [TACROLIMUS]}, WASTE),
    ("wasting, order card", {"medications": [TACROLIMUS, PHENYTOIN]}, WASTE),
    ("order card", {"medications": [PHENYTOIN]}, BOTH),
    ("too soon", {**DEF, "medications": [d3("2000", "2026-01-15")]}, TOO_SOON),
    ("dialysis, resistance", {**DEF, "medications": LONG, **DIALYSIS}, RESIST),
    ("D stale", {"vitamin_d": [vitd("15", day=ago(400))]}, None),
    ("D OK", OK, None),
    ("D HIGH", {"vitamin_d": [vitd("120")]}, None),
    ("stale LAT", {**OK, "magnesium": [mg("0.8", day=ago(366))]}, None),
    ("nothing", {}, None),
    ("dialysis, DEF", {**DEF, **DIALYSIS}, None),
    ("dialysis, HD", {**OK, "medications": HIGH, **DIALYSIS}, None),
    ("dialysis, wasting", {**OK, "medications": [TACROLIMUS], **DIALYSIS}, None),
    ("dialysis, order card", {"medications": [PHENYTOIN], **DIALYSIS}, None),
    ("dialysis, stale severe", {**OK, "magnesium": [STALE_SEV], **DIALYSIS}, None),
    ("known", {**DEF, "magnesium": [mg("0.9")], "medications": [TACROLIMUS]}, None),
]  # fmt: skip


@for_each(("parts", "expected"), [case[1:] for case in R5], ids=[case[0] for case in R5])
def test_r5_exactly_one_card_asks(parts, expected):
    """R5: who asks for magnesium while it is unknown or stale; on dialysis none of (b) to (e)."""
    assert asks(**parts) == ([] if expected is None else [expected])


@for_each(
    ("medications", "drug"),
    [
        ([TACROLIMUS], "tacrolimus"),
        ([order("cisplatin", "2026-01-05")], "cisplatin"),
        ([order("omeprazole", "2025-03-02"), order("furosemide", "2026-01-05")], "omeprazole"),
        ([order("omeprazole", "2025-03-02"), order("hydrochlorothiazide", "2026-01-05")], "omeprazole"),
        ([order("omeprazole", "2025-03-02"), order("digoxin", "2026-01-05")], "omeprazole"),
        ([order("omeprazole", "2025-03-03"), order("hydrochlorothiazide", "2026-01-05")], None),
        ([order("omeprazole", None), order("hydrochlorothiazide", "2026-01-05")], None),
        ([order("omeprazole", "2020-03-02")], None),
        ([order("furosemide", "2026-01-05"), order("chlorthalidone", "2026-01-05")], "furosemide"),
        ([order("furosemide", "2026-01-05"), order("digoxin", "2026-01-05")], "furosemide"),
        ([order("furosemide", "2020-01-05")], None),
        ([order("chlorthalidone", "2020-01-05"), order("digoxin", "2020-01-05")], None),
        ([order("digoxin", "2020-01-05")], None),
        ([order("tacrolimus", "2025-01-05", status="completed")], None),
        ([order("tacrolimus", "2026-01-05", status="draft")], None),
    ],
)
def test_r5d(medications, drug):
    """R5 (d): a strong one; a PPI of 12 months beside a diuretic or digoxin; a loop diuretic beside one of these."""
    seen = ask(vitamin_d=[vitd("40")], medications=medications)
    assert seen.topics == ([] if drug is None else ["magnesium-wasting-drug"])
    if drug:
        assert seen.summary("magnesium-wasting-drug").lower().startswith(f"{drug} can lower magnesium")


def test_the_request_is_the_last_action_of_each_suggestion():
    """R5c: K-DDEF, K-DINS, K-TOOSOON and K-RECHECK carry the magnesium test at the end of each suggestion."""
    seen = ask(vitamin_d=[vitd("15")])
    assert seen.suggestions("vitamin-d-deficiency") == [[*D2X8, "SR:19123-9"], [*D3X8, "SR:19123-9"]]
    assert "No usable recent magnesium result: check it too." in seen.detail("vitamin-d-deficiency")


def test_the_request_alone():
    """R5c: where the card has no suggestion the test is its only one."""
    seen = ask(vitamin_d=[vitd("15")], medications=[d3("1000")])
    assert seen.suggestions("vitamin-d-deficiency") == [["SR:19123-9"]]


@for_each(("value", "said"), [("0.7", "low"), ("1.3", "high"), ("2.1", "very high")])
def test_a_stale_magnesium_is_told(value, said):
    """R5c, 14.1: what the stale magnesium was, in K-MGORDER, and in the card that carries the request instead."""
    stale = {"magnesium": [mg(value, day=ago(91))]}
    assert ask(**stale).summary("magnesium-order") == (
        f"Magnesium was {said} on {ago(91)} and has not been rechecked. Consider ordering serum magnesium."
    )
    carried = ask(**stale, vitamin_d=[vitd("15")]).detail("vitamin-d-deficiency")
    assert f"Magnesium was {said} ({value} mmol/L on {ago(91)}): check it too." in carried


def test_severely_low_and_not_rechecked():
    """14.1: the summary of the warning."""
    assert ask(magnesium=[STALE_SEV]).summary("magnesium-order") == (
        f"Magnesium was severely low (0.4 mmol/L on {ago(91)}) and has not been rechecked. Repeat magnesium now."
    )


def test_an_undetermined_magnesium_is_asked_for_once():
    """12.2: M = INDET also adds K-DATA; the test is ordered once (section 17)."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9", "furlong")])
    assert seen.topics == ["vitamin-d-deficiency", "unusable-result"]
    assert "SR:19123-9" in str(seen.suggestions("vitamin-d-deficiency"))
    assert seen.suggestions("unusable-result") == []


@for_each(
    ("value", "medications", "topic", "said"),
    [
        ("0.7", HIGH, "magnesium-low", True),
        ("0.8", HIGH, "magnesium-latent", True),
        ("0.4", [], "magnesium-severe-low", False),
    ],
)
@for_each("d", ["15", "40"])
def test_r6(value, medications, topic, said, d):
    """R6: HD and LOW or LAT: the sentence in the magnesium card; with LAT the card in every D state."""
    seen = ask(vitamin_d=[vitd(d)], magnesium=[mg(value)], medications=medications)
    assert ("can use up magnesium" in seen.detail(topic)) is said


@for_each(
    ("d", "medications", "card"),
    [("15", [], True), ("25", [], True), ("40", [], False), ("40", HIGH, True), (None, HIGH, True), (None, [], False),
     ("120", HIGH, True), ("40", [d3("4000", "2026-02-25")], False)],
)  # fmt: skip
def test_latent_card(d, medications, card):
    """12.2, row 5: LAT with D low, or HD."""
    seen = ask(vitamin_d=[] if d is None else [vitd(d)], magnesium=[mg("0.8")], medications=medications)
    assert ("magnesium-latent" in seen.topics) is card


@for_each(
    ("value", "kidney", "on"),
    [
        ("0.60", "90", "2026-03-30"),
        ("0.5999", "90", "2026-03-09"),
        ("0.60", "60", "2026-03-30"),
        ("0.60", "59.9", "2026-03-16"),
        ("0.60", "30", "2026-03-16"),
        ("0.5999", "50", "2026-03-09"),
    ],
)
def test_recheck_of_magnesium(value, kidney, on):
    """14.2: + 4 weeks; + 2 weeks in G3; + 1 week below 0.60 mmol/L; the shortest wins."""
    seen = ask(magnesium=[mg(value)], kidney=[egfr(kidney)])
    assert seen.suggestions("magnesium-low")[0] == [MG_ORDER, f"SR:19123-9@{on}"]


def test_low_below_060_is_never_info():
    """R15: below 0.60 mmol/L never `info`, whatever the laboratory's range."""
    assert ask(magnesium=[mg("0.59", low="0.5")]).indicator("magnesium-low") == "warning"


@for_each(
    ("parts", "labs"),
    [
        ({}, []),
        ({"potassium": []}, ["SR:2823-3"]),
        ({"potassium": [lab("2823-3", "4.2", "mmol/L", ago(30))]}, []),
        ({"potassium": [lab("2823-3", "4.2", "mmol/L", ago(31))]}, ["SR:2823-3"]),
        ({"potassium": [lab("6298-4", "4.2", "mmol/L", ago(30))]}, []),
        ({"calcium": [calcium("9.4", day=ago(30))]}, []),
        ({"calcium": [calcium("9.4", day=ago(31))]}, ["SR:17861-6"]),
        ({"calcium": [lab("1995-0", "1.2", "mmol/L", ago(30))]}, []),
        ({"chemistry": []}, ["SR:2823-3", "SR:17861-6"]),
    ],
)
def test_labs_of_k_mglow(parts, labs):
    """14.2: order and labs in one suggestion; a second suggestion with the labs alone, only if there are any."""
    seen = ask(magnesium=[mg("0.7")], **parts)
    assert seen.suggestions("magnesium-low") == [MG_LOW + labs] + ([labs] if labs else [])


def test_labs_of_k_mglow_without_an_order():
    """14.2: order closed: labs alone."""
    seen = ask(magnesium=[mg("0.7")], chemistry=[], kidney=[])
    assert seen.suggestions("magnesium-low") == [["SR:2823-3", "SR:17861-6", "SR:2160-0"]]


@for_each(
    ("value", "days", "topic", "level"),
    [("0.4", 1, "magnesium-severe-low", "critical"), ("0.4", 2, "magnesium-severe-low", "critical"),
     ("2.1", 1, "magnesium-very-high", "critical"), ("2.1", 2, "magnesium-very-high", "critical")],
)  # fmt: skip
def test_urgent_set(value, days, topic, level):
    """14.2: ECG, potassium, calcium, creatinine, and magnesium if more than a day old; never an oral drug."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg(value, day=ago(days))])
    codes = ["11524-6", "2823-3", "17861-6", "2160-0"] + (["19123-9"] if days > 1 else [])
    assert seen.suggestions(topic) == [[f"SR:{code}!urgent" for code in codes]]
    assert (seen.indicator(topic), MG_ORDER in seen.drugs) == (level, False)


DIGOXIN = [order("digoxin", "2026-01-05")]


@for_each(
    ("value", "potassium", "critical"),
    [("0.59", "4.2", True), ("0.60", "4.2", False), ("0.74", "3.49", True), ("0.74", "3.5", False),
     ("0.74", None, False)],
)  # fmt: skip
def test_low_magnesium_with_digoxin(value, potassium, critical):
    """R15: with digoxin, below 0.60 mmol/L or with potassium below 3.5: critical, the urgent set alone, no order."""
    measured = [] if potassium is None else [lab("2823-3", potassium, "mmol/L", ago(10))]
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg(value)], medications=DIGOXIN, potassium=measured)
    assert seen.indicator("magnesium-low") == ("critical" if critical else "warning")
    assert (MG_ORDER in seen.drugs) is not critical
    codes = ("11524-6", "2823-3", "17861-6", "2160-0", "19123-9")
    assert (seen.suggestions("magnesium-low") == [[f"SR:{code}!urgent" for code in codes]]) is critical


def test_the_summary_with_digoxin():
    """14.1: the first row of K-MGLOW."""
    seen = ask(magnesium=[mg("0.55")], medications=DIGOXIN)
    assert seen.summary("magnesium-low") == (
        "Magnesium 0.55 mmol/L on 2026-02-20 is low with digoxin: arrhythmia risk. "
        "Assess urgently: ECG, potassium, calcium, creatinine."
    )


@for_each(("days", "level"), [(30, "critical"), (31, "warning")])
@for_each(
    ("parts", "topic", "codes"),
    [
        (DEF, "vitamin-d-deficiency", ["17861-6", "19123-9", "2731-8", "2160-0"]),
        ({"vitamin_d": [vitd("25")]}, "vitamin-d-insufficiency", ["17861-6", "19123-9", "2731-8", "2160-0"]),
        (OK | {"magnesium": [mg("0.7", day=ago(1))]}, "magnesium-low", ["11524-6", "2823-3", "17861-6", "2160-0"]),
    ],
)
def test_a_very_low_calcium_of_some_age(parts, topic, codes, days, level):
    """R15: a very low calcium makes K-DDEF, K-DINS and K-MGLOW critical for 30 days, then warnings; the same tests."""
    low = {"calcium": [calcium("7.4", day=ago(days))], "albumin": [albumin("4.0", day=ago(days))]}
    seen = ask(**parts, **low)
    assert seen.indicator(topic) == level
    assert seen.suggestions(topic) == [[f"SR:{code}!urgent" for code in codes]]


@for_each("elements", [{}, {"low": "0.65"}], ids=["no range", "inside the range"])
def test_low_magnesium_and_very_low_calcium(elements):
    """R15: K-MGLOW is critical, no magnesium order, the urgent set alone, also inside the laboratory's range."""
    seen = ask(vitamin_d=[vitd("40")], magnesium=[mg("0.7", day=ago(1), **elements)], **VERY_LOW)
    codes = ["11524-6", "2823-3", "17861-6", "2160-0"]
    assert seen.outline == [["magnesium-low", "critical", [[f"SR:{code}!urgent" for code in codes]]]]
    assert seen.summary("magnesium-low") == (
        f"Magnesium 0.7 mmol/L on {ago(1)} is low and calcium is very low: "
        "assess urgently; calcium will not correct until magnesium does."
    )


@for_each(
    ("parts", "labs"),
    [
        ({}, []),
        ({"kidney": [egfr("90", ago(90))]}, []),
        ({"kidney": [egfr("90", ago(91))]}, ["SR:2160-0"]),
        ({"kidney": [creatinine("1.0", day=ago(90))]}, []),
        ({"kidney": [creatinine("1.0", day=ago(91))]}, ["SR:2160-0"]),
        ({"kidney": []}, ["SR:2160-0"]),
    ],
)
def test_labs_of_k_mghigh(parts, labs):
    """14.2: creatinine if neither creatinine nor eGFR in 90 days."""
    assert ask(magnesium=[mg("1.3")], **parts).labs("magnesium-high") == labs
