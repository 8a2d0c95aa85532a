"""The order screen over HTTP: the page, its question, and where it is not there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.fixtures import ROOT

PAGE, ANSWER = "/playground/orders", "/playground/orders/answer"
D3 = "cholecalciferol (vitamin D3) 2,000 IU oral"


def test_page_opens_with_an_order_and_its_card(client: FlaskClient):
    """Whoever opens it sees calcitriol for a deficient patient and the card about it; the playground links it."""
    html = client.get(PAGE).get_data(as_text=True)

    assert "Synthetic data only" in html
    assert re.findall(r'data-take="([^"]+)"', html) == [f"select/order-active-vitamin-d/{place}" for place in range(3)]
    assert f'href="{PAGE}"' in client.get("/").get_data(as_text=True)


def test_page_runs_nothing_but_its_own_script(client: FlaskClient):
    """The policy allows the script and the style of this service alone, and the page has none within it."""
    response = client.get(PAGE)
    html = response.get_data(as_text=True)

    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", html)
    for name in re.findall(r'(?:src|<link rel="stylesheet" href)="([^"]+)"', html):
        assert (ROOT / "cds_service" / "web" / name.strip("/")).is_file()


def test_taken_suggestion_is_shown_and_told(client: FlaskClient):
    """The answer has the changed draft, the form that shows it, and a sentence for who does not see it change."""
    parts = client.post(ANSWER, json={"taken": ["select/order-active-vitamin-d/0"]}).get_json()

    assert parts["form"] == {"order": "cholecalciferol", "dose": "2000", "interval": "daily"}
    assert D3 in parts["answer"]
    assert parts["said"] == f"Drafted: {D3}. No cards."


WRONG: list[Any] = [[], {"drafts": []}, {"form": {"order": 1}}, {"taken": ["x"] * 9}, {"situation": "nobody"}]


@pytest.mark.parametrize("question", WRONG)
def test_other_questions_are_refused(client: FlaskClient, question: Any):
    """What is no question of the page is 400, with a sentence."""
    refused = client.post(ANSWER, json=question)

    assert refused.status_code == 400
    assert refused.get_json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(("method", "path"), [("GET", PAGE), ("POST", ANSWER)])
def test_turned_off_it_is_not_there(method: str, path: str):
    """Without the playground it is 404, and nothing links it."""
    client = create_app(Settings(playground=False, feedback=False)).test_client()

    assert client.open(path, method=method, json={}).status_code == 404
    assert PAGE not in client.get("/docs").get_data(as_text=True)
