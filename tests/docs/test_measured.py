"""How much there is to read: the page's numbers are those that are counted."""

from __future__ import annotations

from benchmarks import card_words
from tests.docs.test_docs_in_step import read
from tests.support.fixtures import ROOT


def test_recurring_words_are_counted():
    """Of two cards of four words each, with one line of two words in common, half of the words recur."""
    assert card_words.recurring(["low today\n\n- see below", "high today\n\n- see below"]) == 0.5
    assert card_words.count("- see below") == 2


def test_table_is_what_is_counted():
    """Each row of the table stands on the page as it is counted now."""
    page = read(ROOT / "docs" / "reference" / "cards" / "measured.md").splitlines()

    assert [row for row in card_words.table() if row not in page] == []
