"""Which drug an order is (decision table, section 7): RxNorm, ATC by prefix, whole words, and false friends."""

from __future__ import annotations

import pytest

from cds_service.errors import GuidanceError
from cds_service.fhir import terminology
from tests.support.for_each import for_each
from tests.support.patients import ATC, RXNORM, ask, codings, dosed, engine, mg, order, read, vitd, weekly

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


@for_each(("drug_set", "codes"), RXNORM_CODES)
def test_rxnorm(drug_set, codes):
    """Sections 7.1 to 7.3: ingredient codes, and the verified clinical drugs."""
    for code in codes.split():
        assert drug_set in sets_of(order("", START, rxnorm=code)), code


@for_each(("drug_set", "codes"), ATC_CODES)
def test_atc(drug_set, codes):
    """Sections 7.1 to 7.3: ATC codes match by prefix."""
    for code in codes.split():
        assert drug_set in sets_of(order("", START, atc=code)), code


@for_each("code", ["D05AX02", "D05AX03", "A11CA01", "A12BA01", "C03DA01", "A02BA02", "J01XE01", "M05BX04"])
def test_atc_of_other_drugs(code):
    """Section 7.1: topical calcitriol or calcipotriol (D05AX) never counts; neighbours of a prefix do not either."""
    assert sets_of(order("", START, atc=code)) == set()


@for_each("code", ["A11CC04", "A11CC03", "A11CC02"])
def test_active_forms_are_not_nutritional(code):
    """Section 7.1: an active form is not nutritional vitamin D, though A11CC is."""
    assert sets_of(order("", START, atc=code)) == {"active-vitd"}


@for_each(
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
        ("ketoconazole 200 MG", {"unclear-vitd"}),
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


@for_each(
    ("text", "sets"),
    [
        ("esomeprazole magnesium 40 MG Delayed Release Capsule", {"ppi"}),
        ("Oméprazole magnésium 20 mg", {"ppi"}),
        ("Esomeprazol-Magnesium 40 mg", {"ppi"}),
        ("pantoprazolo sodico, ossido di magnesio", {"ppi"}),
        ("Ilaprazol Magnesium", set()),
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
        ("zinc 10 mg oxide", set()),
        ("D3 for dogs", set()),
        ("calcium gluconate 1 g with D5W", {"calcium-salts"}),
        ("Caltrate 600", set()),
        ("vitamin dextrose", set()),
        ("promagnesium", set()),
        ("ferrous sulfate 325 MG", set()),
    ],
)
def test_false_friends(text, sets):
    """Section 7: whole words only; exclusions of magnesium and calcium; local forms never count."""
    assert sets_of(order(text, START)) == sets


NUTRITIONAL, BOTH = {"nutritional-vitd"}, {"nutritional-vitd", "calcium-salts"}


@for_each(
    ("group", "names"),
    [
        (
            "d2",
            "Ergocalciferolo; Ergokalcyferol; Vitamina D2; Vitamine D2; witamina D2; Vit. D2; Sterogyl; Uvesterol D",
        ),
        (
            "d3",
            "colecalciferolo; cholekalcyferol; colécalciférol; COLE\u0301CALCIFE\u0301ROL; vitamina D3; Vitamine D 3",
        ),
        (
            "d3",
            "Witamina-D3; Vit D 3; vitaminD3; VITAMIND3; Vitamin D\u2083; Adrigyl; D-Cure; Dekristol; Desunin; Devikap",
        ),
        (
            "d3",
            "Dibase; Divisun; Fultium-D3; InVita D3; Thorens; Uvedose; Vigantoletten; Zymad; 1000 IU D3; D 3 2000 UI",
        ),
        ("d3", "D3-Kapseln 20.000 I.E.; D3 2 000 j.m.; D3 2000IE"),
        ("calcifediol", "calcifediolo; kalcyfediol; Hidroferol; Rayaldee"),
        ("any", "vitamina D; VITAMINE D; witamina D; Vit.D; vit-D; VitaminD 400"),
    ],
)
def test_vitamin_d_in_eight_languages(group, names):
    """Section 7.1: accents, hyphens, full stops and case are folded; letter and digit are tried apart."""
    for name in names.split("; "):
        (found,) = read(medications=[order(name, START)]).medications
        assert (found.sets, found.groups) == (NUTRITIONAL, {group}), name


@for_each(
    "name",
    ["Calcium 600 + D", "calcium 500 with D", "CALCIUM plus D", "Calcium D3", "calcium 600+D3", "Calcio e vitamina D",
     "Kalzium, Vitamin D", "Węglan wapnia + witamina D", "Wapń D3", "Os-Cal 500+D", "OsCal D3", "Caltrate with D",
     "Citracal Petites D3", "Adcal-D3", "Cacit D3", "Calcichew-D3 Forte", "Calcimagon D3", "Ideos", "Natecal D",
     "Orocal D3"],
)  # fmt: skip
def test_calcium_with_vitamin_d(name):
    """Section 7.1: one name that holds both is a calcium combination; its dose is not known here."""
    (found,) = read(medications=[order(name, START, dosageInstruction=dosed("1", "tablet"))]).medications
    assert ("combination" in found.groups, found.sets, found.dose) == (True, BOTH, None)


@for_each("elements", [{"rxnorm": "1362805"}, {"atc": "A12AX"}, {"rxnorm": "2418", "atc": "A12AA04"}])
def test_calcium_with_vitamin_d_by_code(elements):
    """Section 7.1: so is one known by its code, or by one code of each."""
    (found,) = read(medications=[order("", START, **elements)]).medications
    assert ("combination" in found.groups, found.sets) == (True, BOTH)


@for_each(
    ("text", "sets"),
    [
        ("alendronate / colecalciferol / calcium carbonate", {"mg-chelating", "nutritional-vitd"}),
        ("vitamin D3 1000 IU (calcium stearate)", NUTRITIONAL),
    ],
)
def test_calcium_beside_another_drug_or_as_a_filler(text, sets):
    """Section 7: an order in another set is no calcium product; a stearate is none anywhere."""
    assert sets_of(order(text, START)) == sets


@for_each(
    "name",
    ["Magnesiumcitrat 130 mg", "Magnésium", "Citrato de magnesio", "Magnesiocard", "Magnezu cytrynian", "MAGNEZIN",
     "MagOx", "MgO 400", "Mg citrate", "Mag-glycinate", "mag oxide", "Mg chloride", "mag taurate", "SlowMag", "Mag 2",
     "MAG2", "Magné B6", "Magnerot", "Magnetrans", "Magnesium oxide 400 mg (magnesium stearate)"],
)  # fmt: skip
def test_magnesium_in_eight_languages(name):
    """Section 7.2: `*` begins a longer word; a filler does not hide the magnesium beside it."""
    assert sets_of(order(name, START)) == {"mg-products"}


@for_each(
    "name",
    ["ascorbic acid (magnesium stearate)", "Vitamin C, Magnesiumstearat", "acide ascorbique, stéarate de magnésium",
     "ácido ascórbico, estearato de magnesio", "stearynian magnezu", "stearato di magnesio", "magnesiumstearaat",
     "rosuvastatina, magnesio", "magnesium sulfate i.v."],
)  # fmt: skip
def test_no_magnesium_in_eight_languages(name):
    """Section 7.2: a stearate in any of the languages, rosuvastatin, intravenous bags."""
    assert sets_of(order(name, START)) == set()


def unresolved(*orders):
    """Whether each order that is read could be any drug."""
    return [found.unresolved for found in read(medications=list(orders)).medications]


UNKNOWN = [
    (RXNORM, "314076"), ("http://hl7.org/fhir/sid/ndc", "64380-0737-06"), ("urn:oid:1.2.3", "2429"),
    (ATC, "C09AA"), (ATC, "LOCAL01"),
]  # fmt: skip


@for_each(
    "text",
    ["", "?", "10 mg", "See comments", "SeeNotes", "unknown drug", "Misc. medication", "free text", "Siehe Kommentar",
     "voir commentaires", "zie opmerking", "D3", "\u0412\u0438\u0442\u0430\u043c\u0438\u043d"],
)  # fmt: skip
def test_neither_a_readable_name_nor_a_known_code(text):
    """Section 7: empty words are no name; an RxNorm code of no set, NDC, local and part of an ATC code tell nothing."""
    for system, code in UNKNOWN:
        concept = codings(code, system=system, display=text or None)
        assert unresolved(order("", START, medicationCodeableConcept=concept)) == [True], (system, code)


@for_each(
    "concept",
    [
        {"text": "Lisinopril 10 mg tablet"},
        codings("68180-0980-01", system="http://hl7.org/fhir/sid/ndc", display="Lisinopril"),
        codings("C09AA03", system=ATC),
        codings("c09aa03", system="urn:oid:2.16.840.1.113883.6.73", display="see comments"),
    ],
)
def test_a_readable_name_or_a_whole_atc_code(concept):
    """Section 7: it says which drug it is, and so what it is not: the order is left out."""
    assert unresolved(order("", START, medicationCodeableConcept=concept)) == []


@for_each(
    ("elements", "closes"),
    [({}, True), ({"status": "draft"}, True), ({"status": "completed"}, False), ({"end": "2026-02-01"}, False)],
)
def test_an_unresolved_order_that_is_over(elements, closes):
    """Section 9.7: only while current, or a draft, does it close G-DUP and G-AD."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[order("see comments", START, **elements)])
    assert ("G-AD" in seen.gates) is closes


@for_each(
    ("system", "code", "drug_set"),
    [("urn:oid:2.16.840.1.113883.6.88", "2418", "nutritional-vitd"),
     ("urn:oid:2.16.840.1.113883.6.73", "A12CC10", "mg-products"),
     (RXNORM, "6135", "unclear-vitd"), (ATC, "J05AE03", "unclear-vitd")],
)  # fmt: skip
def test_codes_by_oid_and_of_no_set(system, code, drug_set):
    """Section 22: a system by its OID; section 7.3: what is only mentioned is known by its codes too."""
    assert sets_of(order("", START, medicationCodeableConcept=codings(code, system=system))) == {drug_set}


@for_each("route", ["Topical", "Ophthalmic route", "Otic", "Nasal route", "Inhalation", "Vaginal route"])
@for_each("how", ["text", "display"])
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


@for_each("route", ["oral", "Oral route", "by mouth", "sublingual"])
def test_systemic_routes_count(route):
    """Section 7: other routes do."""
    assert sets_of(order("calcitriol", START, dosageInstruction=[{"route": {"text": route}}])) == {"active-vitd"}


@for_each(
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


def mixed(item, **elements):
    """A contained Medication of a local name with one ingredient, and the reference to it."""
    found = contained({"text": "VI-DE drops"})
    found["contained"][0] |= {"ingredient": [item]} | elements
    found["contained"].append(SUBSTANCE)
    return found


SUBSTANCE = {"resourceType": "Substance", "id": "s", "code": {"text": "Colecalciferol"}}
DSTU2 = {"ingredient": None, "product": {"ingredient": [{"item": {"display": "Colecalciferol"}}]}}


@for_each(
    "elements",
    [
        {"medicationCodeableConcept": codings("855812", system=RXNORM, display="Vitamin D3 1000 UNT Oral Tablet")},
        contained(codings("2418", system=RXNORM)),
        contained({"text": "vitamin D3"}),
        {"medicationReference": {"reference": "Medication/1", "display": "Cholecalciferol 1000 IU"}},
        {"medicationReference": {"display": "Cholecalciferol 1000 IU"}},
        {"medication": {"concept": codings("A11CC05", system=ATC)}},
        {"medication": {"reference": {"display": "cholecalciferol"}}},
        mixed({"itemCodeableConcept": {"text": "Colecalciferol"}}),
        mixed({"itemCodeableConcept": codings("2418", system=RXNORM)}),
        mixed({"itemReference": {"display": "Colecalciferol"}}),
        mixed({"item": {"concept": {"text": "Colecalciferol"}}}),
        mixed({"item": {"reference": {"display": "Colecalciferol"}}}),
        mixed({"itemReference": {"reference": "#s"}}),
        mixed({}, **DSTU2),
        mixed({"itemCodeableConcept": 5}, code={"text": "vitamin D3"}),
        contained({"text": "tabl."}) | {"medicationCodeableConcept": {"text": "vitamin D3"}},
    ],
    ids=[
        "display",
        "contained code",
        "contained text",
        "reference display",
        "display alone",
        "concept",
        "R5 reference",
        "ingredient text",
        "ingredient code",
        "ingredient reference",
        "R5 ingredient",
        "R5 ingredient reference",
        "contained substance",
        "DSTU2 ingredient",
        "unreadable ingredient",
        "concept beside a reference",
    ],
)
def test_where_the_drug_stands(elements):
    """Sections 7 and 9.7: all that names the drug, joined, as each version of FHIR has it."""
    found = order("", START)
    del found["medicationCodeableConcept"]
    assert sets_of(found | elements) == {"nutritional-vitd"}


@for_each("reference", ["Medication/7", "https://ehr.example/fhir/Medication/7/_history/2", "urn:uuid:7"])
@for_each(
    "elements",
    [
        {"code": codings("2418", system=RXNORM)},
        {"code": codings("1", system="urn:oid:1.2.3"), "ingredient": [{"itemReference": {"reference": "Substance/s"}}]},
        {"ingredient": [{"itemReference": {"reference": "#s"}}], "contained": [SUBSTANCE]},
    ],
    ids=["code", "ingredient included", "ingredient contained"],
)
def test_an_included_medication(reference, elements):
    """Section 9.7: a Medication that came with the search, however the reference is written."""
    found = order("", START) | {"medicationReference": {"reference": reference}}
    del found["medicationCodeableConcept"]
    included = {"resourceType": "Medication", "id": "7"} | elements
    assert sets_of(found, included, SUBSTANCE) == {"nutritional-vitd"}


def test_the_display_beside_an_included_medication():
    """Section 7: the reference's display is part of the name though the Medication is there, and so is the strength."""
    instruction = dosed("1", "capsule", weekly())
    told = {"reference": "Medication/7", "display": "ergocalciferol 50,000 unit capsule"}
    found = order("", START, dosageInstruction=instruction) | {"medicationReference": told}
    del found["medicationCodeableConcept"]
    included = {"resourceType": "Medication", "id": "7", "code": codings("2429", system="urn:oid:1.2.3")}
    (read_order,) = read(medications=[found, included]).medications
    assert (read_order.groups, str(read_order.dose.single)) == ({"d2"}, "50000")


def test_calcium_and_vitamin_d_told_apart():
    """Section 7: the name is all of them joined, so one ingredient each makes a calcium combination."""
    items = [{"itemCodeableConcept": {"text": text}} for text in ("calcium", "colecalciferol")]
    found = order("", START) | mixed(items[0], ingredient=items)
    del found["medicationCodeableConcept"]
    (read_order,) = read(medications=[found]).medications
    assert read_order.groups == {"d3", "combination"}


def test_an_unknown_drug_could_be_anything():
    """Section 9.7: a reference without resource or display closes G-DUP and G-AD."""
    found = order("", START) | {"medicationReference": {"reference": "Medication/404"}}
    del found["medicationCodeableConcept"]
    seen = ask(vitamin_d=[vitd("15")], magnesium=[mg("0.9")], medications=[found])
    assert seen.gates == {"G-AD", "G-DUP(D)", "G-DUP(Mg)"}
    assert seen.drugs == []


@for_each(
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


@for_each(("table", "key", "name"), [("exclusions", "routes", "Eye-drops"), ("calcium_with_d", "calcium", "wap*")])
def test_a_name_that_would_never_be_found(table, key, name):
    """A site's own name must be written as it is looked for, and go on only after four letters: otherwise no start."""
    names = engine().guidance.names
    damaged = names.changed(**{table: getattr(names, table).changed(**{key: (name,)})})
    with pytest.raises(GuidanceError, match=f"{table}.{key}"):
        terminology.load(damaged)
