"""Everybody can use the pages: no barrier that axe knows, at any width, in light and dark, with reduced motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.fixtures import ROOT
from tests.support.sandbox import Console
from tests.support.serving import Served

pytestmark = pytest.mark.browser
PAGES = [
    "/",
    "/playground/orders",
    "/docs",
    "/docs/reference/cards",
    "/docs/reference/profiles",
    "/docs/tutorial/quickstart",
    "/about",
    "/about/vitamin-d-deficiency",
    "/about/source-attributes",
    "/insights",
]
WIDTHS, PHONE = [360, 1600], 390
FINGER = 44
"""Pixels that a target has at least on a phone, in height."""
Scheme = Literal["light", "dark"]
ARTEFACTS = ROOT / ".cache" / "screenshots"
"""Where pictures of every page are kept, to be looked at."""
GRAVE = {"serious", "critical"}


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    """Light or dark."""
    found: Scheme = request.param
    return found


@pytest.fixture
def seen(chromium: Browser, scheme: Scheme, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page at a width, in a scheme, for somebody who wants no motion; it complains about nothing on the console."""
    context = chromium.new_context(
        viewport={"width": request.param, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    console = Console()
    console.listen(context)
    yield context.new_page()
    context.close()
    assert console.errors == []


def barriers(page: Page) -> list[str]:
    """What axe finds serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in violations
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def keep(page: Page, name: str, scheme: Scheme) -> None:
    """Keep a picture of the whole page."""
    size = page.viewport_size
    assert size is not None
    page.screenshot(
        path=ARTEFACTS / f"{name.strip('/').replace('/', '-')}-{size['width']}-{scheme}.png", full_page=True
    )


@pytest.mark.parametrize("seen", WIDTHS, indirect=True)
@pytest.mark.parametrize("path", PAGES)
def test_page_has_no_barrier(seen: Page, served: Served, scheme: Scheme, path: str):
    """Axe finds nothing serious, and nothing is wider than the screen; a picture of each page is kept."""
    seen.goto(f"{served.url}{path}")
    keep(seen, path if path != "/" else "playground", scheme)

    assert barriers(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("seen", [PHONE, 1280], indirect=True)
def test_report_is_whole(seen: Page, served: Served, scheme: Scheme):
    """The population report has no barrier and nothing cut off: what is wider than the screen can be moved."""
    seen.goto(f"{served.url}/docs/example-report")
    keep(seen, "population", scheme)
    cut_off = """[...document.querySelectorAll("body *")].filter((e) => e.scrollWidth > e.clientWidth + 1
        && getComputedStyle(e).overflowX === "hidden").map((e) => e.innerText)"""

    assert barriers(seen) == []
    assert seen.evaluate(cut_off) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("seen", WIDTHS, indirect=True)
def test_playground_with_everything_open_has_no_barrier(seen: Page, served: Served, scheme: Scheme):
    """With every part unfolded, a critical card, a refusal and a quiet topic on the page, axe finds nothing serious."""
    seen.goto(f"{served.url}/#situation=severe-hypomagnesaemia-with-deficiency")
    expect(seen.locator(".card.critical")).to_be_visible()
    seen.locator(".card", has=seen.locator("#card-vitamin-d-deficiency")).get_by_text("Dismiss").click()
    seen.get_by_role("button", name="Patient declines").last.click()
    expect(seen.locator(".quiet")).to_be_visible()
    seen.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    seen.locator("#search").fill("magnesium")
    keep(seen, "playground-unfolded", scheme)
    assert barriers(seen) == []
    seen.locator(".accept").first.click()
    expect(seen.get_by_role("dialog")).to_be_visible()
    keep(seen, "playground-order", scheme)
    assert barriers(seen) == []
    seen.keyboard.press("Escape")
    seen.locator("#pasted").fill("[]")
    seen.get_by_role("button", name="Use it").click()
    expect(seen.locator("#answer .refusal")).to_be_visible()

    assert barriers(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("seen", [1600], indirect=True)
def test_nothing_moves_for_who_wants_no_motion(seen: Page, served: Served):
    """With reduced motion no part of the page has a transition or an animation."""
    seen.goto(f"{served.url}/")
    moving = seen.evaluate(
        """() => [...document.querySelectorAll('*')].filter(one => {
            const style = getComputedStyle(one);
            return parseFloat(style.transitionDuration) || parseFloat(style.animationDuration);
        }).length"""
    )

    assert moving == 0


@pytest.mark.parametrize("seen", [PHONE], indirect=True)
@pytest.mark.parametrize("path", ["/", "/insights"])
def test_phone(seen: Page, served: Served, path: str):
    """On a phone the caution is one line, and with all unfolded each target is high enough for a finger."""
    seen.goto(f"{served.url}{path}")
    seen.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
    small = seen.evaluate(
        """finger => [...document.querySelectorAll('main :is(button, summary, select, input), nav a, .links a')]
            .filter(one => one.checkVisibility() && !one.matches('label input[type=checkbox], [type=file]'))
            .filter(one => one.getBoundingClientRect().height < finger)
            .map(one => one.outerHTML.slice(0, 90))""",
        FINGER,
    )

    assert small == []
    assert (
        seen.locator(".caution").evaluate("one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)") < 2
    )
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")
