"""Sentences: R13, R14, R15 and R17 (decision table, section 13), and the blocks of section 14.3."""

from __future__ import annotations

import pytest

from tests.support.patients import albumin, ask, calcium, d3, egfr, lab, mg, order, problem, vitd

KNOWN = {"magnesium": [mg("0.9")]}
START = "2026-01-05"
LONG, HIGH = d3("2000", "2025-06-01"), d3("5000", "2025-06-01")


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [("9.99", "ng/mL", True), ("10", "ng/mL", False), ("24.99", "nmol/L", True), ("25", "nmol/L", False)],
)
@pytest.mark.parametrize("profile", ["magnesium-aware", "endocrine-2011", "nam-2011"])
def test_r13(value, unit, said, profile):
    """R13: below the Floor K-DDEF speaks of bone pain, in every profile."""
    detail = ask({"profile": profile}, vitamin_d=[vitd(value, unit)], **KNOWN).detail("vitamin-d-deficiency")
    assert ("bone pain" in detail) is said


def test_r13_needs_k_ddef():
    """R13: with K-RESIST there is no Floor sentence."""
    assert "bone pain" not in ask(vitamin_d=[vitd("8")], **KNOWN, medications=[LONG]).detail("vitamin-d-resistance")


@pytest.mark.parametrize(
    ("d", "m", "labs", "test"),
    [
        ("furlong", "mmol/L", ["SR:62292-8"], "25(OH)D: "),
        ("ng/mL", "furlong", ["SR:19123-9"], "Magnesium: "),
        ("furlong", "furlong", ["SR:62292-8", "SR:19123-9"], "25(OH)D and magnesium: "),
    ],
)
def test_r14(d, m, labs, test):
    """R14: one K-DATA for both, the orders in one suggestion; a usable one raises none."""
    seen = ask(vitamin_d=[vitd("40", d)], magnesium=[mg("0.9", m)])
    assert seen.outline == [["unusable-result", "info", [labs]]]
    assert seen.summary("unusable-result").startswith(f"{test}result could not be used safely (")


def test_r14_names_an_old_date():
    """14.1: {test} with {on} where it is one test."""
    seen = ask(vitamin_d=[vitd("40", "furlong", "2026-01-10")], **KNOWN)
    assert seen.summary("unusable-result").startswith("25(OH)D on 2026-01-10: result could not be used safely (")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alendronate", "at least 2 h"),
        ("risedronate", "at least 2 h"),
        ("doxycycline", "2 h"),
        ("minocycline", "4-6 h"),
        ("moxifloxacin", "4 h"),
        ("ciprofloxacin", "6 h"),
        ("levofloxacin", "2 h"),
        ("dolutegravir / lamivudine", "6 h"),
        ("bictegravir / emtricitabine", "2 h"),
        ("mycophenolate mofetil", "2 h"),
        ("eltrombopag", "label"),
        ("penicillamine", "label"),
        ("levothyroxine", "at least 4 h"),
    ],
)
@pytest.mark.parametrize(
    ("magnesium", "topic"),
    [(mg("0.7"), "magnesium-low"), (mg("0.8"), "magnesium-latent"), (mg("0.9"), "magnesium-adjunct")],
)
def test_r17_spacing(text, sentence, magnesium, topic):
    """R17 and 7.3: a magnesium order beside a chelating drug: its interval, in the detail and in patientInstruction."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[magnesium], medications=[order(text, START)])
    name = text.split()[0]
    action = seen.card(topic)["suggestions"][0]["actions"][0]["resource"]
    for told in (seen.detail(topic), action["dosageInstruction"][0]["patientInstruction"]):
        near = [line for line in told.split(". ") if name in line]
        assert near
        assert sentence in near[-1] or sentence.replace(" h", " hours") in near[-1]


@pytest.mark.parametrize("elements", [{"status": "completed"}, {"status": "draft"}])
def test_r17_no_spacing(elements):
    """R17: only current drugs."""
    medications = [order("levothyroxine", "2024-01-05", **elements)]
    assert "levothyroxine" not in ask(magnesium=[mg("0.7")], medications=medications).text.lower()


def test_r17_no_spacing_without_an_order():
    """R17: only where a magnesium order is offered."""
    seen = ask(magnesium=[mg("0.7")], medications=[order("levothyroxine", START)], conditions=[problem("G70.00")])
    assert "levothyroxine" not in seen.text.lower()


@pytest.mark.parametrize("drug", ["digoxin", "hydrochlorothiazide", "chlorthalidone"])
@pytest.mark.parametrize(
    ("value", "extra", "topic"),
    [("15", [], "vitamin-d-deficiency"), ("25", [], "vitamin-d-insufficiency"), ("40", [HIGH], "vitamin-d-step-down")],
)
def test_r17_calcium_monitoring(drug, value, extra, topic):
    """R17: a vitamin D order beside digoxin or a thiazide: calcium monitoring; none without an order."""
    medications = [order(drug, START), *extra]
    assert f"{drug} is current" in ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications).detail(topic).lower()
    closed = ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications, conditions=[problem("Z94.0")])
    assert f"{drug} is current: check calcium" not in closed.detail(topic).lower()


@pytest.mark.parametrize("code", ["K90.0", "Z98.84"])
@pytest.mark.parametrize(
    ("value", "medications", "topic"),
    [("15", [], "vitamin-d-deficiency"), ("25", [], "vitamin-d-insufficiency"), ("15", [LONG], "vitamin-d-resistance"),
     ("40", [HIGH], "vitamin-d-step-down")],
)  # fmt: skip
def test_r17_malabsorption(code, value, medications, topic):
    """R17: "usual doses often fail; two to three times may be needed" in four cards."""
    seen = ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications, conditions=[problem(code)])
    assert "usual doses often fail; two to three times may be needed" in seen.detail(topic)


@pytest.mark.parametrize(("value", "topic"), [("0.4", "magnesium-severe-low"), ("0.7", "magnesium-low")])
@pytest.mark.parametrize("drug", ["omeprazole", "furosemide", "hydrochlorothiazide", "tacrolimus"])
def test_r17_wasting_drugs(value, topic, drug):
    """R17: a current magnesium-wasting drug is named in K-MGLOW and K-MGSEV."""
    seen = ask(magnesium=[mg(value)], medications=[order(drug, START)])
    assert drug in seen.detail(topic)


@pytest.mark.parametrize(("value", "topic"), [("0.4", "magnesium-severe-low"), ("0.7", "magnesium-low")])
def test_r15_sentences(value, topic):
    """R15: digoxin, calcium and potassium beside low magnesium; none of them without its reason."""
    low = {"calcium": [calcium("8.4")], "albumin": [albumin("4.0")], "potassium": [lab("2823-3", "3.4", "mmol/L")]}
    told = ask(magnesium=[mg(value)], medications=[order("digoxin", START)], **low).detail(topic)
    assert "arrhythmia" in told
    assert "calcium will not correct until magnesium does" in told
    assert "potassium may not correct until magnesium does" in told
    quiet = ask(magnesium=[mg(value)], potassium=[lab("2823-3", "3.5", "mmol/L")]).detail(topic)
    assert not [word for word in ("arrhythmia", "will not correct", "may not correct") if word in quiet]


@pytest.mark.parametrize(
    ("code", "value", "medications", "topic", "word"),
    [
        ("Z87.442", "15", [], "vitamin-d-deficiency", "stones"),
        ("Z39.1", "15", [], "vitamin-d-deficiency", "Lactation"),
        ("Z39.1", "25", [], "vitamin-d-insufficiency", "Lactation"),
        ("K74.60", "15", [LONG], "vitamin-d-resistance", "Liver"),
        ("K72.90", "15", [LONG], "vitamin-d-resistance", "Liver"),
    ],
)
def test_r17_condition_sentences(code, value, medications, topic, word):
    """R17: stone history, lactation; liver failure in K-RESIST."""
    seen = ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications, conditions=[problem(code)])
    assert word in seen.detail(topic)
    assert word not in ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications).detail(topic)


@pytest.mark.parametrize("drug", ["ketoconazole", "ritonavir"])
def test_unclear_drugs_in_k_resist_only(drug):
    """Section 7.3: mentioned in K-RESIST only."""
    medications = [order(drug, START)]
    resistant = ask(vitamin_d=[vitd("15")], **KNOWN, medications=[LONG, *medications])
    assert drug in resistant.detail("vitamin-d-resistance").lower()
    assert drug not in ask(vitamin_d=[vitd("15")], **KNOWN, medications=medications).text.lower()


@pytest.mark.parametrize(
    ("d", "m", "topic"),
    [("15", "0.9", "vitamin-d-deficiency"), ("40", "0.7", "magnesium-low"), ("25", "0.8", "magnesium-latent")],
)
def test_calcium_salts(d, m, topic):
    """R17 and section 19: a calcium supplement is named beside a vitamin D order and with M = LOW or LAT."""
    medications = [order("calcium carbonate 1250 MG", START)]
    with_salt = ask(vitamin_d=[vitd(d)], magnesium=[mg(m)], medications=medications)
    assert "calcium supplement" in with_salt.detail(topic)
    assert "calcium supplement" not in ask(vitamin_d=[vitd(d)], magnesium=[mg(m)]).detail(topic)


def test_k_resist_names_a_drug_that_lowers_vitamin_d():
    """Section 7.3: `vitd-catabolism` explains a poor response."""
    seen = ask(vitamin_d=[vitd("15")], **KNOWN, medications=[LONG, order("phenytoin", START)])
    assert "phenytoin" in seen.detail("vitamin-d-resistance").lower()


def test_no_quotient_of_calcium_and_magnesium():
    """Section 19: 9.4 / 2.0 mg/dL would be 4.7, 2.345 / 0.823 mmol/L 2.85: no such number appears."""
    seen = ask(
        vitamin_d=[vitd("15")], magnesium=[mg("2.0", "mg/dL")], calcium=[calcium("9.4")], albumin=[albumin("4.0")]
    )
    assert not [number for number in ("4.7", "2.85") if number in seen.text]


def test_the_footer_and_220_words():
    """14.3: at most 220 words, the footer always, B-MGDOSE with every magnesium order."""
    seen = ask(vitamin_d=[vitd("9")], magnesium=[mg("0.7")], kidney=[egfr("90")])
    for card in seen.cards:
        assert len(card["detail"].split()) <= 220
        assert card["detail"].endswith("No liability is accepted for decisions based on it.")
    assert "350 mg elemental a day" in seen.detail("magnesium-low")
