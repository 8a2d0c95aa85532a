"""What holds for every order that is being written (order hooks, part 10), whatever the chart."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import RequestError
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.service import Answer
from tests.properties import strategies as draw
from tests.properties.running import ENCODER, service, without_uuids
from tests.properties.strategies import Json, Setup, patients, setups

LOINC = "http://loinc.org"
URGENCIES = ("critical", "warning", "info")
DRUG_SOURCES = ("vitaminD", "magnesium", "chemistry", "kidney", "conditions", "medications")
DOSED = ("order-vitamin-d-dose", "order-high-dose-without-magnesium", "order-vitamin-d-duplicate")
HUGE: draw.Pool = [
    {"medicationCodeableConcept": named, "dosageInstruction": [dose.instruction()]}
    for named, dose in (
        (draw.D3_NAMED, draw.Dose(50_000, "IU")),
        (draw.D2_NAMED, draw.Dose(50_000, "IU", 2, 1, "wk")),
        (draw.D3_NAMED, draw.Dose(600_000, "IU", 1, 1, "a")),
    )
]
OFTEN: draw.Pool = [
    *HUGE,
    draw.named("calcitriol 0.25 mcg"),
    draw.named("magnesium citrate 200 mg"),
]
TESTS = ("62292-8", "1989-3", "62290-2", "19123-9", "2160-0", "17861-6")


def _drug(place: int, drug: Json, status: str | None) -> Json:
    found = {"resourceType": "MedicationRequest", "id": f"d{place}", "intent": "order", **drug}
    return found if status is None else {**found, "status": status}


def _lab(place: int, code: str, day: int | None) -> Json:
    found = {"resourceType": "ServiceRequest", "id": f"d{place}", "status": "draft", "intent": "order"}
    dated = {} if day is None else {"occurrenceDateTime": draw.ago(-day)}
    return {**found, "code": draw.concept(LOINC, code), **dated}


KINDS = st.one_of(
    st.tuples(st.just("drug"), st.sampled_from([*draw.DRUGS, *OFTEN * 4]), st.sampled_from(["draft", "active", None])),
    st.tuples(st.just("lab"), st.sampled_from(TESTS), st.sampled_from([None, 0, 40, 120])),
)
drafted = st.lists(KINDS, min_size=1, max_size=4).map(
    lambda drawn: [
        _drug(place, *told) if kind == "drug" else _lab(place, *told) for place, (kind, *told) in enumerate(drawn)
    ]
)
"""Drafts of one call."""


def ask(hook: str, asked: Json, drafts: list[Any], setup: Setup, selections: list[str] | None = None) -> Answer:
    """What a service of the order hooks answers about the patient of *asked*."""
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in drafts]}
    context = {**asked["context"], "draftOrders": bundle}
    if selections is not None:
        context["selections"] = selections
    body = {**asked, "hook": "order-select" if hook == SELECT else "order-sign", "context": context}
    return service(setup).answer(hook, ENCODER.encode(body))


def cards(hook: str, asked: Json, drafts: list[Any], setup: Setup, selections: list[str] | None = None) -> list[Json]:
    """Its cards."""
    found: list[Json] = ask(hook, asked, drafts, setup, selections).response["cards"]
    return found


def topic(card: Json) -> str:
    """The topic of a card."""
    code: str = card["source"]["topic"]["code"]
    return code


def suggestions(found: list[Json]) -> list[list[Json]]:
    """The actions of each suggestion of all cards."""
    return [one["actions"] for card in found for one in card.get("suggestions", ())]


def drug_changes(found: list[Json], drafts: list[Json]) -> int:
    """How many suggestions give a draft another drug or rhythm."""
    before = {one.get("id"): one for one in drafts}
    count = 0
    for actions in suggestions(found):
        for action in actions:
            if action["type"] != "update" or action["resource"]["resourceType"] != "MedicationRequest":
                continue
            became, was = action["resource"], before[action["resource"]["id"]]
            count += became.get("dispenseRequest") != was.get("dispenseRequest")
    return count


@given(patients, drafted, setups, st.sampled_from([SELECT, SIGN]))
def test_shape(asked: Json, drafts: list[Json], setup: Setup, hook: str) -> None:
    """Property 1 of the order hooks: three cards, no topic twice, no info at signing, and all short enough."""
    found = cards(hook, asked, drafts, setup)

    assert len(found) <= 3
    assert len({topic(card) for card in found}) == len(found)
    places = [URGENCIES.index(card["indicator"]) for card in found]
    assert places == sorted(places)
    for card in found:
        assert hook == SELECT or card["indicator"] != "info"
        assert len(card["summary"]) <= 139
        assert "…" not in card["summary"]
        assert 0 < len(card["detail"].split()) <= 90
        assert all(len(one["label"]) <= 80 for one in card.get("suggestions", ()))


@given(patients, drafted, setups)
def test_drugs_are_offered_only_where_all_is_known(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 2: no other drug or rhythm at a high or toxic 25(OH)D or a severe magnesium; never magnesium."""
    answer = ask(SELECT, asked, drafts, setup)
    found = answer.response["cards"]
    if answer.evaluation.vitamin_d in ("HIGH", "TOX") or answer.evaluation.magnesium == "SEV":
        assert drug_changes(found, drafts) == 0
    if any(key.source.value in DRUG_SOURCES and key.told not in ("prefetched", "known none") for key in answer.keys):
        assert drug_changes(found, drafts) == 0
    for actions in suggestions(found):
        for action in actions:
            if action["type"] == "create":
                assert action["resource"]["resourceType"] == "ServiceRequest"


@given(patients, drafted, setups)
def test_changes_are_of_a_judged_draft_and_come_first(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 3: what is deleted or updated is the draft that is judged; it stands first, and alone of its kind."""
    chosen = f"{drafts[0]['resourceType']}/{drafts[0]['id']}"
    for actions in suggestions(cards(SELECT, asked, drafts, setup, [chosen])):
        kinds = [action["type"] for action in actions]
        assert "create" not in kinds or kinds.index("create") == len([kind for kind in kinds if kind != "create"])
        assert len([kind for kind in kinds if kind != "create"]) <= 1
        for action in actions:
            if action["type"] == "delete":
                assert action["resourceId"] == chosen
            elif action["type"] == "update":
                assert f"{action['resource']['resourceType']}/{action['resource']['id']}" == chosen


@given(patients, drafted, setups)
def test_unknown_doses_are_not_judged(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 4: without the doses there is no word on them, and no drug suggestion that was not there before."""
    bare = [{name: value for name, value in one.items() if name != "dosageInstruction"} for one in drafts]
    before, after = cards(SELECT, asked, drafts, setup), cards(SELECT, asked, bare, setup)

    assert not {topic(card) for card in after} & set(DOSED)
    assert before or drug_changes(after, bare) == 0 or "order-active-vitamin-d" in map(topic, after)


@given(patients, drafted, setups, st.sampled_from(DRUG_SOURCES), st.sampled_from(["missing", "failed", "partial"]))
def test_what_is_missing_adds_no_drug(asked: Json, drafts: list[Json], setup: Setup, key: str, way: str) -> None:
    """Property 5: making a source unavailable or partial adds no other drug or rhythm."""
    prefetch = dict(asked["prefetch"])
    draw.fall_short(prefetch, key, way)

    assert drug_changes(cards(SELECT, {**asked, "prefetch": prefetch}, drafts, setup), drafts) == 0


@given(patients, drafted, setups)
def test_what_does_not_matter_changes_nothing(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 6: diets, devices, outcomes, and the same drafts on the server leave the answer as it is."""
    others = [{"resourceType": "NutritionOrder", "id": "n1"}, {"resourceType": "DeviceRequest"}, draw.OUTCOME]
    before = cards(SELECT, asked, drafts, setup)
    beside = cards(SELECT, asked, [*drafts, *others], setup)
    stored = [{**one, "status": "draft"} for one in drafts if one["resourceType"] == "MedicationRequest"]
    held = asked["prefetch"].get("medications")
    there = draw.changed(asked, medications=[*draw.entries(asked, "medications"), *stored])
    if isinstance(held, dict) and held.get("resourceType") == "Bundle" and "link" not in held:
        assert without_uuids({"cards": cards(SELECT, there, drafts, setup)}) == without_uuids({"cards": before})

    assert without_uuids({"cards": beside}) == without_uuids({"cards": before})


@given(patients, drafted, setups)
def test_signing_says_what_selecting_said(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 7: at signing the same is said as with every draft selected, less the infos."""
    selected, signed = cards(SELECT, asked, drafts, setup), cards(SIGN, asked, drafts, setup)
    urgent = [card for card in selected if card["indicator"] != "info"]

    assert without_uuids({"cards": signed}) == without_uuids({"cards": urgent})


@given(patients, drafted, setups)
def test_what_was_applied_is_not_said_again(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 8: the first suggestion settles its topic for that draft, where it changes it."""
    for card in cards(SELECT, asked, drafts, setup):
        actions = card.get("suggestions", [{"actions": []}])[0]["actions"]
        if not actions or actions[0]["type"] == "create":
            continue
        if actions[0]["type"] == "delete":
            place = actions[0]["resourceId"]
            left = [one for one in drafts if f"{one['resourceType']}/{one['id']}" != place]
        else:
            became = actions[0]["resource"]
            place = f"{became['resourceType']}/{became['id']}"
            left = [became if f"{one['resourceType']}/{one['id']}" == place else one for one in drafts]
        left += [action["resource"] for action in actions[1:]]
        again = cards(SELECT, asked, left, setup, [place]) if actions[0]["type"] == "update" else []

        assert topic(card) not in [topic(one) for one in again]


@given(patients, drafted, setups)
def test_a_test_is_offered_once(asked: Json, drafts: list[Json], setup: Setup) -> None:
    """Property 9: a LOINC code is offered by one card alone."""
    offered: set[str] = set()
    for card in cards(SELECT, asked, drafts, setup):
        codes = {
            action["resource"]["code"]["coding"][0]["code"]
            for one in card.get("suggestions", ())
            for action in one["actions"]
            if action["type"] == "create"
        }
        assert not codes & offered
        offered |= codes


WORDS = ("", "draft", "MedicationRequest", "d0", "calcitriol")
NAMES = ("text", "coding", "code", "reference", "repeat", "doseAndRate")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=6,
)
ELEMENTS = (
    "id", "status", "intent", "doNotPerform", "subject", "medicationCodeableConcept", "medicationReference",
    "contained", "dosageInstruction", "reasonCode", "priorPrescription", "basedOn", "code", "occurrenceDateTime",
    "occurrenceTiming",
)  # fmt: skip


@given(drafted, st.dictionaries(st.sampled_from(ELEMENTS), JSON, max_size=3), st.sampled_from([SELECT, SIGN]), JSON)
def test_any_resource_is_answered(drafts: list[Json], odd: Json, hook: str, selections: Any) -> None:
    """Property 10: whatever stands in a draft, the call is answered, or refused as one that can be mended."""
    asked = draw.request({**{key: [] for key in draw.KEYS}, "patient": {"birthDate": "1980-06-15", "gender": "male"}})
    try:
        answer = ask(hook, asked, [{**drafts[0], **odd}, odd, *drafts[1:]], draw.Setup(), selections)
    except RequestError:
        return

    assert "cards" in answer.response
