"""The catalogue of cards: each card is built by a rule, worded, described, in order, and spoken of by a test."""

from __future__ import annotations

from cds_service.clinical.cards.catalogue import CATALOGUE
from tests.support.catalogue import display_order, forgotten
from tests.support.fixtures import ROOT


def test_nothing_is_forgotten():
    """Each card is in the catalogue, in `cards.toml`, in a rule, on a page, in the display order and in a test."""
    assert forgotten(ROOT) == []


def test_display_order_is_the_printed_one():
    """Section 18: the order of the catalogue is the one that is printed."""
    assert tuple(CATALOGUE) == display_order(ROOT)
    assert len(CATALOGUE) == 26
