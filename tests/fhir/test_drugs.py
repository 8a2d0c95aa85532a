"""Which drug an order is (decision table, section 7): RxNorm, ATC by prefix, whole words, and false friends."""

from __future__ import annotations

import pytest

from tests.support.patients import ATC, RXNORM, ask, codings, mg, order, read, vitd

START = "2026-01-05"


def sets_of(*orders):
    """The drug sets of all orders that count."""
    return {drug_set for found in read(medications=list(orders)).medications for drug_set in found.sets}


RXNORM_CODES = [
    ("nutritional-vitd", "4018 1367410 2418 11253 1362805 1889"),
    ("active-vitd", "1894 14845 3418 73710 11516"),
    ("mg-products", "6574 6582 52356 6579 6580 6585 6581"),
    ("ppi", "7646 283742 17128 40790 114979 816346"),
    ("loop-diuretics", "4603 1808 38413"),
    ("thiazides", "5487 2409 5764 6916 2396"),
    ("mg-wasting-strong", "1596450 10627 641 42316 3008 2555 318341 263034 732 7994"),
    ("digoxin", "3407"),
    ("mg-chelating", "46041 73056 115264 3640 10395 6980 139462 2551 82122 10582"),
    ("vitd-catabolism", "2002 8183 8134 8691 9384 55672 35617 195085"),
    ("glucocorticoids", "8640 6902 8638 3264"),
    ("vitd-malabsorption", "37925 2447"),
    ("calcium-salts", "1895"),
]
ATC_CODES = [
    ("nutritional-vitd", "A11CC01 A11CC05 A11CC A11CC06 H05BX05 A12AX A11CC20"),
    ("active-vitd", "A11CC04 A11CC03 A11CC02 H05BX02 H05BX03"),
    ("mg-products", "A12CC A12CC10 A02AA02 A06AD02 A12CC04 A06AD19 A12CC30 A12CC01 A12CC03 A12CC02 A06AD04 B05XA05"),
    ("mg-products", "A02AA04 A12CC05 A12CC06 A12CC08 A12CC09 A02AA01 A06AD01"),
    ("ppi", "A02BC A02BC01 A02BC05"),
    ("loop-diuretics", "C03CA01 C03CB02"),
    ("thiazides", "C03AA03 C03BA11"),
    ("mg-wasting-strong", "J01GB03 L04AD01 L04AD02 L01XA01 L01FE01 L01FE02 J02AA01 P01CX01 J05AD01"),
    ("digoxin", "C01AA05"),
    ("mg-chelating", "M05BA04 M05BB03 J01AA02 J01MA14 J01MA02 J05AJ03 L04AA06 B02BX05 M01CC01 H03AA01"),
    ("mg-blocking", "J05AJ01"),
    ("vitd-catabolism", "N03AF01 N03AB02 N03AA02 N03AA03 J04AB02 J04AB04 J04AB05 J05AG03"),
    ("glucocorticoids", "H02AB07"),
    ("vitd-malabsorption", "A08AB01 C10AC01"),
    ("calcium-salts", "A12AA04 A12AX"),
]  # fmt: skip


@pytest.mark.parametrize(("drug_set", "code"), [(name, code) for name, codes in RXNORM_CODES for code in codes.split()])
def test_rxnorm(drug_set, code):
    """Sections 7.1 to 7.3: ingredient codes, and the verified clinical drugs."""
    assert drug_set in sets_of(order("", START, rxnorm=code))


@pytest.mark.parametrize(("drug_set", "code"), [(name, code) for name, codes in ATC_CODES for code in codes.split()])
def test_atc(drug_set, code):
    """Sections 7.1 to 7.3: ATC codes match by prefix."""
    assert drug_set in sets_of(order("", START, atc=code))


@pytest.mark.parametrize(
    "code", ["D05AX02", "D05AX03", "A11CA01", "A12BA01", "C03DA01", "A02BA02", "J01XE01", "M05BX04"]
)
def test_atc_of_other_drugs(code):
    """Section 7.1: topical calcitriol or calcipotriol (D05AX) never counts; neighbours of a prefix do not either."""
    assert sets_of(order("", START, atc=code)) == set()


@pytest.mark.parametrize("code", ["A11CC04", "A11CC03", "A11CC02"])
def test_active_forms_are_not_nutritional(code):
    """Section 7.1: an active form is not nutritional vitamin D, though A11CC is."""
    assert sets_of(order("", START, atc=code)) == {"active-vitd"}


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("Vitamin D 1000 IU", {"nutritional-vitd"}),
        ("VITAMIN D2 50,000 units", {"nutritional-vitd"}),
        ("vitamin D3 2000 IU capsule", {"nutritional-vitd"}),
        ("Vit D 400 IU", {"nutritional-vitd"}),
        ("Ergocalciferol 1.25 MG Oral Capsule", {"nutritional-vitd"}),
        ("cholecalciferol 0.05 MG Oral Tablet", {"nutritional-vitd"}),
        ("Colecalciferol 800 IU", {"nutritional-vitd"}),
        ("Calciferol", {"nutritional-vitd"}),
        ("Drisdol", {"nutritional-vitd"}),
        ("calcifediol 30 MCG", {"nutritional-vitd"}),
        ("Calcitriol 0.25 MCG Oral Capsule", {"active-vitd"}),
        ("alfacalcidol 0.5 ug", {"active-vitd"}),
        ("eldecalcitol", {"active-vitd"}),
        ("falecalcitriol", {"active-vitd"}),
        ("Magnesium oxide 400 MG", {"mg-products"}),
        ("magnesium glycinate 100 mg", {"mg-products"}),
        ("Milk of Magnesia", {"mg-products"}),
        ("MAG-OX 400", {"mg-products"}),
        ("Slow-Mag 64 mg", {"mg-products"}),
        ("aluminum hydroxide / magnesium hydroxide suspension", {"mg-products"}),
        ("magnesium / cholecalciferol", {"mg-products", "nutritional-vitd"}),
        ("omeprazole 20 MG", {"ppi"}),
        ("Furosemide 40 MG", {"loop-diuretics"}),
        ("lisinopril 10 MG / hydrochlorothiazide 12.5 MG", {"thiazides"}),
        ("Tacrolimus 1 MG", {"mg-wasting-strong"}),
        ("cyclosporine 100 MG", {"mg-wasting-strong"}),
        ("foscarnet sodium injection", {"mg-wasting-strong"}),
        ("digoxin 0.125 MG", {"digoxin"}),
        ("abacavir / dolutegravir / lamivudine", {"mg-chelating"}),
        ("bictegravir 50 MG / emtricitabine / tenofovir", {"mg-chelating"}),
        ("mycophenolate mofetil", {"mg-chelating"}),
        ("eltrombopag", {"mg-chelating"}),
        ("penicillamine", {"mg-chelating"}),
        ("raltegravir 400 MG", {"mg-blocking"}),
        ("levothyroxine sodium 0.1 MG", {"mg-chelating"}),
        ("Phenytoin 100 MG", {"vitd-catabolism"}),
        ("prednisone 5 MG", {"glucocorticoids"}),
        ("orlistat", {"vitd-malabsorption"}),
        ("mineral oil", {"vitd-malabsorption"}),
    ],
)  # fmt: skip
def test_names(text, sets):
    """Section 7: the ingredient name as a whole word, any case."""
    assert sets_of(order(text, START)) == sets


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("esomeprazole magnesium 40 MG Delayed Release Capsule", {"ppi"}),
        ("omeprazole magnesium", {"ppi"}),
        ("rosuvastatin calcium 10 MG Oral Tablet (magnesium stearate)", set()),
        ("rosuvastatin with magnesium hydroxide", set()),
        ("atorvastatin calcium 20 MG; contains magnesium stearate", set()),
        ("choline magnesium trisalicylate 500 MG", set()),
        ("calcitriol 0.003 MG/GM Topical Ointment", set()),
        ("calcipotriol 50 MCG/G cream", set()),
        ("calcipotriene 0.005 % topical ointment", set()),
        ("magnesium sulfate 2 g intravenous", set()),
        ("Magnesium Sulfate 40 MG/ML Injection", set()),
        ("magnesium sulfate IV piggyback", set()),
        ("parenteral nutrition with magnesium", set()),
        ("cyclosporine 0.05 % Ophthalmic Emulsion", set()),
        ("tobramycin 0.3 % eye drops", set()),
        ("tobramycin inhalation solution", set()),
        ("dexamethasone otic suspension", set()),
        ("multivitamin daily", set()),
        ("vitamin dextrose", set()),
        ("promagnesium", set()),
        ("ferrous sulfate 325 MG", set()),
    ],
)
def test_false_friends(text, sets):
    """Section 7: whole words only; exclusions of magnesium and calcium; local forms never count."""
    assert sets_of(order(text, START)) == sets


@pytest.mark.parametrize("route", ["Topical", "Ophthalmic route", "Otic", "Nasal route", "Inhalation", "Vaginal route"])
@pytest.mark.parametrize("how", ["text", "display"])
def test_local_routes_never_count(route, how):
    """Section 7: topical, ophthalmic, otic, nasal, inhaled and vaginal orders never count in any set."""
    told = (
        {"text": route}
        if how == "text"
        else {"coding": [{"system": "http://snomed.info/sct", "code": "0", "display": route}]}
    )
    instruction = [{"route": told}]
    orders = [
        order(text, START, dosageInstruction=instruction) for text in ("calcitriol", "tobramycin", "prednisolone")
    ]
    assert sets_of(*orders) == set()


@pytest.mark.parametrize("route", ["oral", "Oral route", "by mouth", "sublingual"])
def test_systemic_routes_count(route):
    """Section 7: other routes do."""
    assert sets_of(order("calcitriol", START, dosageInstruction=[{"route": {"text": route}}])) == {"active-vitd"}


@pytest.mark.parametrize(
    ("elements", "counts"),
    [
        ({"status": "active"}, True),
        ({"status": "completed"}, True),
        ({"status": "stopped"}, True),
        ({"status": "draft"}, True),
        ({"status": "on-hold"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "entered-in-error"}, False),
        ({"status": "unknown"}, False),
        ({"status": None}, False),
        ({"intent": "proposal"}, True),
        ({"intent": "plan"}, True),
        ({"intent": None}, True),
        ({"intent": "option"}, False),
        ({"doNotPerform": True}, False),
        ({"doNotPerform": False}, True),
    ],
)
def test_orders_that_count(elements, counts):
    """Section 7: active, completed and stopped (draft for G-DUP), no option, nothing not to be performed."""
    assert bool(sets_of(order("cholecalciferol", START, **elements))) is counts


def contained(code):
    """A contained Medication and the reference to it."""
    inside = {"resourceType": "Medication", "id": "m", "code": code}
    return {"medicationReference": {"reference": "#m"}, "contained": [inside]}


@pytest.mark.parametrize(
    "elements",
    [
        {"medicationCodeableConcept": codings("855812", system=RXNORM, display="Vitamin D3 1000 UNT Oral Tablet")},
        contained(codings("2418", system=RXNORM)),
        contained({"text": "vitamin D3"}),
        {"medicationReference": {"reference": "Medication/1", "display": "Cholecalciferol 1000 IU"}},
        {"medicationReference": {"display": "Cholecalciferol 1000 IU"}},
        {"medication": {"concept": codings("A11CC05", system=ATC)}},
        {"medication": {"reference": {"display": "cholecalciferol"}}},
    ],
    ids=[
        "display",
        "contained code",
        "contained text",
        "reference display",
        "display alone",
        "concept",
        "R5 reference",
    ],
)
def test_where_the_drug_stands(elements):
    """Sections 7 and 9.7: codings, text, contained Medication, display of the reference; R5's CodeableReference."""
    found = order("", START)
    del found["medicationCodeableConcept"]
    assert sets_of(found | elements) == {"nutritional-vitd"}


def test_an_included_medication():
    """Section 9.7: a Medication that came with the search."""
    found = order("", START) | {"medicationReference": {"reference": "Medication/7"}}
    del found["medicationCodeableConcept"]
    included = {"resourceType": "Medication", "id": "7", "code": codings("2418", system=RXNORM)}
    assert sets_of(found, included) == {"nutritional-vitd"}


def test_an_unknown_drug_could_be_anything():
    """Section 9.7: a reference without resource or display closes G-DUP and G-AD."""
    found = order("", START) | {"medicationReference": {"reference": "Medication/404"}}
    del found["medicationCodeableConcept"]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[found])
    assert seen.gates == {"G-AD", "G-DUP(D)", "G-DUP(Mg)"}
    assert seen.drugs == []


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("J01MA14", "moxifloxacin"),
        ("J01MA02", "quinolone"),
        ("M05BA04", "bisphosphonate"),
        ("H03AA01", "levothyroxine"),
        ("J01AA02", "tetracycline"),
        ("J05AJ03", "integrase-inhibitor"),
    ],
)
def test_the_longest_prefix_tells_the_group(code, group):
    """Section 7.3: moxifloxacin is not one of the other quinolones: their intervals differ."""
    (found,) = read(medications=[order("", START, atc=code)]).medications
    assert found.groups == {group}
