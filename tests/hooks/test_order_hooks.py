"""The services on order-select and order-sign: contexts, statuses, which drafts are judged, what is done to them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.errors import MalformedRequest, PrefetchUnavailable, WrongPatient
from cds_service.fhir.orders import Orders
from cds_service.hooks.card_json import CardWriter
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.record import Call
from cds_service.modes import ON, Choice, InForce, Mode
from tests.support.drafting import ask, body, bundle, cards, d3, draft, engine, lab, topics
from tests.support.for_each import for_each
from tests.support.patients import AS_OF, codings, d2, dosed, egfr, every, mg, order, vitd, weekly
from tests.support.patients import lab as result

LOW = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.90")]}
"""Deficient, magnesium in range: every gate is open."""
HIGH = {"magnesium": [mg("1.15")]}
DOSE, MAGNESIUM, ACTIVE = "order-vitamin-d-dose", "order-magnesium-high", "order-active-vitamin-d"
both = for_each("service", [SELECT, SIGN])
Json = dict[str, Any]


def first_resource(card: Json) -> Json:
    """The resource of the first action of a card."""
    found: Json = card["suggestions"][0]["actions"][0]["resource"]
    return found


# Discovery and envelope.


def discovered(**settings: Any) -> dict[str, Any]:
    """The services by their hooks, as discovery lists them."""
    services = msgspec.to_builtins(engine(**settings).registry.discovery())["services"]
    return {service["hook"]: service for service in services}


@for_each("service", [SELECT, SIGN])
@for_each("repeat", [every(1, 1, "min"), {"frequency": 1, "period": "NaN", "periodUnit": "d"}, {"count": "sNaN"}])
def test_draft_with_a_rhythm_that_cannot_be(repeat: dict[str, Any], service: str) -> None:
    """A draft taken each minute, or so often as no number says, is answered: its dose is unknown."""
    answer = engine().answer(service, body(service, bundle(d3("1000", repeat)), {"vitamin_d": [vitd("15")]}))

    assert answer.response["cards"] == []


def test_wrong_test_beside_a_result_that_cannot_be_used() -> None:
    """O11: 1,25(OH)2D is ordered, and of the 25(OH)D on file, which has no unit that is known, the card says so."""
    found = engine().answer(SELECT, body(SELECT, bundle(lab("62290-2")), {"vitamin_d": [vitd("14", unit="furlong")]}))
    (card,) = found.response["cards"]

    assert card["source"]["topic"]["code"] == "order-wrong-vitamin-d-test"
    assert "25(OH)D reported as `14 furlong` (2026-02-20): unknown unit." in card["detail"]


def test_discovery_lists_both_services():
    """Each has its own id and hook, and asks for what the service on patient-view asks for."""
    found = discovered()
    view, select, sign = found["patient-view"], found["order-select"], found["order-sign"]

    assert select["id"] == "vitamin-d-magnesium-order-select"
    assert sign["id"] == "vitamin-d-magnesium-order-sign"
    assert view["prefetch"] == select["prefetch"] == sign["prefetch"]
    for service in (select, sign):
        assert service["hook"] in service["usageRequirements"]


def test_patient_alone_may_be_advertised():
    """A setting asks for the Patient alone at order-select; the other keys are fetched where they are needed."""
    found = discovered(order_select_patient_alone=True)

    assert list(found["order-select"]["prefetch"]) == ["patient"]
    assert len(found["order-sign"]["prefetch"]) == 9


@both
@for_each("drafts", [None, [], "x", 5, {}, {"resourceType": "Patient"}, {"resourceType": 5}])
def test_drafts_that_are_no_bundle_are_refused(service: str, drafts: object):
    """Without a Bundle of drafts the call is malformed."""
    with pytest.raises(MalformedRequest, match="draftOrders"):
        engine().answer(service, body(service, drafts))


@both
def test_drafts_that_are_missing_are_refused(service: str):
    """The context needs draftOrders."""
    sent = json.loads(body(service, bundle()))
    del sent["context"]["draftOrders"]

    with pytest.raises(MalformedRequest, match="draftOrders"):
        engine().answer(service, json.dumps(sent).encode())


@for_each("member", ["userId", "patientId"])
def test_context_needs_patient_and_user(member: str):
    """The context needs both, as at patient-view."""
    sent = json.loads(body(SELECT, bundle()))
    del sent["context"][member]

    with pytest.raises(MalformedRequest, match=member):
        engine().answer(SELECT, json.dumps(sent).encode())


def test_other_hook_is_refused():
    """A call of order-sign at the address of order-select is refused."""
    with pytest.raises(MalformedRequest, match="order-select"):
        engine().answer(SELECT, body(SIGN, bundle()))


@both
@for_each("entries", [None, [], [None], [{}], [{"resource": None}], [{"resource": 5}], "x", [[]]])
def test_odd_entries_are_read_as_far_as_they_go(service: str, entries: object):
    """A Bundle without entries, and entries without a resource, are no error: no cards."""
    answer = engine().answer(service, body(service, {"resourceType": "Bundle", "type": 7, "entry": entries}))

    assert answer.response == {"cards": []}


@for_each("selections", [None, "x", [], {}, [7, None], ["MedicationRequest/elsewhere"]])
def test_selections_that_name_nothing_select_all(selections: object):
    """Without a selection that names an entry, every draft is judged."""
    assert topics(SELECT, d3("50000"), chart=LOW, context={"selections": selections}) == [DOSE]


@for_each(
    "name",
    ["d1", "MedicationRequest/d1", "https://ehr.example/fhir/MedicationRequest/d1", "MedicationRequest/d1/_history/2"],
)
def test_selection_may_be_spelled_in_several_ways(name: str):
    """A bare id, a relative and an absolute reference, and one of a version name a draft: the others are not judged."""
    drafts = (d3("50000"), draft("magnesium oxide", "d2"))

    assert topics(SELECT, *drafts, chart={**LOW, **HIGH}, context={"selections": [name]}) == [DOSE]


def test_only_what_is_not_read_is_selected():
    """A diet that is selected leaves no draft to judge."""
    diet = {"resourceType": "NutritionOrder", "id": "n1"}

    assert topics(SELECT, d3("50000"), diet, chart=LOW, context={"selections": ["NutritionOrder/n1"]}) == []


def test_signing_judges_every_draft():
    """order-sign has no selections: those that are sent change nothing."""
    assert topics(SIGN, d3("50000"), chart=LOW, context={"selections": ["x"]}) == [DOSE]


@both
@for_each("user", ["Patient/p1", "RelatedPerson/7"])
def test_patients_see_no_cards(service: str, user: str):
    """The wording is for clinicians."""
    assert topics(service, d3("50000"), chart=LOW, context={"userId": user}) == []


# Whose drafts, and what of the record is needed.


@both
@for_each("element", ["subject", "patient"])
def test_draft_of_another_patient_is_refused(service: str, element: str):
    """A draft for somebody else is refused, whatever drug it is for; the ids are not repeated."""
    other = draft("amlodipine", subject=None) | {element: {"reference": "Patient/somebody"}}

    with pytest.raises(WrongPatient) as caught:
        ask(service, other)
    assert "somebody" not in str(caught.value)


@both
def test_draft_without_a_subject_is_accepted(service: str):
    """It is the patient of the context's."""
    assert topics(service, d3("50000", subject=None), chart=LOW) == [DOSE]


@both
@for_each("prefetch", [{}, None, {"patient": None}, {"patient": 7}])
def test_patient_is_needed_for_a_draft_of_ours(service: str, prefetch: object):
    """Without the Patient a call about a draft of ours is refused; other keys may be missing."""
    with pytest.raises(PrefetchUnavailable, match="patient"):
        ask(service, d3("50000"), prefetch=prefetch)


@both
def test_other_keys_may_be_missing(service: str):
    """With the Patient alone, what the draft itself says is still said; no other drug or rhythm is offered."""
    person = {"patient": {"resourceType": "Patient", "id": "p1", "birthDate": "1980-06-15", "gender": "male"}}
    (card,) = cards(service, d3("50000"), prefetch=person)

    assert card["source"]["topic"]["code"] == DOSE
    assert [[action["type"] for action in one["actions"]] for one in card["suggestions"]] == [["delete"]]
    assert "25(OH)D results not available" in card["detail"]


class Untouchable:
    """Stands where the completer and the memory stand: nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@both
@for_each(
    "drafts",
    [
        (),
        (draft("amlodipine"),),
        ({"resourceType": "MedicationRequest", "id": "request-123", "status": "draft"},),
        ({"resourceType": "NutritionOrder", "id": "n1"}, {"resourceType": "DeviceRequest"}),
        (lab("2345-7"),),
        (draft("magnesium sulfate injectable solution"),),
    ],
)
def test_nothing_of_ours_reads_no_prefetch(service: str, drafts: tuple[Any, ...]):
    """Without a draft of ours prefetch may hold anything: it is not decoded, no server and no database is asked."""
    alone = replace(engine(), completer=Untouchable(), memory=Untouchable())

    answer = alone.answer(service, body(service, bundle(*drafts), prefetch={"patient": 7, "vitaminD": "x"}))

    assert answer.response == {"cards": []}
    assert answer.keys == ()


def test_why_nothing_was_read_is_explained():
    """A client that asks how an answer came about is told that no draft is ours."""
    explain = {"example.vitamin-d-magnesium.explain": True}
    told = ask(SELECT, draft("amlodipine"), extension=explain).response["extension"]

    (step,) = told["example.vitamin-d-magnesium.explain"]["steps"]
    assert (step["id"], step["fired"]) == ("DRAFTS", False)


def test_rows_and_exclusions_are_explained():
    """The trace names the rows that speak, and what they leave no room for."""
    chart = {"vitamin_d": [vitd("14")], "medications": [d2()]}
    ids = {step.id for step in ask(SELECT, d3("50000"), chart=chart).evaluation.trace}

    assert {"O5", "O5 > O7", "O5 > O8"} <= ids


@both
def test_chelating_drugs_and_tests_are_ours_while_selecting_alone(service: str):
    """What leads to infos alone is no business of signing."""
    found = ask(service, draft("levothyroxine"), lab("62292-8", "d2"))

    assert bool(found.keys) is (service == SELECT)


# Which drafts are judged.


@for_each("status", ["draft", "active", "on-hold", "unknown", "whatever", None, 5])
def test_any_other_status_is_judged(status: object):
    """Re-signing comes with another status; one that is missing or unreadable is a draft."""
    assert topics(SIGN, d3("50000", status=status), chart=LOW) == [DOSE]


@for_each("status", ["entered-in-error", "cancelled", "stopped", "completed", "revoked"])
def test_what_is_over_is_ignored(status: str):
    """It is no draft any more."""
    assert topics(SIGN, d3("50000", status=status), chart=LOW) == []


@for_each("elements", [{"intent": "option"}, {"doNotPerform": True}])
def test_what_is_not_to_be_done_is_ignored(elements: Json):
    """An option, and an order not to give it."""
    assert topics(SIGN, d3("50000") | elements, chart=LOW) == []


@for_each("element", ["id", "priorPrescription", "basedOn", "replaces"])
def test_what_is_being_written_is_not_also_there(element: str):
    """An order of the chart that the draft is, or names as what it follows, is no second product."""
    told: dict[str, Any] = {
        "id": {"id": "m1"},
        "priorPrescription": {"priorPrescription": {"reference": "MedicationRequest/m1"}},
        "basedOn": {"basedOn": [{"reference": "https://ehr.example/fhir/MedicationRequest/m1/_history/3"}]},
        "replaces": {"replaces": [{"reference": "m1"}]},
    }
    chart = {**LOW, "medications": [d2() | {"id": "m1"}]}
    written = d3("50000", weekly())

    assert topics(SIGN, written, chart=chart) == ["order-vitamin-d-duplicate"]
    assert topics(SIGN, written | told[element], chart=chart) == []


def test_test_based_on_a_drug_replaces_none():
    """25(OH)D ordered because of a running course leaves the course in the chart: it is too soon."""
    chart = {"vitamin_d": [vitd("24", day="2026-01-15")], "medications": [d2("2026-01-20") | {"id": "m1"}]}
    based = [{"reference": "MedicationRequest/m1"}]
    (card,) = cards(SELECT, lab("62292-8", basedOn=based), chart=chart)

    assert "Vitamin D was started on 2026-01-20" in card["summary"]


def test_drug_that_cannot_be_resolved_is_not_judged_and_closes_gates():
    """It could be any: no replacement is offered beside it."""
    unclear = draft("", "d2", medicationCodeableConcept=None, medicationReference={"reference": "Medication/7"})
    (card,) = cards(SELECT, d3("50000"), unclear, chart=LOW)

    assert [[action["type"] for action in one["actions"]] for one in card["suggestions"]] == [["delete"]]
    assert "could not be identified" in card["detail"]


@for_each("where", ["drafts", "record"])
def test_drug_is_resolved_among_the_drafts_and_in_the_record(where: str):
    """A Medication among the drafts, or included in the prefetched orders, names the drug of a draft."""
    named = {"resourceType": "Medication", "id": "7", "code": {"text": "ergocalciferol 50,000 IU"}}
    dosage = dosed("1", "capsule")
    by_reference = draft(
        "", medicationCodeableConcept=None, medicationReference={"reference": "Medication/7"}, dosageInstruction=dosage
    )
    sent = json.loads(body(SELECT, bundle(by_reference, *([named] if where == "drafts" else [])), LOW))
    if where == "record":
        sent["prefetch"]["medications"]["entry"] = [{"resource": named, "search": {"mode": "include"}}]
    found = engine().answer(SELECT, json.dumps(sent).encode()).response["cards"]

    assert [card["source"]["topic"]["code"] for card in found] == [DOSE]


@for_each("name", ["magnesium sulfate injection", "magnesium sulfate 2 g IV", "magnesium infusion"])
def test_magnesium_by_needle_is_not_judged(name: str):
    """It is another matter, given under watch."""
    assert topics(SIGN, draft(name), chart=HIGH) == []


def test_route_tells_what_is_given_by_needle():
    """So does the route's text."""
    assert (
        topics(SIGN, draft("magnesium sulfate", dosageInstruction=[{"route": {"text": "Intravenous"}}]), chart=HIGH)
        == []
    )
    assert topics(SIGN, draft("magnesium sulfate", dosageInstruction=[{"route": {"text": "oral"}}]), chart=HIGH) == [
        MAGNESIUM
    ]


@for_each(
    "name",
    ["multivitamin with magnesium", "prenatal vitamins with magnesium", "a 1 MG / b 2 MG / c 3 MG / magnesium 4 MG"],
)
def test_little_of_much_is_no_magnesium(name: str):
    """A product with a little of many things is never a magnesium draft."""
    assert topics(SIGN, draft(name), chart=HIGH) == []


# What is offered.


def test_update_keeps_what_it_does_not_change():
    """A replaced drug keeps id, status, reasons and notes of the draft; what belongs to the old drug goes."""
    note, reason = [{"text": "after breakfast"}], [{"text": "weak bones"}]
    was = draft(
        "calcitriol 0.25 mcg", status="active", note=note, reasonCode=reason, category={"text": "community"},
        substitution={"allowedBoolean": True}, intent="plan", identifier=[{"value": "17"}],
    )  # fmt: skip
    (card,) = cards(SELECT, was, chart=LOW)
    became = first_resource(card)

    assert {name: became[name] for name in ("id", "status", "intent", "note", "reasonCode", "identifier")} == {
        "id": "d1", "status": "active", "intent": "plan", "note": note, "reasonCode": reason,
        "identifier": [{"value": "17"}],
    }  # fmt: skip
    assert became["category"] == [{"text": "community"}]
    assert "substitution" not in became
    assert became["medicationCodeableConcept"]["coding"][0]["code"] == "2418"
    MedicationRequest.model_validate(became)


def test_route_is_text_and_coded():
    """A drug that is offered is by mouth, in words and by the code of a file that may be removed."""
    (card,) = cards(SELECT, draft("calcitriol 0.25 mcg"), chart=LOW)
    (coded,) = first_resource(card)["dosageInstruction"]

    assert coded["route"]["text"] == "oral"
    assert coded["route"]["coding"][0]["code"] == "26643006"


def test_codes_of_orders_may_be_removed():
    """Without that file route and category have their text alone."""
    guidance = engine().guidance
    alone = replace(engine(), writer=CardWriter(guidance, Orders(guidance, {})))
    (card,) = alone.answer(SELECT, body(SELECT, bundle(draft("calcitriol 0.25 mcg")), LOW)).response["cards"]

    assert first_resource(card)["dosageInstruction"][0]["route"] == {"text": "oral"}


def test_missing_intent_and_subject_are_mended():
    """The public sandbox leaves the intent out; an order is being edited, of the patient of the context."""
    sent = d3("50000", subject=None)
    del sent["intent"]
    (card,) = cards(SELECT, sent, chart=LOW)
    became = first_resource(card)

    assert (became["intent"], became["subject"]) == ("order", {"reference": "Patient/p1"})


def test_draft_that_would_stay_invalid_is_not_changed():
    """Where the change would make no valid FHIR, the card stays without it."""
    (card,) = cards(SELECT, d3("50000", unheardOf={"a": 1}), chart=LOW)

    assert [[action["type"] for action in one["actions"]] for one in card["suggestions"]] == [["delete"]]


@for_each("draft_id", [None, "no id", "x" * 65, 7])
def test_draft_without_an_id_is_not_changed(draft_id: Any):
    """The card is there, but nothing that needs the id."""
    (card,) = cards(SIGN, draft("magnesium oxide", draft_id), chart=HIGH | {"kidney": []})

    assert [[action["type"] for action in one["actions"]] for one in card["suggestions"]] == [["create"]]


def test_older_versions_are_only_removed():
    """What is not R4 gets neither a change nor an order of ours beside it."""
    dosage = [
        {
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "doseQuantity": {"value": 50000, "unit": "IU"},
        }
    ]
    sent = draft("cholecalciferol", dosageInstruction=dosage)
    for one in (sent, sent | {"resourceType": "MedicationOrder"}):
        (card,) = cards(SELECT, one, chart=LOW)
        assert [[action["type"] for action in each["actions"]] for each in card["suggestions"]] == [["delete"]]


def test_orders_of_ours_say_who_asks_and_where():
    """A test that is offered names encounter, requester and day where the context tells them, and is valid FHIR."""
    context = {"encounterId": "e7", "userId": "PractitionerRole/r1"}
    (card,) = cards(SIGN, draft("magnesium oxide"), chart=HIGH | {"kidney": []}, context=context)
    created = card["suggestions"][1]["actions"][0]["resource"]

    assert created["encounter"] == {"reference": "Encounter/e7"}
    assert created["requester"] == {"reference": "PractitionerRole/r1"}
    assert created["authoredOn"] == AS_OF.isoformat()
    assert created["category"][0]["text"] == "laboratory"
    assert created["category"][0]["coding"][0]["code"] == "108252007"
    assert (created["status"], created["intent"]) == ("draft", "proposal")
    ServiceRequest.model_validate(created)


@for_each("context", [{"encounterId": 7, "userId": "Device/1"}, {"encounterId": "no id"}, {}])
def test_what_the_context_does_not_tell_is_left_out(context: Json):
    """No encounter, and no requester who is none."""
    (card,) = cards(
        SIGN, draft("magnesium oxide"), chart=HIGH | {"kidney": []}, context={"userId": "Device/1"} | context
    )
    created = card["suggestions"][1]["actions"][0]["resource"]

    assert not {"encounter", "requester"} & created.keys()


def test_recommended_is_the_first_alone():
    """Of several suggestions the first is recommended; each begins with what changes the draft."""
    (card,) = cards(SELECT, draft("calcitriol 0.25 mcg"), chart=LOW)

    assert [one["isRecommended"] for one in card["suggestions"]] == [True, False, False]
    assert [one["label"] for one in card["suggestions"]] == [
        "Replace with D3 2,000 IU daily",
        "Replace with D3 50,000 IU weekly x 8",
        "Remove this order",
    ]


def test_binding_drugs_are_all_told_in_one_click():
    """Magnesium beside two drugs that bind it: the patient is told of both, and the topic does not come again."""
    chart = {"medications": [order("levothyroxine"), order("eltrombopag")]}
    (card,) = cards(SELECT, draft("magnesium oxide"), chart=chart)
    became = first_resource(card)
    told = became["dosageInstruction"][0]["patientInstruction"]

    assert "levothyroxine" in told
    assert "eltrombopag" in told
    assert topics(SELECT, became, chart=chart) == []


@for_each("beside", ["ab", "aab", "aaba"])
def test_copies_do_not_change_how_far_apart(beside: str):
    """O13: of drugs that are called the same and bind differently the first counts, however many copies there are."""
    texts = {"a": "ciprofloxacin 500 mg", "b": "ciprofloxacin with levothyroxine"}
    others = [draft(texts[kind], f"other-{number}") for number, kind in enumerate(beside)]
    (card,) = cards(SELECT, draft("magnesium oxide"), *others, context={"selections": ["d1"]})

    assert card["summary"] == "Ciprofloxacin binds magnesium: give it 2 h before or 6 h after magnesium."


def test_label_only_instruction_is_known_again():
    """Of a drug whose label has the interval, the sentence that was added silences the row too."""
    chart = {"medications": [order("penicillamine")]}
    (card,) = cards(SELECT, draft("magnesium oxide"), chart=chart)

    assert topics(SELECT, first_resource(card), chart=chart) == []


def test_rows_can_be_switched_off():
    """A row that is off is silent; others speak."""
    quiet = engine(order_rows_off=("O5",))
    sent = body(SIGN, bundle(d3("50000"), draft("magnesium oxide", "d2")), LOW | HIGH)
    found = quiet.answer(SIGN, sent).response["cards"]

    assert [card["source"]["topic"]["code"] for card in found] == [MAGNESIUM]


def test_topic_that_is_off_takes_no_place():
    """A card of a topic that is off takes no place of the maximum; a silent one does."""
    sent = body(SIGN, bundle(draft("magnesium oxide"), d3("50000", draft_id="d2")), LOW | HIGH)
    found = {
        mode: engine(max_cards=1).answer(SIGN, sent, Call(mode=InForce(ON, {MAGNESIUM: Choice(mode)})))
        for mode in (Mode.ON, Mode.SILENT, Mode.OFF)
    }

    assert {mode: [card.id for card in answer.evaluation.order_cards] for mode, answer in found.items()} == {
        Mode.ON: ["O1"], Mode.SILENT: ["O1"], Mode.OFF: ["O5"],
    }  # fmt: skip
    assert len(found[Mode.OFF].response["cards"]) == 1


def test_same_is_true_of_other_drafts():
    """One card a topic: it is about the first draft and names the others."""
    (card,) = cards(
        SIGN, d3("50000"), draft("ergocalciferol 50000 IU", "d2", dosageInstruction=dosed("50000", "[iU]")), chart=LOW
    )

    assert card["suggestions"][0]["actions"][0]["resourceId"] == "MedicationRequest/d1"
    assert "Also true of ergocalciferol" in card["detail"]


@for_each("judged", range(1, 8))
def test_each_of_many_is_judged_beside_the_others(judged: int):
    """O8: seven products of which only the doses differ: beside any of them are the six others, identical ones once."""
    doses = [2_000 + 100 * number for number in range(1, 8)]  # 16,800 in all
    drafts = [d3(str(iu), draft_id=f"d{number}") for number, iu in enumerate(doses, start=1)]
    (card,) = cards(SELECT, *drafts, d3("2100", draft_id="again"), context={"selections": [f"d{judged}"]})

    assert card["summary"].startswith("With cholecalciferol this makes 16,800 IU of vitamin D a day")
    assert card["suggestions"][0]["actions"][0]["resourceId"] == f"MedicationRequest/d{judged}"


def test_largest_of_the_others_is_named():
    """O8: of the others, some alike, the one of the most IU a day is named, whichever place it has."""
    doses = {"d1": "3000", "d2": "9000", "d3": "10000", "d4": "2500"}
    drafts = [d3(iu, draft_id=place) for place, iu in doses.items()]
    other = draft("ergocalciferol", "d5", dosageInstruction=dosed("8000", "[iU]", every(1, 1, "d")))
    first, *_ = cards(SELECT, *drafts, other, context={"selections": ["d3"]})

    assert first["summary"].startswith("With cholecalciferol this makes 32,500 IU of vitamin D a day")


@for_each(("others", "speaks"), [(("2000",), True), (("2000", "3000"), False)])
def test_what_is_a_high_dose_without_the_draft(others: tuple[str, ...], speaks: object):
    """O7: 3,000 IU make a high dose of 2,000, and not where another draft of the same 3,000 has made it one."""
    drafts = [d3("3000"), *(d3(iu, draft_id=f"other-{number}") for number, iu in enumerate(others))]
    told = topics(SELECT, *drafts, chart={"magnesium": []}, context={"selections": ["d1"]})

    assert ("order-high-dose-without-magnesium" in told) is speaks


@for_each(("others", "speaks"), [((), False), (("2000",), False), (("2000",) * 3, False), (("2000", "3000"), True)])
def test_one_of_several_that_are_the_same_is_no_other_product(others: tuple[str, ...], speaks: object):
    """O8: a draft of the same drug and dose is the same product, however often it is there; another dose is another."""
    drafts = [d3("2000"), *(d3(iu, draft_id=f"other-{number}") for number, iu in enumerate(others))]

    assert bool(topics(SELECT, *drafts, context={"selections": ["d1"]})) is speaks


@for_each(("day", "offered"), [("2026-03-02", 0), ("2026-05-20", 1)])
def test_own_test_is_not_under_way(day: str, offered: int):
    """O11: a draft that orders both forms of vitamin D becomes 25(OH)D, unless another draft is for that test."""
    both_forms = lab("62290-2", occurrenceDateTime="2026-03-02") | {"code": codings("62292-8", "62290-2")}
    (card,) = cards(SELECT, both_forms, lab("62292-8", "d2", occurrenceDateTime=day), context={"selections": ["d1"]})

    assert [one["actions"][0]["type"] for one in card["suggestions"]].count("update") == offered


def test_api_and_command_answer_by_hook():
    """A request that names an order hook is answered by its service."""
    answer = engine().answer_by_hook(body(SIGN, bundle(d3("50000")), LOW))

    assert [card["source"]["topic"]["code"] for card in answer.response["cards"]] == [DOSE]


def test_strength_from_the_name_is_told():
    """A dose that was read from the drug's name says so."""
    sent = draft("Ergocalciferol 50000 UNT Oral Capsule", dosageInstruction=dosed("1", "{pill}"))
    (card,) = cards(SELECT, sent, chart=LOW)

    assert "read from the drug's name" in card["detail"]


@for_each(
    ("chart", "reasons"),
    [
        ({"kidney": [egfr("25", "2025-11-01")]}, ["No usable magnesium result", "Kidneys: eGFR 25 on 2025-11-01"]),
        ({"kidney": [], "patient": {"birthDate": "1950-01-01"}}, ["Kidneys: age 76"]),
    ],
    ids=["O2a", "O2b"],
)
def test_each_test_beside_magnesium_has_its_own_reason(chart: Json, reasons: list[str]):
    """Creatinine is asked for because of the kidneys, the level because of magnesium."""
    (card,) = cards(SELECT, draft("magnesium oxide"), chart=chart)
    asked = [one["resource"] for one in card["suggestions"][-1]["actions"]]

    assert len(asked) == len(reasons)
    for test, reason in zip(asked, reasons, strict=True):
        assert test["reasonCode"][0]["text"].startswith(reason)


@for_each(
    ("name", "dose", "offered"),
    [
        ("cholecalciferol", ("50000", "[iU]"), True),
        ("cholecalciferol (vitamin D3) oral capsule", ("50000", "[iU]"), True),
        ("Ergocalciferol 50000 UNT Oral Capsule", ("1", "capsule"), True),
        ("ergocalciferol 1.25 MG (50,000 UNT) Oral Capsule", ("1", "capsule"), True),
        ("cholecalciferol 50,000 IU tablet", ("50000", "[iU]"), True),
        ("cholecalciferol 10000 UNT Oral Capsule", ("5", "capsule"), False),
        ("cholecalciferol 25,000 IU capsule", ("2", "capsule"), False),
        ("cholecalciferol 100,000 IU capsule", ("50000", "[iU]"), False),
        ("cholecalciferol 0.25 MG capsule", ("5", "capsule"), False),
        ("cholecalciferol 10000 UNT/ML Oral Solution", ("50000", "[iU]"), False),
        ("cholecalciferol 50,000 units per 5 mL", ("50000", "[iU]"), False),
        ("ergocalciferol oral drops", ("50000", "[iU]"), False),
        ("cholecalciferol 10000 capsule", ("50000", "[iU]"), False),
        ("cholecalciferol 10K capsule", ("50000", "[iU]"), False),
    ],
)
def test_weekly_rhythm_is_of_a_piece_of_50000_alone(name: str, dose: tuple[str, str], offered: object):
    """One capsule of another strength, or of a liquid, is another dose: the order is then only removed."""
    (card,) = cards(SELECT, draft(name, dosageInstruction=dosed(*dose)), chart=LOW)
    types = [action["type"] for one in card["suggestions"] for action in one["actions"]]

    assert types == (["update", "delete"] if offered else ["delete"])


def test_whole_blood_that_makes_the_stage_is_named():
    """O2a names it, not the older eGFR: 142 x 3.3333^-1.2 x 0.9938^45 = 25."""
    kidney = [egfr("20", "2025-11-01"), egfr("70", "2025-12-01"), result("38483-4", "3.0", "mg/dL", "2026-02-20")]
    (card,) = cards(SIGN, draft("magnesium oxide"), chart={"magnesium": [mg("0.9")], "kidney": kidney})

    assert "eGFR 25 from whole blood on 2026-02-20" in card["summary"]


def test_nothing_of_ours_costs_next_to_nothing():
    """A call about another drug takes few steps, counted in calls of functions; a card takes thousands of them."""
    sent = body(SELECT, bundle(draft("amlodipine 5 MG Oral Tablet", dosageInstruction=dosed("1", "{pill}"))))
    called = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal called
        del frame, argument
        called += event == "call"

    engine().answer(SELECT, sent)
    sys.setprofile(count)
    try:
        engine().answer(SELECT, sent)
    finally:
        sys.setprofile(None)

    assert called <= 100
