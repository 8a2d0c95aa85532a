"""The screens of orders in the public sandbox, Rx View and Rx Sign, with HAPI and the service.

In the build that is tested the drug field keeps what was typed; the sandbox's next call tells which drug it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Response, expect

from tests.browser.conftest import Chart
from tests.support.sandbox import Console, Sandbox
from tests.support.serving import Served
from tests.web.calls import DISCOVERY

pytestmark = pytest.mark.browser
Charts = Callable[[str], Chart]
DEFICIENT, KIDNEYS = "o6-calcitriol-for-deficiency", "o2a-ckd-g4"
"""25(OH)D 14 ng/mL with magnesium in range; eGFR 24."""
CALCITRIOL = "Calcitriol 0.00025 MG Oral Capsule"
ERGOCALCIFEROL = "Ergocalciferol 50000 UNT Oral Capsule"
MAGNESIUM = "Magnesium Oxide 400 MG Oral Capsule"
O6 = "Calcitriol does not refill vitamin D stores (25(OH)D 14 ng/mL): use D3 or D2, or record the indication."
O5 = "50,000 IU once a day is 50,000 IU of vitamin D a day: was once a week meant? Check the dose."
KIDNEY = "eGFR 24 on 2026-02-10"
O2A = f"Magnesium ordered with {KIDNEY}: it can accumulate. Avoid it, or guide it by levels with a specialist."


@pytest.fixture
def rx(sandbox: Sandbox, served: Served, chart: Charts, console: Console) -> Callable[[str, str], Sandbox]:
    """Opens the chart of a new patient on Rx View, with the service added, and chooses a drug."""
    del console

    def opened(situation: str, drug: str) -> Sandbox:
        sandbox.open(chart(situation).id, served.url + DISCOVERY)
        sandbox.screen("Rx View")
        choose(sandbox, drug)
        return sandbox

    return opened


def choose(sandbox: Sandbox, drug: str) -> None:
    """Type the name of a drug and click on it in the list."""
    sandbox.page.locator("input[name=medication-input]").fill(drug)
    sandbox.page.locator("form ul").get_by_role("button", name=drug, exact=True).click()


def take(sandbox: Sandbox, summary: str, label: str) -> Response:
    """Click on a suggestion; the answer to the call of order-select that follows it."""
    with sandbox.page.expect_response(
        lambda found: found.url.endswith("-order-select") and found.status == 200
    ) as found:
        sandbox.card(summary).get_by_role("button", name=label, exact=True).click()
    answered: Response = found.value
    return answered


def drafted(response: Response) -> dict[str, Any]:
    """The draft that a call was about."""
    body: Any = response.request.post_data_json
    (entry,) = body["context"]["draftOrders"]["entry"]
    found: dict[str, Any] = entry["resource"]
    return found


def test_suggestion_replaces_the_drug(rx: Callable[[str, str], Sandbox], served: Served, console: Console) -> None:
    """Calcitriol draws its card; the first suggestion puts our D3 in its place, and the second call is without it."""
    sandbox = rx(DEFICIENT, CALCITRIOL)
    sandbox.shows(O6)
    answered = take(sandbox, O6, "Replace with D3 2,000 IU daily")
    medication = drafted(answered)["medicationCodeableConcept"]

    assert medication["text"] == "cholecalciferol (vitamin D3) 2,000 IU oral"
    assert medication["coding"][0]["code"] == "2418"
    assert answered.json() == {"cards": []}
    sandbox.shows()
    assert console.about(served.url) == []


def test_remove_empties_the_draft(rx: Callable[[str, str], Sandbox], served: Served, console: Console) -> None:
    """50,000 IU once a day is asked about; "Remove this order" leaves a draft without a drug, and no card."""
    sandbox = rx(DEFICIENT, ERGOCALCIFEROL)
    sandbox.shows(O5)
    answered = take(sandbox, O5, "Remove this order")

    assert "medicationCodeableConcept" not in drafted(answered)
    assert answered.json() == {"cards": []}
    sandbox.shows()
    assert console.about(served.url) == []


def test_warning_is_said_again_at_signing(rx: Callable[[str, str], Sandbox], served: Served, console: Console) -> None:
    """Magnesium at an eGFR of 24 is warned of on Rx View and before signing; on the imaging screen nothing is said."""
    sandbox = rx(KIDNEYS, MAGNESIUM)
    sandbox.shows(O2A)
    sandbox.screen("Rx Sign")  # the order stays from screen to screen
    sandbox.page.get_by_role("button", name="Sign Order").click()
    sandbox.shows(O2A)
    (signed,) = sandbox.hooks("order-sign")
    sandbox.screen("PAMA Imaging")

    sandbox.shows()
    assert "selections" not in signed["context"]
    expect(sandbox.cards).to_have_count(0)
    assert console.about(served.url) == []
