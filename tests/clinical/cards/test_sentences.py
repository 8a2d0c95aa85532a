"""Sentences: R13, R14, R15 and R17 (decision table, section 13), and the blocks of section 14.3."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import albumin, ask, calcium, d3, egfr, lab, mg, order, problem, vitd

KNOWN = {"magnesium": [mg("0.9")]}
START = "2026-01-05"
LONG, HIGH = d3("2000", "2025-06-01"), d3("5000", "2025-06-01")


@for_each(
    ("value", "unit", "said"),
    [("9.99", "ng/mL", True), ("10", "ng/mL", False), ("24.99", "nmol/L", True), ("25", "nmol/L", False)],
)
@for_each("profile", ["magnesium-aware", "endocrine-2011", "nam-2011"])
def test_r13(value, unit, said, profile):
    """R13: below the Floor K-DDEF speaks of bone pain, in every profile."""
    detail = ask({"profile": profile}, vitamin_d=[vitd(value, unit)], **KNOWN).detail("vitamin-d-deficiency")
    assert ("bone pain" in detail) is said


def test_r13_needs_k_ddef():
    """R13: with K-RESIST there is no Floor sentence."""
    assert "bone pain" not in ask(vitamin_d=[vitd("8")], **KNOWN, medications=[LONG]).detail("vitamin-d-resistance")


@for_each(
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


@for_each(
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
@for_each(
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


@for_each("elements", [{"status": "completed"}, {"status": "draft"}])
def test_r17_no_spacing(elements):
    """R17: only current drugs."""
    medications = [order("levothyroxine", "2024-01-05", **elements)]
    assert "levothyroxine" not in ask(magnesium=[mg("0.7")], medications=medications).text.lower()


def test_r17_no_spacing_without_an_order():
    """R17: only where a magnesium order is offered."""
    seen = ask(magnesium=[mg("0.7")], medications=[order("levothyroxine", START)], conditions=[problem("G70.00")])
    assert "levothyroxine" not in seen.text.lower()


@for_each("drug", ["digoxin", "hydrochlorothiazide", "chlorthalidone"])
@for_each(
    ("value", "extra", "topic"),
    [("15", [], "vitamin-d-deficiency"), ("25", [], "vitamin-d-insufficiency"), ("40", [HIGH], "vitamin-d-step-down")],
)
def test_r17_calcium_monitoring(drug, value, extra, topic):
    """R17: a vitamin D order beside digoxin or a thiazide: calcium monitoring; none without an order."""
    medications = [order(drug, START), *extra]
    assert f"{drug} is current" in ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications).detail(topic).lower()
    closed = ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications, conditions=[problem("Z94.0")])
    assert f"{drug} is current: check calcium" not in closed.detail(topic).lower()


@for_each("code", ["K90.0", "Z98.84"])
@for_each(
    ("value", "medications", "topic"),
    [("15", [], "vitamin-d-deficiency"), ("25", [], "vitamin-d-insufficiency"), ("15", [LONG], "vitamin-d-resistance"),
     ("40", [HIGH], "vitamin-d-step-down")],
)  # fmt: skip
def test_r17_malabsorption(code, value, medications, topic):
    """R17: "usual doses often fail; two to three times may be needed" in four cards."""
    seen = ask(vitamin_d=[vitd(value)], **KNOWN, medications=medications, conditions=[problem(code)])
    assert "usual doses often fail; two to three times may be needed" in seen.detail(topic)


@for_each(("value", "topic"), [("0.4", "magnesium-severe-low"), ("0.7", "magnesium-low")])
@for_each("drug", ["omeprazole", "furosemide", "hydrochlorothiazide", "tacrolimus"])
def test_r17_wasting_drugs(value, topic, drug):
    """R17: a current magnesium-wasting drug is named in K-MGLOW and K-MGSEV."""
    seen = ask(magnesium=[mg(value)], medications=[order(drug, START)])
    assert drug in seen.detail(topic)


@for_each(("value", "topic"), [("0.4", "magnesium-severe-low"), ("0.7", "magnesium-low")])
def test_r15_sentences(value, topic):
    """R15: digoxin, calcium and potassium beside low magnesium, in one bullet; none of them without its reason."""
    low = {"calcium": [calcium("8.4")], "albumin": [albumin("4.0")], "potassium": [lab("2823-3", "3.4", "mmol/L")]}
    told = ask(magnesium=[mg(value)], medications=[order("digoxin", START)], **low).detail(topic)
    assert "- Digoxin: arrhythmia risk; low calcium and potassium will not correct until magnesium does." in told
    quiet = ask(magnesium=[mg(value)], potassium=[lab("2823-3", "3.5", "mmol/L")]).detail(topic)
    assert not [word for word in ("arrhythmia", "will not correct", "may not correct") if word in quiet]


@for_each(
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


@for_each("drug", ["ketoconazole", "ritonavir"])
def test_unclear_drugs_in_k_resist_only(drug):
    """Section 7.3: mentioned in K-RESIST only."""
    medications = [order(drug, START)]
    resistant = ask(vitamin_d=[vitd("15")], **KNOWN, medications=[LONG, *medications])
    assert drug in resistant.detail("vitamin-d-resistance").lower()
    assert drug not in ask(vitamin_d=[vitd("15")], **KNOWN, medications=medications).text.lower()


@for_each(
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


def test_parts_in_their_order():
    """14.3: what was found in one line, why nothing is offered, bullets, the recheck last; B-MGDOSE with the order."""
    seen = ask(vitamin_d=[vitd("9")], magnesium=[mg("0.7")], kidney=[egfr("90")], conditions=[problem("Z87.442")])
    assert seen.detail("magnesium-low").split("\n\n") == [
        "Magnesium **0.7 mmol/L** (1.70 mg/dL), 2026-02-20: low.",
        "- 200 mg elemental; may cause diarrhoea; review at 8 weeks.\n- Recheck magnesium on 2026-03-30.",
    ]
    held = ask(vitamin_d=[vitd("9")], magnesium=[mg("0.9")], conditions=[problem("D86.9"), problem("N20.0")])
    assert held.detail("vitamin-d-deficiency").split("\n\n") == [
        "25(OH)D **9 ng/mL** (22.5 nmol/L), 2026-02-20.",
        "No vitamin D order: granulomatous disease.",
        (
            "- Ask about bone pain and weakness; check phosphate, ALP, PTH.\n"
            "- Kidney stones or hypercalciuria: check calcium during vitamin D."
        ),
    ]


def test_every_soft_hold_in_one_bullet():
    """Section 15: K-DDEF lists every soft hold, and a bullet has at most 14 words."""
    codes = ("N20.0", "E21.2", "E21.0", "C83.30")
    seen = ask(vitamin_d=[vitd("15")], **KNOWN, conditions=[problem(code) for code in codes])
    (bullet,) = [line for line in seen.detail("vitamin-d-deficiency").splitlines() if "hyperparathyroidism" in line]
    for hold in ("stones", "unclear hyperparathyroidism", "primary hyperparathyroidism", "lymphoma"):
        assert hold in bullet
    assert len(bullet.removeprefix("- ").split()) <= 14


def test_the_most_dangerous_come_first():
    """14.3: at most three bullets of part 3 beside the recheck; what is least dangerous is dropped."""
    seen = ask(
        vitamin_d=[vitd("9")],
        magnesium=[],
        medications=[order("digoxin", START), order("calcium carbonate 1250 MG", START)],
        conditions=[problem("K90.0"), problem("Z39.1"), problem("Z87.442")],
    )
    assert seen.detail("vitamin-d-deficiency").split("\n\n")[1].splitlines() == [
        "- Digoxin is current: check calcium during vitamin D.",
        "- Ask about bone pain and weakness; check phosphate, ALP, PTH.",
        "- Malabsorption, bariatric surgery: usual doses often fail; two to three times may be needed.",
        "- Recheck 25(OH)D from 2026-06-02, then 800-2,000 IU daily and adequate magnesium.",
    ]


@for_each("closed", [4, 5])
def test_four_reasons_and_how_many_more(closed):
    """14.3: the first four closed gates, then how many more there are."""
    medications = [order("calcitriol", START), d3("1000")][: closed - 3]
    seen = ask(
        vitamin_d=[vitd("15")],
        magnesium=[mg("0.4")],
        patient={"gender": "female", "birthDate": "1990-06-15"},
        conditions=[problem("O09.90", "2026-02-01"), problem("Z94.0")],
        medications=medications,
    )
    (told,) = [part for part in seen.detail("vitamin-d-deficiency").split("\n\n") if part.startswith("No vitamin D")]
    assert told.count(";") == min(closed, 5) - 1
    assert told.endswith("and 1 more.") is (closed > 4)
