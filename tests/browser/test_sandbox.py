"""The tutorial of the sandbox, followed in a browser: its ten steps, with the public sandbox, HAPI and the service."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import ADAM, BRUNO, CARLO, Chart
from tests.support import dstu2, json_server
from tests.support.fixtures import SERVICE, answer, situations
from tests.support.sandbox import FAILED, NO_DISCOVERY, Console, Sandbox, preflights
from tests.support.serving import Served, serving
from tests.web.calls import DISCOVERY, GOLDEN, KEYS, PATIENCE, TODAY, URL, drugs

pytestmark = pytest.mark.browser

MARKS = re.compile(r"\*\*|__|^#|^\s*[-*] |\[[^\]]*\]\(|&\w+;|\\|\|", re.MULTILINE)
"""Marks of markdown or HTML that should have become something else."""
Charts = Callable[[str], Chart]


@cache
def expected(situation: str) -> list[dict[str, Any]]:
    """The cards that the decision table expects of a situation, as the sandbox must show them.

    The sandbox reads what it prefetched as JavaScript does and writes it anew: 35.0 arrives as 35.
    """
    (found,) = [one.expected["cards"] for one in situations() if one.name == situation]
    return [card | {"summary": re.sub(r"(\d)\.0 ", r"\1 ", card["summary"])} for card in found]


MAGNESIUM, VITAMIN_D = (card["summary"] for card in expected(GOLDEN))


def last_answer(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """The cards of the last call, by summary."""
    call = [request for request in sandbox.calls if request.url.endswith(SERVICE)][-1]
    response = call.response()
    assert response is not None
    assert response.status == 200
    return {card["summary"]: card for card in response.json()["cards"]}


def stored(database: Path, card: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What is kept of a card: outcome, suggestion, code of the reason."""
    query = "SELECT outcome, suggestion, code FROM feedback WHERE card = ? ORDER BY outcome_at"
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query, (card["uuid"],)).fetchall()
    finally:
        connection.close()


def cut(part: Locator) -> bool:
    """Whether some of the text of an element is not to be seen."""
    return bool(
        part.evaluate(
            "(e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1"
            " || getComputedStyle(e).textOverflow === 'ellipsis'"
        )
    )


@pytest.fixture
def deficient(sandbox: Sandbox, served: Served, chart: Charts) -> Sandbox:
    """The chart of a new patient with low 25(OH)D and low magnesium, with the service added."""
    sandbox.open(chart(GOLDEN).id, served.url + DISCOVERY)
    sandbox.shows(MAGNESIUM, VITAMIN_D)
    return sandbox


def test_step_1_open(sandbox: Sandbox, served: Served, chart: Charts, console: Console) -> None:
    """Step 1: the chart opens with the patient's name; the service has not been called, and nobody complains of it."""
    patient = chart(GOLDEN)
    sandbox.open(patient.id)

    expect(sandbox.page.get_by_role("heading", level=2, name=patient.name)).to_be_visible()
    sandbox.shows()
    assert [call.url for call in sandbox.calls if call.url.startswith(served.url)] == []
    assert console.about(served.url) == []


@pytest.mark.parametrize("pasted", [DISCOVERY, f"{DISCOVERY}/"])
def test_step_2_add_service(sandbox: Sandbox, served: Served, chart: Charts, console: Console, pasted: str) -> None:
    """Step 2: the pasted discovery URL is taken, with a slash at its end or without, and the service is called."""
    sandbox.open(chart(GOLDEN).id)
    asked = preflights(sandbox.page)
    sandbox.add_service(served.url + pasted)

    expect(sandbox.page.get_by_role("dialog")).to_have_count(0)
    sandbox.shows(MAGNESIUM, VITAMIN_D)
    ours = [call.url for call in sandbox.calls if call.url.startswith(served.url)]
    assert ours == [f"{served.url}{pasted}", f"{served.url}{pasted}/{SERVICE}"]
    assert asked == ours, "a preflight before each"
    assert console.about(served.url) == []


def test_step_2_every_query_is_resolved(deficient: Sandbox) -> None:
    """Step 2: the sandbox resolves every prefetch query at HAPI, and sends what it found along."""
    (body,) = deficient.hooks("patient-view")

    assert set(body["prefetch"]) == set(KEYS)
    assert set(body["context"]) == {"patientId", "userId"}


def test_step_2_other_origin(sandbox: Sandbox, chart: Charts) -> None:
    """Step 2: a service that does not let in the sandbox's origin cannot be added, and the sandbox says so."""
    sandbox.open(chart(GOLDEN).id)
    with serving(as_of=TODAY, feedback=False, cors_origins=("https://ehr.example",)) as other:
        sandbox.add_service(other.url + DISCOVERY)

        expect(sandbox.page.get_by_text(NO_DISCOVERY)).to_be_visible(timeout=60_000)
    assert [call.failure for call in sandbox.calls if call.url.startswith(other.url)] == ["net::ERR_FAILED"]


def test_step_3_cards(deficient: Sandbox) -> None:
    """Step 3: each card shows its detail as markdown, a button for each suggestion, its links, and nothing is cut."""
    for summary, card in last_answer(deficient).items():
        shown = deficient.card(summary)
        buttons = shown.get_by_role("button")

        expect(shown.locator("strong")).to_have_count(1)
        labels = [suggestion["label"] for suggestion in card["suggestions"]]
        links = [link["label"] for link in card["links"]]
        expect(buttons).to_have_text([*labels, *links, "Dismiss", ""])
        assert not any(cut(button) for button in buttons.all())


def test_step_4_accept(deficient: Sandbox, database: Path, console: Console, served: Served) -> None:
    """Step 4: an accepted suggestion reaches the service; the card stays, and is quiet at the next opening."""
    card = last_answer(deficient)[VITAMIN_D]
    chosen = card["suggestions"][1]
    response = deficient.accept(VITAMIN_D, chosen["label"])

    assert response.status == 200
    assert stored(database, card) == [("accepted", chosen["uuid"], None)]
    deficient.shows(MAGNESIUM, VITAMIN_D)
    deficient.reload()
    deficient.shows(MAGNESIUM)
    assert console.about(served.url) == []


def test_step_5_override(deficient: Sandbox, database: Path, console: Console, served: Served) -> None:
    """Step 5: a reason of the menu is stored; its card goes, and is quiet when the chart is opened again."""
    card = last_answer(deficient)[MAGNESIUM]
    reasons = [f"Override: {reason['display']}" for reason in card["overrideReasons"]]
    menu = deficient.reasons(MAGNESIUM)
    expect(menu).to_have_text(reasons)
    assert not any(cut(item) for item in menu.all())
    deficient.page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    response = deficient.dismiss(MAGNESIUM, "Patient declines")

    assert response.status == 200
    assert stored(database, card) == [("overridden", None, "patient-refuses")]
    deficient.shows(VITAMIN_D)
    deficient.reload()
    deficient.shows(VITAMIN_D)
    assert console.about(served.url) == []


def test_step_6_dismiss(deficient: Sandbox, database: Path, console: Console, served: Served) -> None:
    """Step 6: a card that is dismissed without a reason is stored and goes, and is shown again at the next opening."""
    card = last_answer(deficient)[MAGNESIUM]
    response = deficient.dismiss(MAGNESIUM)

    assert response.status == 200
    assert stored(database, card) == [("overridden", None, None)]
    deficient.shows(VITAMIN_D)
    deficient.reload()
    deficient.shows(MAGNESIUM, VITAMIN_D)
    assert console.about(served.url) == []


def test_step_7_links(deficient: Sandbox, context: BrowserContext) -> None:
    """Step 7: each link opens its own address in another tab."""
    for summary, card in last_answer(deficient).items():
        for link in card["links"]:
            button = deficient.card(summary).get_by_role("button", name=link["label"], exact=True)
            with context.expect_event("request", lambda asked, url=link["url"]: asked.url == url):
                button.click()


def test_step_8_order_screens(deficient: Sandbox, served: Served, console: Console) -> None:
    """Step 8: the screens of orders ask at the order; a usual dose of D3 has no card; back in the chart they are."""
    deficient.screen("Rx View")
    deficient.page.locator("input[name=medication-input]").fill("cholecalciferol 1000")
    deficient.page.locator("form ul").get_by_role("button").first.click()
    deficient.shows()
    deficient.screen("Rx Sign")
    deficient.page.get_by_role("button", name="Sign Order").click()
    deficient.shows()
    deficient.screen("PAMA Imaging")
    deficient.shows()
    assert deficient.hooks("order-select")
    assert len(deficient.hooks("order-sign")) == 1
    deficient.screen("Patient View")

    deficient.shows(MAGNESIUM, VITAMIN_D)
    assert console.about(served.url) == []


def test_step_9_other_patient(deficient: Sandbox, served: Served, console: Console) -> None:
    """Step 9: each patient has their own cards; one whose results are in range has none, which is no error."""
    for patient in (CARLO, ADAM, BRUNO):
        deficient.change_patient(patient.name)
        deficient.shows(*(card["summary"] for card in expected(patient.situation)))

    opened = [body["context"]["patientId"] for body in deficient.hooks("patient-view")]
    expect(deficient.page.get_by_text('"cards": []')).to_be_visible()
    assert opened[-3:] == [CARLO.id, ADAM.id, BRUNO.id]
    assert console.about(served.url) == []


def test_step_10_reload(deficient: Sandbox, served: Served, console: Console) -> None:
    """Step 10: the browser remembers the service, the server and the patient: the same cards, with new identities."""
    before = last_answer(deficient)
    deficient.reload()
    deficient.shows(MAGNESIUM, VITAMIN_D)
    after = last_answer(deficient)

    assert {card["uuid"] for card in before.values()}.isdisjoint(card["uuid"] for card in after.values())
    assert console.about(served.url) == []


# The sandbox's own default: data of DSTU2.


def test_dstu2(page: Page, sandbox_url: str, served: Served, console: Console) -> None:
    """With results in the shapes of DSTU2 there are the same cards, but no drug: what is taken is not known."""
    with dstu2.serving("vitaminD", "magnesium", "chemistry", "kidney", "vitals") as fhir:
        sandbox = Sandbox(page, sandbox_url, fhir)
        sandbox.open(dstu2.PATIENT, served.url + DISCOVERY)
        expect(sandbox.cards).to_have_count(2, timeout=60_000)
        (body,) = sandbox.hooks("patient-view")
        cards = last_answer(sandbox).values()

    assert set(KEYS) - set(body["prefetch"]) == {"medications", "labOrders"}
    assert [card["source"]["topic"]["code"] for card in cards] == ["magnesium-low", "vitamin-d-deficiency"]
    assert drugs({"cards": list(cards)}) == frozenset()
    assert console.about(served.url) == []


def test_dstu2_without_results(page: Page, sandbox_url: str, served: Served, console: Console) -> None:
    """The sandbox's own default patient has neither result: no card, an answer of 200, no complaint."""
    with dstu2.serving() as fhir:
        sandbox = Sandbox(page, sandbox_url, fhir)
        sandbox.open(dstu2.PATIENT, served.url + DISCOVERY)
        expect(page.get_by_text('"cards": []')).to_be_visible(timeout=60_000)

    assert last_answer(sandbox) == {}
    assert console.about(served.url) == []


def test_dstu2_elsewhere(page: Page, sandbox_url: str) -> None:
    """The public server of DSTU2 is none that the service may ask: the cards are those of what was prefetched."""
    elsewhere = {"as_of": TODAY, "feedback": False, "fhir_servers": ("https://ehr.example/fhir",), **PATIENCE}
    with dstu2.serving("vitaminD", "magnesium") as fhir, serving(**elsewhere) as other:
        sandbox = Sandbox(page, sandbox_url, fhir)
        sandbox.open(dstu2.PATIENT, other.url + DISCOVERY)

        expect(sandbox.cards).to_have_count(2, timeout=60_000)


def test_error(page: Page, sandbox_url: str, served: Served) -> None:
    """Without a required result the sandbox says that there is no answer, beside its "No recommendations"."""

    def refusing(method: str, path: str) -> tuple[int, Any]:
        del method
        known = {
            "/metadata": {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"},
            "/Patient": {"resourceType": "Bundle"},
            "/Patient/x": {"resourceType": "Patient", "id": "x", "name": [{"given": ["A"], "family": "B"}]},
        }
        return (200, known[path]) if path in known else (403, {"resourceType": "OperationOutcome"})

    with json_server.serving(refusing) as fhir:
        sandbox = Sandbox(page, sandbox_url, fhir)
        sandbox.open("x", served.url + DISCOVERY)
        expect(page.get_by_text(FAILED)).to_be_visible(timeout=60_000)
        (call,) = [call for call in sandbox.calls if call.url == served.url + URL]
        response = call.response()

    sandbox.shows()
    assert response is not None
    assert response.status == 412


# Every card there is.


@cache
def every_card() -> list[dict[str, Any]]:
    """One of each summary among the cards of all situations."""
    found = {card["summary"]: card for situation in situations() for card in answer(situation).response["cards"]}
    return list(found.values())


def test_every_card_is_shown_whole(page: Page, sandbox_url: str) -> None:
    """No card of any situation is cut, shows a mark of markdown as it stands, or runs out of its frame."""
    services = [{"id": "all", "hook": "patient-view", "title": "All", "description": "All"}]

    def all_cards(method: str, path: str) -> tuple[int, Any]:
        del path
        return 200, {"services": services} if method == "GET" else {"cards": every_card()}

    with dstu2.serving() as fhir, json_server.serving(all_cards) as url:
        sandbox = Sandbox(page, sandbox_url, fhir)
        sandbox.open(dstu2.PATIENT, url + DISCOVERY)
        expect(sandbox.cards).to_have_count(len(every_card()), timeout=60_000)
        text = sandbox.cards.all_inner_texts()
        wide = sandbox.cards.locator("*").evaluate_all(
            "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map((e) => e.innerText)"
        )

    assert len(text) > 100
    assert wide == []
    assert [card for card in text if MARKS.search(card)] == []
