"""The playground in a real browser, on the running service."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.fixtures import FOLDER
from tests.support.sandbox import Console
from tests.support.serving import Served, serving
from tests.web.calls import GOLDEN, golden

pytestmark = pytest.mark.browser
SEVERE = "severe-hypomagnesaemia-with-deficiency"


@pytest.fixture
def playground(page: Page, served: Served, console: Console) -> Iterator[Page]:
    """The page, opened; whatever the test does, nothing is complained about on the console."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{served.url}/")
    yield page
    assert console.errors == []


def cards(page: Page) -> Locator:
    """The cards on the page."""
    return page.locator(".card")


def card(page: Page, topic: str) -> Locator:
    """The card of a topic."""
    return page.locator(".card", has=page.locator(f"#card-{topic}"))


def fragment(page: Page) -> str:
    """What the address says after its `#`."""
    return page.url.partition("#")[2]


def choose(page: Page, situation: str) -> None:
    """Open the chart of another patient: one of the eight, or one that is searched."""
    if not page.locator(f'[data-situation="{situation}"]').is_visible():
        page.locator("#search").fill(situation)
    page.locator(f'[data-situation="{situation}"]').click()


def settle(page: Page, part: str) -> None:
    """Wait until the address tells of a change."""
    page.wait_for_url(re.compile(re.escape(part)))


def test_open_and_done(playground: Page):
    """Whoever opens `/` sees the cards of a patient without doing anything more."""
    expect(cards(playground)).to_have_count(2)
    expect(playground.get_by_role("heading", name="Adam Brook")).to_be_visible()
    expect(playground.get_by_role("heading", level=3).first).to_contain_text("Magnesium 0.72 mmol/L")
    expect(playground.get_by_text("Synthetic data only.")).to_be_visible()


def test_first_card_is_there_without_scripts(served: Served, chromium: Browser):
    """The first patient's cards are in the page itself."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/")

    expect(page.locator(".card")).to_have_count(2)
    context.close()


def test_cards_follow_the_slider(playground: Page):
    """Dragging 25(OH)D over its cut takes the card away while the slider still moves; the number moves with it."""
    slider = playground.get_by_label("25(OH)D, nmol/L")
    slider.fill("120")

    expect(cards(playground)).to_have_count(1)
    expect(playground.get_by_label("25(OH)D (nmol/L)")).to_have_value("120")
    assert "vitaminD=120" in fragment(playground)


def test_slider_obeys_the_keyboard(playground: Page):
    """Without a mouse: the arrow keys move the slider, and the cards follow (0.72 down to 0.49 is severe)."""
    slider = playground.get_by_label("Magnesium, mmol/L")
    slider.focus()
    for _ in range(23):
        playground.keyboard.press("ArrowLeft")

    expect(card(playground, "magnesium-severe-low")).to_be_visible()
    expect(slider).to_be_focused()


def test_keyboard_alone_does_everything(playground: Page):
    """Without a mouse: find a patient, open an order and close it, dismiss a card with a reason, and undo that."""
    keyboard = playground.keyboard

    def reach(wanted: str) -> None:
        for _ in range(80):
            keyboard.press("Tab")
            if playground.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
                shown = playground.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert shown != "none", wanted
                return
        raise AssertionError(wanted)

    reach("#search")
    keyboard.type("thirteen years")
    expect(playground.locator("#found")).to_have_text("1 patient")
    reach('[data-situation="under-18-with-critical-magnesium"]')
    keyboard.press("Enter")
    expect(playground.locator(".card.critical")).to_be_visible()
    reach(".accept.primary")
    keyboard.press("Enter")
    dialog = playground.get_by_role("dialog", name="The order, as it would open")
    expect(dialog.get_by_text("draft (proposal)").first).to_be_visible()
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(playground.get_by_role("button", name="Undo")).to_be_focused()
    reach("#dismiss-under-18 > summary")
    keyboard.press("Enter")
    reach("#dismiss-under-18 [data-code]")
    keyboard.press("Enter")
    expect(card(playground, "under-18")).to_be_hidden()
    expect(playground.get_by_role("button", name="Undo").last).to_be_focused()
    keyboard.press("Enter")
    expect(card(playground, "under-18")).to_be_visible()


def test_no_result_is_not_a_normal_one(playground: Page):
    """Taking the magnesium away asks for one; giving it a value again brings its card back."""
    playground.get_by_role("group", name="Magnesium").get_by_label("no result").check()
    expect(card(playground, "magnesium-low")).to_have_count(0)
    settle(playground, "magnesium=none")
    playground.get_by_label("Magnesium (mmol/L)").fill("0.7")

    expect(card(playground, "magnesium-low")).to_be_visible()


def test_patient_is_chosen(playground: Page):
    """Another patient brings its own results, day and cards, and what was changed before is gone."""
    playground.get_by_label("25(OH)D (nmol/L)").fill("90")
    choose(playground, SEVERE)

    expect(cards(playground).first).to_have_class(re.compile("critical"))
    expect(playground.locator("[name=magnesium]")).to_have_value("0.45")
    settle(playground, SEVERE)
    assert "vitaminD" not in fragment(playground)


def test_person_treatment_and_guidance_can_be_changed(playground: Page):
    """Age, kidney function, treatment, profile and day each have their effect (R19, G-KID, R3, section 2, STALE)."""
    playground.get_by_text("Age, kidneys, treatment").click()
    playground.get_by_text("Guidance and day").click()
    playground.locator("[name=egfr]").fill("20")
    expect(card(playground, "magnesium-low").locator(".accept")).not_to_contain_text(["Magnesium 200 mg"])
    playground.locator("[name=egfr]").fill("")
    playground.locator("[name=therapy]").select_option("d2-weekly-20")
    expect(card(playground, "vitamin-d-resistance")).to_be_visible()
    playground.locator("[name=therapy]").select_option("")
    playground.locator("[name=age]").fill("9")
    expect(card(playground, "under-18")).to_be_visible()
    playground.get_by_role("button", name="As it was").click()
    expect(card(playground, "under-18")).to_have_count(0)
    playground.locator("[name=profile]").select_option("nam-2011")
    expect(card(playground, "vitamin-d-insufficiency")).to_be_visible()
    playground.locator("[name=asOf]").fill("2027-06-01")
    expect(card(playground, "vitamin-d-insufficiency")).to_have_count(0)


def test_link_brings_the_same_again(playground: Page, context: BrowserContext):
    """A copied link opens the same patient with the same changes in another window; it holds no record."""
    choose(playground, SEVERE)
    expect(playground.locator("[name=magnesium]")).to_have_value("0.45")
    playground.get_by_label("Magnesium (mmol/L)").fill("0.8")
    playground.get_by_text("Guidance and day").click()
    playground.locator("[name=profile]").select_option("nam-2011")
    settle(playground, "profile=nam-2011")
    playground.get_by_role("button", name="Copy link").click()
    link = playground.evaluate("navigator.clipboard.readText()")
    other = context.new_page()
    other.goto(link)

    expect(other.locator("[name=magnesium]")).to_have_value("0.8")
    expect(other.locator("[name=profile]")).to_have_value("nam-2011")
    expect(other.locator("#cards-title")).to_have_text(playground.locator("#cards-title").inner_text())
    assert "Patient" not in link


def test_accepting_opens_the_order(playground: Page, database: Path):
    """The order stands there as it would open, also as JSON; what an EHR sends is sent, and the card is quiet then."""
    found = card(playground, "magnesium-low")
    uuid = found.get_attribute("data-card")
    found.locator(".accept").click()
    order = playground.get_by_role("dialog")
    expect(order.get_by_role("definition").filter(has_text="Take 200 mg of elemental magnesium")).to_be_visible()
    expect(order.locator(".sent")).to_contain_text('"outcome":"accepted"')
    order.get_by_text("MedicationRequest as JSON").click()
    order.get_by_role("button", name="Copy").first.click()
    copied = json.loads(playground.evaluate("navigator.clipboard.readText()"))
    order.get_by_role("button", name="Close").click()

    assert (copied["resourceType"], copied["status"], copied["intent"]) == ("MedicationRequest", "draft", "proposal")
    expect(playground.locator(".quiet")).to_contain_text("Low magnesium: quiet until 30 March.")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select outcome from feedback where card = ?", (uuid,)).fetchall()
    assert rows == [("accepted",)]


def test_dismissed_card_goes_and_can_come_back(playground: Page):
    """A reason takes the card away and says until when; undo brings it back, also after the chart is opened again."""
    found = card(playground, "vitamin-d-deficiency")
    found.get_by_text("Dismiss").click()
    found.get_by_role("button", name="Patient declines").click()
    expect(cards(playground)).to_have_count(1)
    expect(playground.locator(".quiet")).to_contain_text("Vitamin D deficiency: quiet until 31 May.")
    playground.get_by_role("button", name="Undo: Vitamin D deficiency").click()
    expect(cards(playground)).to_have_count(2)
    playground.get_by_role("button", name="Open the chart again").click()

    expect(cards(playground)).to_have_count(2)
    expect(playground.locator(".quiet")).to_have_count(0)


def test_dismissed_without_a_reason(playground: Page):
    """Both cards go, are undone or come back with the next opening, and a new visit knows nothing of it."""
    for topic in ("magnesium-low", "vitamin-d-deficiency"):
        found = card(playground, topic)
        found.get_by_text("Dismiss").click()
        found.get_by_role("button", name="Without a reason").click()
        expect(found).to_be_hidden()
        expect(playground.locator(".gone")).to_contain_text("dismissed without a reason")
    playground.get_by_role("button", name="Open the chart again").click()
    expect(cards(playground)).to_have_count(2)
    playground.reload()

    expect(cards(playground)).to_have_count(2)


def test_links_of_a_card_open_apart(playground: Page):
    """The page of the topic and the sources open in a window of their own, and learn nothing of this page."""
    links = card(playground, "magnesium-low").get_by_role("link").all()
    places = [str(link.get_attribute("href")) for link in links]

    assert {(link.get_attribute("target"), link.get_attribute("rel")) for link in links} == {
        ("_blank", "noopener noreferrer")
    }
    assert places[0].startswith("/about/magnesium-low")
    assert all(place.startswith("https://") for place in places[1:])


def test_page_says_why(playground: Page):
    """Each card says why in words; folded, the steps are there, and one leads to its rule in the documentation."""
    why = card(playground, "magnesium-low").locator(".why")
    expect(why.get_by_text("Magnesium: 0.72 mmol/L of 2026-02-20: low.")).to_be_hidden()
    why.get_by_text("Why this card").click()
    expect(why.get_by_text("Magnesium: 0.72 mmol/L of 2026-02-20: low.")).to_be_visible()
    playground.get_by_text("Every step that applies").click()
    expect(playground.get_by_role("cell", name=re.compile("K-MGLOW, row 4"))).to_be_visible()
    playground.get_by_text("Every step, also those that do not apply").click()
    expect(playground.locator("#steps").get_by_role("row")).not_to_have_count(0)
    playground.get_by_role("link", name="M:K-MGLOW").first.click()

    expect(playground.locator("#k-mglow")).to_be_visible()


def test_results_are_drawn_with_the_bands(playground: Page):
    """Both results are one picture whose name tells their points; another profile has other bands."""
    told = "25(OH)D over time: 35.0 nmol/L on 2026-02-20; Magnesium over time: 0.72 mmol/L on 2026-02-20"
    plot = playground.get_by_role("img", name=told)
    expect(plot).to_be_visible()
    expect(plot.get_by_text("insufficient")).to_be_visible()
    playground.get_by_text("Guidance and day").click()
    playground.locator("[name=profile]").select_option("endocrine-2024")

    expect(plot.get_by_text("insufficient")).to_have_count(0)


def test_request_and_answer_are_those_of_the_service(playground: Page, served: Served):
    """What is copied as curl's body is answered by the service with the same summaries, changes and all."""
    playground.get_by_label("Magnesium (mmol/L)").fill("0.66")
    settle(playground, "magnesium=0.66")
    playground.get_by_text("On the wire").click()
    playground.locator("[data-copy=curl]").click()
    command = playground.evaluate("navigator.clipboard.readText()")
    answer = playground.request.post(
        f"{served.url}/cds-services/vitamin-d-magnesium",
        data=command.splitlines()[1],
        headers={"Content-Type": "application/json"},
    ).json()

    assert f" {served.url}/cds-services/vitamin-d-magnesium <<'JSON'" in command
    for one in answer["cards"]:
        expect(playground.locator("h3").filter(has_text=one["summary"])).to_have_count(1)
    assert "0.66" in answer["cards"][0]["summary"]


def test_own_request_is_pasted(playground: Page):
    """A pasted request is answered, can be changed, and is never in the address."""
    request = golden()
    request["prefetch"]["magnesium"]["entry"][0]["resource"]["valueQuantity"]["value"] = 0.61
    playground.get_by_text("Paste or drop your own").click()
    playground.locator("#pasted").fill(json.dumps(request))
    playground.get_by_role("button", name="Use it").click()

    expect(playground.locator("#card-magnesium-low")).to_contain_text("0.61")
    expect(playground.locator("[name=magnesium]")).to_have_value("0.61")
    playground.get_by_label("Magnesium (mmol/L)").fill("0.90")
    expect(playground.locator("#card-magnesium-low")).to_have_count(0)
    assert fragment(playground) == ""


def test_own_bundle_is_dropped(playground: Page, tmp_path: Path):
    """A file with a FHIR Bundle is read as the patient's record."""
    request = golden()
    entries = [{"resource": request["prefetch"]["patient"]}]
    for held in request["prefetch"].values():
        entries += held.get("entry", ()) if held["resourceType"] == "Bundle" else ()
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), encoding="utf-8")
    choose(playground, "normal-patient-no-card")
    expect(cards(playground)).to_have_count(0)
    playground.get_by_text("Paste or drop your own").click()
    playground.locator("#file").set_input_files(file)

    expect(cards(playground)).to_have_count(2)


def test_dropped_text_is_used(playground: Page):
    """What is dropped on the page is used like what is pasted."""
    transfer = playground.evaluate_handle(
        "text => { const data = new DataTransfer(); data.setData('text', text); return data; }",
        (FOLDER / SEVERE / "request.json").read_text(encoding="utf-8"),
    )
    playground.dispatch_event("body", "drop", {"dataTransfer": transfer})

    expect(card(playground, "magnesium-severe-low")).to_be_visible()


def test_what_cannot_be_read_is_explained(playground: Page):
    """A text that is no request shows what the service says of it, and the page can be used on."""
    playground.get_by_text("Paste or drop your own").click()
    playground.locator("#pasted").fill('{"hook": ')
    playground.get_by_role("button", name="Use it").click()
    expect(playground.locator("#answer").get_by_text("The body is not valid JSON").first).to_be_visible()
    choose(playground, GOLDEN)

    expect(cards(playground)).to_have_count(2)


def test_service_that_is_gone_is_told(page: Page):
    """When the service does not answer, the page says so in words."""
    with serving(feedback=False) as gone:
        page.goto(f"{gone.url}/")
        expect(page.locator(".card")).to_have_count(2)
    choose(page, SEVERE)

    expect(page.locator("#trouble")).to_be_visible()


def test_screen_readers_are_told(playground: Page):
    """A change that settled is announced in one sentence."""
    choose(playground, SEVERE)

    expect(playground.get_by_role("status").first).to_contain_text("2 cards. Critical: Magnesium 0.45")
