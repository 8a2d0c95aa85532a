"""Pending and duplicate lab orders (decision table, section 17). As-of is 2026-03-02."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    MG_ORDER,
    ago,
    albumin,
    ask,
    calcium,
    codings,
    d3,
    egfr,
    lab,
    lab_order,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

KNOWN = {"magnesium": [mg("0.9")]}
ASKS_D = {**KNOWN, "conditions": [problem("M81.0")]}
TOTAL, MAGNESIUM = "62292-8", "19123-9"


@for_each(
    ("elements", "pending"),
    [
        ({"occurrenceDateTime": ago(0)}, True),
        ({"occurrenceDateTime": ago(30)}, True),
        ({"occurrenceDateTime": ago(31)}, False),
        ({"occurrencePeriod": {"start": ago(30)}}, True),
        ({"occurrenceDateTime": ago(-31)}, True),
        ({"occurrenceDateTime": ago(-32)}, False),
        ({"authoredOn": ago(90)}, True),
        ({"authoredOn": ago(91)}, False),
        ({"authoredOn": ago(400), "occurrenceDateTime": ago(10)}, True),
        ({"authoredOn": ago(1), "occurrenceDateTime": ago(31)}, False),
        ({"authoredOn": ago(1), "status": "draft"}, True),
        ({"authoredOn": ago(1), "status": "completed"}, False),
        ({"authoredOn": ago(1), "status": "revoked"}, False),
        ({"authoredOn": ago(1), "status": "on-hold"}, False),
        ({"authoredOn": ago(1), "doNotPerform": True}, False),
        ({}, False),
    ],
)
def test_what_is_pending(elements, pending):
    """Active or draft, occurrence at most 30 days past, or authored at most 90 days ago; within 31 days of the new."""
    seen = ask(**ASKS_D, lab_orders=[lab_order(TOTAL, **elements)])
    assert seen.topics == ([] if pending else ["vitamin-d-order"])


@for_each(
    ("code", "pending"),
    [("62292-8", True), ("68438-1", True), ("1989-3", True), ("49054-0", True), ("35365-6", True), ("49590-3", True),
     ("62290-2", False), ("19123-9", False), ("17861-6", False)],
)  # fmt: skip
def test_analytes_of_25ohd(code, pending):
    """The analyte is the value set of the code; 49590-3 belongs to 25(OH)D."""
    assert ("vitamin-d-order" not in ask(**ASKS_D, lab_orders=[lab_order(code, authoredOn=ago(1))]).topics) is pending


@for_each(
    ("code", "pending"), [("19123-9", True), ("2601-3", True), ("35249-2", True), ("108834-3", True), ("2600-5", False)]
)
def test_analytes_of_magnesium(code, pending):
    """108834-3 belongs to magnesium; ionised magnesium does not."""
    seen = ask(magnesium=[mg("0.7", day=ago(91))], lab_orders=[lab_order(code, authoredOn=ago(1))])
    assert ("magnesium-order" not in seen.topics) is pending


@for_each(("ordered", "pending"), [("2000-8", True), ("17861-6", True), ("1995-0", False), ("2823-3", False)])
def test_analytes_of_companions(ordered, pending):
    """Of calcium the value set counts: total calcium in either unit, not ionised."""
    seen = ask(vitamin_d=[vitd("120")], **KNOWN, chemistry=[], lab_orders=[lab_order(ordered, authoredOn=ago(1))])
    assert (seen.suggestions("vitamin-d-high") == []) is pending


@for_each("status", ["preliminary", "registered"])
@for_each(("days", "pending"), [(0, True), (30, True), (31, False)])
def test_a_preliminary_result_is_pending(status, days, pending):
    """A preliminary or registered result at most 30 days old counts as an order for today."""
    result = vitd("15", status=status, day=ago(days))
    assert ask(**ASKS_D, vitamin_d=[result]).topics == ([] if pending else ["vitamin-d-order"])


@for_each(
    ("on", "kept"),
    [("2026-05-02", False), ("2026-05-01", True), ("2026-07-03", False), ("2026-07-04", True), ("2026-03-02", True)],
)
def test_31_days_apart(on, kept):
    """It removes an order whose date lies within 31 days of its own: 2026-06-02 +/- 31 days."""
    seen = ask(**KNOWN, vitamin_d=[vitd("15")], lab_orders=[lab_order(TOTAL, occurrenceDateTime=on)])
    expected = [D2X8, D3X8] if kept else [D2X8[:1], D3X8[:1]]
    assert seen.suggestions("vitamin-d-deficiency") == expected


CARDS = [
    ("vitamin-d-order", TOTAL, ASKS_D),
    ("vitamin-d-stale", TOTAL, {**KNOWN, "vitamin_d": [vitd("15", day=ago(400))]}),
    (
        "vitamin-d-recheck",
        TOTAL,
        {**KNOWN, "vitamin_d": [vitd("15", day=ago(300))], "medications": [d3("2000", ago(200))]},
    ),
    ("magnesium-order", MAGNESIUM, {"magnesium": [mg("0.7", day=ago(91))]}),
    ("magnesium-wasting-drug", MAGNESIUM, {"vitamin_d": [vitd("40")], "medications": [order("tacrolimus", ago(20))]}),
    (
        "high-dose-vitamin-d-without-magnesium",
        MAGNESIUM,
        {"vitamin_d": [vitd("40")], "medications": [d3("5000", "2026-02-25")]},
    ),
]


@for_each(("topic", "code", "parts"), CARDS, ids=[case[0] for case in CARDS])
def test_cards_that_only_ask_go(topic, code, parts):
    """What the card asks for is under way: the card goes too."""
    assert topic in ask(**parts).topics
    assert topic not in ask(**parts, lab_orders=[lab_order(code, authoredOn=ago(1))]).topics


def test_k_toosoon_goes_with_its_dated_order():
    """K-TOOSOON, dated 2026-04-15, goes with an order near that day and stays beside one for today."""
    parts = {**KNOWN, "vitamin_d": [vitd("15")], "medications": [d3("2000", "2026-01-15")]}
    near = lab_order(TOTAL, occurrenceDateTime="2026-04-10")
    assert "vitamin-d-too-soon" not in ask(**parts, lab_orders=[near]).topics
    assert "vitamin-d-too-soon" in ask(**parts, lab_orders=[lab_order(TOTAL, authoredOn=ago(1))]).topics


KEPT = [
    ("vitamin-d-resistance", MAGNESIUM, {"vitamin_d": [vitd("15")], "medications": [d3("2000", "2025-06-01")]}),
    ("unusable-result", TOTAL, {**KNOWN, "vitamin_d": [vitd("15", "furlong")]}),
    ("vitamin-d-high", "17861-6", {**KNOWN, "vitamin_d": [vitd("120")], "chemistry": []}),
    ("magnesium-high", "2160-0", {"magnesium": [mg("1.3")], "kidney": []}),
    ("ckd", "2731-8", {"magnesium": [mg("0.7")], "conditions": [problem("N18.31")], "kidney": [egfr("50")]}),
]


@for_each(("topic", "code", "parts"), KEPT, ids=[case[0] for case in KEPT])
def test_every_other_card_stays(topic, code, parts):
    """Without its suggestion, and without `selectionBehavior`."""
    assert ask(**parts).suggestions(topic) != []
    card = ask(**parts, lab_orders=[lab_order(code, authoredOn=ago(1))]).card(topic)
    assert "suggestions" not in card
    assert "selectionBehavior" not in card


URGENT = [
    ({"magnesium": [mg("0.4")]}, "magnesium-severe-low"),
    ({"vitamin_d": [vitd("160")], **KNOWN}, "vitamin-d-toxicity"),
    ({"calcium": [calcium("14.5")], "albumin": [albumin("4.0")], **KNOWN}, "vitamin-d-hold"),
    (
        {"vitamin_d": [vitd("15")], "calcium": [calcium("7")], "albumin": [albumin("4.0")], **KNOWN},
        "vitamin-d-deficiency",
    ),
]


@for_each(("parts", "topic"), URGENT)
def test_urgent_orders_are_never_removed(parts, topic):
    """Urgent SRs are never removed by pending ones."""
    codes = ("11524-6", "2823-3", "17861-6", "2160-0", "19123-9", "2777-1", "62292-8", "2731-8")
    waiting = [lab_order(code, authoredOn=ago(1)) for code in codes]
    assert ask(**parts, lab_orders=waiting).suggestions(topic) == ask(**parts).suggestions(topic)


def test_equal_alternatives_are_one():
    """The pair "check both" and 25(OH)D alone become one when magnesium is under way."""
    seen = ask(conditions=[problem("M81.0")], lab_orders=[lab_order(MAGNESIUM, authoredOn=ago(1))])
    assert seen.suggestions("vitamin-d-order") == [["SR:62292-8"]]
    assert "isRecommended" not in seen.card("vitamin-d-order")["suggestions"][0]


def test_k_dorder_goes_although_magnesium_is_still_offered():
    """Left without its 25(OH)D order K-DORDER goes, also where "check both" still holds the magnesium order."""
    assert ask(conditions=[problem("M81.0")], lab_orders=[lab_order(TOTAL, authoredOn=ago(1))]).topics == []


def test_labs_alone_and_with_an_order():
    """K-MGLOW: a pending potassium leaves the order, and the second suggestion, with what is left."""
    waiting = [lab_order("2823-3", authoredOn=ago(1))]
    seen = ask(magnesium=[mg("0.7")], chemistry=[], lab_orders=waiting)
    assert seen.suggestions("magnesium-low") == [[MG_ORDER, "SR:19123-9@2026-03-30", "SR:17861-6"], ["SR:17861-6"]]
    both = [*waiting, lab_order("17861-6", authoredOn=ago(1))]
    seen = ask(magnesium=[mg("0.7")], chemistry=[], lab_orders=both)
    assert seen.suggestions("magnesium-low") == [[MG_ORDER, "SR:19123-9@2026-03-30"]]


def test_duplicates_leave_later_cards():
    """De-duplication: an SR whose code an earlier card offers is dropped from the later one, whatever the dates."""
    parts = {
        "vitamin_d": [vitd("15")],
        "calcium": [calcium("12", day=ago(31))],
        "albumin": [albumin("4.0", day=ago(31))],
    }
    seen = ask(**parts, **KNOWN, conditions=[problem("N18.31")], kidney=[egfr("50")], phosphate=[])
    assert seen.suggestions("vitamin-d-hold") == [["SR:2731-8", "SR:17861-6"]]
    assert seen.suggestions("ckd") == [["SR:2777-1"]]


def test_a_suggestion_left_without_actions_is_dropped():
    """K-CKD would ask for PTH alone, which K-HOLD already does: with M = LOW it stays without suggestions."""
    conditions = [problem("N18.31"), problem("D86.9")]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.7")], conditions=conditions, kidney=[egfr("50")])
    assert seen.suggestions("vitamin-d-hold") == [["SR:2731-8", "SR:62290-2"]]
    assert "suggestions" not in seen.card("ckd")


@for_each("how", ["pending", "asked by another card"])
def test_a_ckd_card_left_without_a_test_goes(how):
    """K-CKD whose one test is under way, or asked for by an earlier card, goes; B-CKD goes into the D card (R9)."""
    parts = {"vitamin_d": [vitd("15")], **KNOWN, "kidney": [egfr("50")], "conditions": [problem("N18.31")]}
    if how == "pending":
        parts["lab_orders"] = [lab_order("2731-8", authoredOn=ago(1))]
    else:
        parts["conditions"] = [*parts["conditions"], problem("D86.9")]
    seen = ask(**parts)
    assert "ckd" not in seen.topics
    assert "In CKD read it with calcium, phosphate and PTH." in seen.detail("vitamin-d-deficiency")


@for_each("code", [None, {"text": "25-OH vitamin D"}, codings("62292-8", system="http://x.example")])
def test_orders_without_a_loinc_code_block_nothing(code):
    """Only LOINC codes tell the analyte of an order."""
    waiting = {"resourceType": "ServiceRequest", "status": "active", "authoredOn": ago(1)}
    waiting |= {} if code is None else {"code": code}
    assert ask(**ASKS_D, lab_orders=[waiting]).topics == ["vitamin-d-order"]


def test_a_preliminary_magnesium_is_pending_too():
    """The same for magnesium: K-DDEF does not ask again, and says so."""
    result = lab("2601-3", "0.7", "mmol/L", ago(2), status="preliminary")
    seen = ask(vitamin_d=[vitd("15")], magnesium=[result])
    assert seen.suggestions("vitamin-d-deficiency") == [D2X8, D3X8]
    assert "A magnesium test is already under way." in seen.detail("vitamin-d-deficiency")


COURSES = {
    "vitamin-d-recheck": ({"vitamin_d": [vitd("15", day=ago(300))], "medications": [d3("2000", ago(200))]}, ago(0)),
    "vitamin-d-too-soon": ({"vitamin_d": [vitd("15")], "medications": [d3("2000", "2026-01-15")]}, "2026-04-15"),
}


@for_each("topic", COURSES)
def test_a_magnesium_request_is_not_lost(topic):
    """Where K-RECHECK or K-TOOSOON goes for a pending recheck, K-MGORDER takes its request unless it is pending too."""
    parts, day = COURSES[topic]
    assert topic in ask(**parts).topics
    waiting = [lab_order(TOTAL, occurrenceDateTime=day)]
    seen = ask(**parts, lab_orders=waiting)
    assert seen.outline == [["magnesium-order", "info", [["SR:19123-9"]]]]
    assert seen.summary("magnesium-order") == (
        "Vitamin D was low and is being treated. No usable recent magnesium result is available: "
        "consider serum magnesium."
    )
    assert ask(**parts, lab_orders=[*waiting, lab_order(MAGNESIUM, authoredOn=ago(1))]).topics == []
