"""Browsers on other origins may call, as far as the settings say: real preflights of a real browser (row 179)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from tests.support import sandbox as sandboxes
from tests.support.sandbox import preflights
from tests.support.serving import Served, serving
from tests.web.calls import DISCOVERY, TODAY, URL, golden

pytestmark = pytest.mark.browser

CALL = """async ([url, method, body]) => {
    const headers = {Authorization: "Bearer not-a-token", ...(body && {"Content-Type": "application/json"})};
    const answer = await fetch(url, {method, headers, body: body && JSON.stringify(body)});
    return [answer.status, await answer.json(), answer.headers.get("X-Request-ID")];
}"""
"""A call as the public sandbox makes it: with a token also for discovery."""
Told = tuple[int, Any, str | None]


@pytest.fixture
def elsewhere(page: Page, tmp_path: Path) -> Iterator[Page]:
    """A page of another origin."""
    (tmp_path / "index.html").write_text("<!doctype html><title>An EHR</title>", encoding="utf-8")
    with sandboxes.serving(tmp_path) as url:
        page.goto(url)
        yield page


def call(page: Page, url: str, method: str = "GET", body: Any = None) -> Told:
    """Call from the page; what it may read of the answer."""
    status, answer, request_id = page.evaluate(CALL, [url, method, body])
    return status, answer, request_id


def test_other_origin_may_call_and_read(elsewhere: Page, served: Served):
    """From a local origin discovery, a call and feedback are each preceded by a preflight, and can be read."""
    asked = preflights(elsewhere)
    address = served.url + URL
    discovered = call(elsewhere, served.url + DISCOVERY)
    answered = call(elsewhere, address, "POST", golden())
    kept = call(elsewhere, f"{address}/feedback", "POST", {"feedback": []})

    assert discovered[1]["services"][0]["id"] == "vitamin-d-magnesium"
    assert len(answered[1]["cards"]) == 2
    assert kept[:2] == (200, {})
    assert all(request_id for _, _, request_id in (discovered, answered, kept))
    assert asked == [served.url + DISCOVERY, address, f"{address}/feedback"]


@pytest.mark.parametrize("path", [URL, "/cds-services/no-such-service", f"{URL}/feedback"])
def test_errors_can_be_read_too(elsewhere: Page, served: Served, path: str):
    """An error is no CORS fault: the page reads its status and its OperationOutcome."""
    status, body, _ = call(elsewhere, served.url + path, "POST", {"hook": "patient-view"})

    assert status in {400, 404}
    assert body["resourceType"] == "OperationOutcome"


def test_origin_that_may_not_call_reads_nothing(elsewhere: Page):
    """With another origin in the settings, the browser keeps every answer from the page."""
    with serving(as_of=TODAY, feedback=False, cors_origins=("https://ehr.example",)) as strict:
        for path, method, body in ((DISCOVERY, "GET", None), (URL, "POST", golden())):
            with pytest.raises(Error, match="Failed to fetch"):
                call(elsewhere, strict.url + path, method, body)
