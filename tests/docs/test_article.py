"""The reference article, sentence by sentence: each stands on a page, by the phrase that the coverage table names."""

from __future__ import annotations

import html
import re

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.docs.test_docs_in_step import DOCS, read, words
from tests.support.for_each import for_each

ROWS = re.findall(
    r'^\| (S\d+) \| .+ \| "(.+)" \| `(/about/[a-z0-9-]+)` \|$', read(DOCS / "explanation" / "article.md"), re.MULTILINE
)


def test_every_sentence_is_there():
    """The table has S1 to S41, each once; S42 has no clinical content."""
    assert [name for name, _, _ in ROWS] == [f"S{number}" for number in range(1, 42)]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """The service."""
    return create_app(Settings(feedback=False)).test_client()


@for_each(("name", "phrase", "page"), ROWS, ids=[name for name, _, _ in ROWS])
def test_sentence_stands_on_its_page(client: FlaskClient, name: str, phrase: str, page: str):
    """The page of that address has the phrase."""
    shown = client.get(page)

    assert shown.status_code == 200, name
    assert phrase in words(html.unescape(re.sub(r"<[^>]+>", "", shown.get_data(as_text=True)))), name
