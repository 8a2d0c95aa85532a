"""The public CDS Hooks sandbox, built from its own repository: served on this machine, and what one clicks there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, Request, Response, expect

from tests.support import json_server

ROOT = Path(__file__).resolve().parents[2]
BUILD = "SANDBOX_BUILD"
"""Environment variable: the folder of a built sandbox, the one with its `index.html`."""
MADE = ROOT / ".cache" / "sandbox" / "build"
"""Where `make sandbox` puts it."""

PATIENCE = 60_000
"""Milliseconds: a busy machine should not end a test."""
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
"""Nothing but this machine. Not `page.route()`: while it intercepts, Chromium sends no CORS preflight."""
NOTHING = "No recommendations to display"
NO_DISCOVERY = "Failed to connect to the discovery endpoint. See console for details."
FAILED = "Could not get a response from the CDS Service"
"""What the panel of the developer shows for an answer that is not 2xx, and where CORS keeps one from the page."""


def built() -> Path | None:
    """The folder of the built sandbox; `None` where there is none."""
    folder = Path(os.environ.get(BUILD) or MADE)
    return folder if (folder / "index.html").is_file() else None


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Standard error stays clean."""
        del format, args


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of a file is no news."""
        del request, client_address


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files in *folder* on a free port of this machine; their base URL."""
    with json_server.running(_Server(("127.0.0.1", 0), partial(_Files, directory=str(folder)))) as url:
        yield url


@dataclass
class Console:
    """What the pages of a browser complained about: errors on the console, and exceptions that nobody caught."""

    errors: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        """Write down what the pages of *context* complain about from now on."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self._thrown(error.error))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _thrown(self, error: Error) -> None:
        self.errors.append(f"not caught: {error}")

    def about(self, url: str) -> list[str]:
        """The complaints that have to do with *url*, and the exceptions, which have to do with anything."""
        return [text for text in self.errors if url in text or text.startswith("not caught: ")]


@dataclass
class Sandbox:
    """The sandbox in a page, with its FHIR server, and the calls it made."""

    page: Page
    url: str
    fhir: str
    calls: list[Request] = field(default_factory=list)
    """The calls of CDS services that were answered or failed, in their order; preflights are not among them."""

    def __post_init__(self) -> None:
        """Write down the calls from the beginning."""
        self.page.set_default_timeout(PATIENCE)
        for event in ("requestfinished", "requestfailed"):
            self.page.on(event, self._called)

    def _called(self, request: Request) -> None:
        if "/cds-services" in request.url and request.method != "OPTIONS":
            self.calls.append(request)

    def hooks(self, name: str) -> list[Any]:
        """The bodies of the calls of a hook."""
        bodies = [request.post_data_json for request in self.calls if request.method == "POST"]
        return [body for body in bodies if body and body.get("hook") == name]

    # Getting there.

    def open(self, patient: str, *services: str, **more: str) -> None:
        """Open the chart of *patient* by a deep link, with the services at these discovery URLs."""
        asked = {"fhirServiceUrl": self.fhir, "patientId": patient, **more}
        if services:
            asked["serviceDiscoveryURL"] = ",".join(services)
        self.page.goto(f"{self.url}/?{urlencode(asked)}")
        self.ready()

    def reload(self) -> None:
        """Come back without any parameters: all that is known is what the browser kept."""
        self.page.goto(f"{self.url}/")
        self.ready()

    def ready(self) -> None:
        """Wait until the chart is there."""
        expect(self.page.get_by_role("heading", level=1).first).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator(".MuiBackdrop-root:visible")).to_have_count(0, timeout=PATIENCE)

    def screen(self, name: str) -> None:
        """Go to another screen: Patient View, Rx View, Rx Sign or PAMA Imaging."""
        self.page.locator("header").get_by_role("button", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", level=1, name=name.removesuffix(" Imaging"))).to_be_visible()

    # The gear menu.

    def gear(self, item: str) -> Locator:
        """Choose *item* of the gear menu; the dialogue it opens."""
        self.page.locator("header button").last.click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()
        dialogue = self.page.get_by_role("dialog")
        expect(dialogue).to_be_visible()
        return dialogue

    def add_service(self, discovery: str) -> None:
        """Paste a discovery URL, and save; whether it was accepted shows in the dialogue being gone."""
        dialogue = self.gear("Add CDS Services")
        dialogue.get_by_role("textbox").fill(discovery)
        dialogue.get_by_role("button", name="Save").click()

    def change_patient(self, name: str) -> None:
        """Choose the patient of this name from the list, which holds the first page of the FHIR server's patients."""
        dialogue = self.gear("Change Patient")
        dialogue.get_by_role("textbox").fill(name)
        self.page.locator("[id*=-option-]").filter(has_text=re.compile(f"^{re.escape(name)},")).click()
        dialogue.get_by_role("button", name="Save").click()
        expect(self.page.locator("h2").filter(has_text=name)).to_be_attached(timeout=PATIENCE)
        dialogue.get_by_role("button", name="Cancel").click()  # the chart has changed, and the dialogue stays open
        expect(dialogue).to_have_count(0)

    # Cards.

    @property
    def cards(self) -> Locator:
        """The cards that are shown."""
        return self.page.locator(".MuiCard-root")

    def card(self, summary: str) -> Locator:
        """The card with this summary."""
        return self.cards.filter(has=self.page.get_by_text(summary, exact=True))

    def shows(self, *summaries: str) -> None:
        """Wait until these cards are shown, in this order, and no others."""
        if summaries:
            heads = self.cards.locator("p.MuiTypography-root:first-child")
            expect(heads).to_have_text(list(summaries), timeout=PATIENCE)
        else:
            expect(self.page.get_by_text(NOTHING)).to_be_visible(timeout=PATIENCE)
            expect(self.cards).to_have_count(0)

    def accept(self, summary: str, label: str) -> Response:
        """Click on a suggestion; what the service answers to the feedback."""
        with self._feedback() as answered:
            self.card(summary).get_by_role("button", name=label, exact=True).click()
        found: Response = answered.value
        return found

    def reasons(self, summary: str) -> Locator:
        """Open the menu of the reasons to dismiss a card; its items."""
        self.card(summary).get_by_role("button", name="select dismiss reason").click()
        items = self.page.get_by_role("menuitem")
        expect(items.first).to_be_visible()
        return items

    def dismiss(self, summary: str, reason: str | None = None) -> Response:
        """Dismiss a card, for a reason of its menu or for none; what the service answers to the feedback."""
        if reason is None:
            button = self.card(summary).get_by_role("button", name="Dismiss", exact=True)
        else:
            button = self.reasons(summary).filter(has_text=reason)
        with self._feedback() as answered:
            button.click()
        expect(self.card(summary)).to_have_count(0)
        found: Response = answered.value
        return found

    def hide_panel(self) -> None:
        """Leave the chart alone on the screen, at its beginning."""
        self.page.get_by_role("button", name="CDS Developer Panel").click()
        self.page.evaluate("scrollTo(0, 0)")

    def _feedback(self) -> Any:
        return self.page.expect_response(
            lambda response: response.url.endswith("/feedback") and response.request.method == "POST"
        )


def preflights(page: Page) -> list[str]:
    """The addresses that Chromium asks by OPTIONS whether it may call them, from now on, in their order.

    The protocol for developers tells of them; Playwright's own events leave them out.
    """
    found: list[str] = []

    def sent(event: dict[str, Any]) -> None:
        if event["request"]["method"] == "OPTIONS":
            found.append(event["request"]["url"])

    session = page.context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", sent)
    session.send("Network.enable")
    return found
