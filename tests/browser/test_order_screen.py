"""The order screen in a real browser, on the running service, by the keyboard and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.sandbox import Console
from tests.support.serving import Served

pytestmark = pytest.mark.browser
D3 = "cholecalciferol (vitamin D3) 2,000 IU oral"


@pytest.fixture
def screen(page: Page, served: Served, console: Console) -> Iterator[Page]:
    """The screen, opened from the playground; whatever the test does, nothing is complained about on the console."""
    page.goto(f"{served.url}/")
    page.get_by_role("link", name="Order screen").click()
    expect(page.get_by_role("heading", name="1 card while it is written")).to_be_visible()
    yield page
    assert console.errors == []


def test_suggestion_is_taken_by_the_keyboard(screen: Page):
    """Enter on the first suggestion changes the draft and the form, takes the card away, and the focus stays there."""
    screen.get_by_role("button", name="Replace with D3 2,000 IU daily").focus()
    screen.keyboard.press("Enter")

    expect(screen.locator(".draft")).to_contain_text(D3)
    expect(screen.get_by_role("combobox", name="Order", exact=True)).to_have_value("cholecalciferol")
    expect(screen.get_by_label("Dose, in IU")).to_have_value("2000")
    expect(screen.get_by_role("heading", name="No card")).to_be_visible()
    expect(screen.locator("#answer")).to_be_focused()
    expect(screen.get_by_role("status")).to_have_text(f"Drafted: {D3}. No cards.")


def test_order_is_chosen_dosed_and_removed(screen: Page):
    """Drug, dose and interval are chosen; a dose that is none is not asked about; the draft can be removed."""
    screen.get_by_role("combobox", name="Order", exact=True).select_option("ergocalciferol")
    expect(screen.locator(".order-card.warning")).to_contain_text("was once a week meant?")
    screen.get_by_label("Dose, in IU").fill("some")
    screen.keyboard.press("Tab")
    expect(screen.locator(".order-card.warning")).to_be_visible()
    screen.get_by_label("Dose, in IU").fill("50000")
    screen.get_by_label("How often").select_option("weekly")
    expect(screen.get_by_role("heading", name="No card")).to_be_visible()
    screen.get_by_role("combobox", name="Order", exact=True).select_option("1-25-oh-d")
    expect(screen.get_by_label("How often")).to_be_hidden()
    expect(screen.locator(".order-card.info")).to_be_visible()
    screen.get_by_label("before it is signed").check()
    expect(screen.get_by_role("heading", name="No card before signing")).to_be_visible()
    screen.get_by_role("button", name="Remove the draft").click()

    expect(screen.get_by_role("heading", name="Nothing is drafted")).to_be_visible()


def test_screen_on_a_telephone_without_scripts(served: Served, chromium: Browser):
    """The first order and its card are in the page itself, and nothing is wider than a telephone."""
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 780})
    page = context.new_page()
    page.goto(f"{served.url}/playground/orders")

    expect(page.locator(".order-card.warning")).to_be_visible()
    box = page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] <= 360
    context.close()
