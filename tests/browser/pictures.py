"""Take the pictures of the README and the tutorials anew: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import ADAM, FLAGS, program, put_patients_of_tutorial
from tests.browser.test_sandbox import MAGNESIUM, VITAMIN_D
from tests.browser.test_sandbox_orders import CALCITRIOL, choose
from tests.support import fhir_peers
from tests.support import sandbox as sandboxes
from tests.support.fixtures import ROOT
from tests.support.sandbox import Sandbox
from tests.support.serving import Served, serving
from tests.web.calls import DISCOVERY, PATIENCE, TODAY

FOLDER = ROOT / "docs" / "images"
LARGEST = 200_000
"""Bytes of one picture."""
QUALITY = 65


def main() -> None:
    """Take every picture; those of the sandbox where it, Java and Maven are there.

    Raises:
        SystemExit: there is no Chromium, or a picture is too large.
    """
    found = program()
    if found is None:
        sys.exit("Chromium is needed.")
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        database = f"sqlite:///{place}/feedback.sqlite3"
        served = stack.enter_context(serving(as_of=TODAY, feedback=True, database_url=database, **PATIENCE))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, sandboxes.OFFLINE])
        stack.callback(browser.close)
        of_playground(browser, served)
        of_report(browser, served)
        folder, reason = sandboxes.built(), fhir_peers.missing("java", "javac", "mvn")
        if folder is None or reason is not None:
            sys.stdout.write(f"Not of the sandbox: {reason or 'it is not built (make sandbox)'}\n")
            return
        fhir = stack.enter_context(fhir_peers.hapi())
        of_sandbox(browser, served, stack.enter_context(sandboxes.serving(folder)), fhir)


def of_playground(browser: Browser, served: Served) -> None:
    """The page as it opens, and how it looks in the dark, on a telephone."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-GB").new_page()
    page.goto(f"{served.url}/")
    expect(page.locator(".card")).to_have_count(2)
    take(page, FOLDER / "playground.jpg")
    small = browser.new_context(
        viewport={"width": 390, "height": 780}, color_scheme="dark", locale="en-GB", device_scale_factor=1.5
    ).new_page()
    small.goto(f"{served.url}/#situation=severe-hypomagnesaemia-with-deficiency")
    expect(small.locator(".card.critical")).to_be_visible()
    take(small, FOLDER / "playground-telephone.jpg")
    page.goto(f"{served.url}/playground/orders")
    expect(page.locator(".order-card")).to_be_visible()
    take(page, FOLDER / "order-screen.jpg")


def of_report(browser: Browser, served: Served) -> None:
    """The population report on the made-up patients, wide and on a telephone."""
    page = browser.new_context(viewport={"width": 1100, "height": 1250}, locale="en-GB").new_page()
    page.goto(f"{served.url}/docs/example-report")
    take(page, FOLDER / "population.jpg")
    small = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="en-GB", device_scale_factor=1.5
    ).new_page()
    small.goto(f"{served.url}/docs/example-report")
    take(small, FOLDER / "population-telephone.jpg")


def of_sandbox(browser: Browser, served: Served, url: str, fhir: str) -> None:
    """The cards in the sandbox, and its menu of reasons."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-GB").new_page()
    sandbox = Sandbox(page, url, fhir)
    put_patients_of_tutorial(fhir)
    sandbox.open(ADAM.id, served.url + DISCOVERY)
    sandbox.shows(MAGNESIUM, VITAMIN_D)
    sandbox.hide_panel()
    take(page, FOLDER / "sandbox-cards.jpg")
    sandbox.reasons(VITAMIN_D)
    take(page, FOLDER / "sandbox-reasons.jpg")
    page.keyboard.press("Escape")
    sandbox.screen("Rx View")
    choose(sandbox, CALCITRIOL)
    expect(sandbox.cards).to_have_count(1)
    page.evaluate("scrollTo(0, 300)")
    take(page, FOLDER / "sandbox-order.jpg")


def take(page: Page, file: Path) -> None:
    """Take a picture of what is on the screen."""
    page.mouse.move(0, 0)
    picture = page.screenshot(animations="disabled", caret="hide", type="jpeg", quality=QUALITY)
    if len(picture) > LARGEST:
        sys.exit(f"{file.name} has {len(picture)} bytes, more than {LARGEST}")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(picture)
    sys.stdout.write(f"{file.relative_to(ROOT)}: {len(picture)} bytes\n")


if __name__ == "__main__":
    main()
