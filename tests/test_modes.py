"""Which mode is in force, by hand: places, scopes, shares, and what is held where nothing is known."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.modes import (
    EVERYTHING_ON,
    ON,
    SERVICE,
    SILENT,
    Choice,
    Choices,
    InForce,
    Mode,
    Scope,
    place_of,
    read,
    read_or_silent,
    silenced,
)

OFF, HALF = Choice(Mode.OFF), Choice(Mode.SHARE, 50)
LOW, D = "magnesium-low", "vitamin-d-deficiency"
PATIENTS = 20_000


@pytest.mark.parametrize("text", ["on", "silent", "off", "share 50", "share 12.5"])
def test_written_and_read(text: str) -> None:
    """A mode is read as it is written."""
    assert str(read(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "On", "quiet", "share", "share x", "share 0", "share 100", "share nan", "share 99.99999", "on 5"],
)
def test_what_means_nothing(text: str) -> None:
    """What means nothing is refused where somebody can mend it, and is silent where it stands in a database."""
    with pytest.raises(ValueError, match=r"is no mode|a share is"):
        read(text)
    assert read_or_silent(text) == SILENT


@pytest.mark.parametrize(
    ("database", "registry", "settings", "expected"),
    [
        ({}, {}, {SERVICE: ON}, ON),
        ({}, {}, {SERVICE: SILENT}, SILENT),
        ({}, {}, {SERVICE: SILENT, Scope(topic=LOW): ON}, ON),
        ({}, {Scope("ehr"): SILENT}, {SERVICE: ON}, SILENT),
        ({}, {Scope("other"): SILENT}, {SERVICE: ON}, ON),
        ({}, {Scope("ehr"): SILENT, Scope("ehr", LOW): HALF}, {SERVICE: ON}, HALF),
        ({SERVICE: ON}, {Scope("ehr"): SILENT}, {SERVICE: SILENT}, ON),
        ({SERVICE: SILENT, Scope("ehr"): ON}, {}, {SERVICE: OFF}, ON),
        ({SERVICE: SILENT, Scope(topic=LOW): HALF, Scope("ehr"): ON}, {}, {SERVICE: ON}, HALF),
        ({Scope(topic=LOW): SILENT, Scope("ehr", LOW): ON}, {}, {SERVICE: ON}, ON),
        ({SERVICE: OFF, Scope(topic=LOW): ON}, {}, {SERVICE: ON}, OFF),
        ({Scope(topic=D): SILENT}, {}, {SERVICE: ON}, ON),
    ],
)
def test_order(database: dict, registry: dict, settings: dict, expected: Choice) -> None:
    """The database before the registry before the settings, then topic before client before service; off is off."""
    assert Choices((database, registry, settings)).of("ehr").of(LOW) == expected


def test_share_is_the_one_that_was_asked() -> None:
    """Of 20,000 patients the share that was asked sees cards, within one point; a larger share has all of a smaller."""
    digests = [hmac.new(b"a key", f"patient-{n}".encode(), hashlib.sha256).hexdigest()[:32] for n in range(PATIENTS)]
    before: set[str] = set()
    for percent in (10, 25, 50, 90):
        choice = Choice(Mode.SHARE, percent)
        shown = {digest for digest in digests if choice.shows(place_of(digest))}
        assert abs(100 * len(shown) / PATIENTS - percent) < 1
        assert before <= shown
        before = shown


def test_place_by_hand() -> None:
    """The place is the digest as a fraction: half of the patients are below 0.5."""
    assert [place_of(digit + "0" * 31) for digit in ("0", "8", "c")] == [0.0, 0.5, 0.75]
    assert [HALF.shows(place) for place in (0.0, 0.499, 0.5, None)] == [True, True, False, False]


@pytest.mark.parametrize(("choice", "shown"), [(ON, True), (SILENT, True), (HALF, True), (OFF, False)])
def test_critical_cards_that_stay(choice: Choice, shown: bool) -> None:  # noqa: FBT001 - of a table
    """Where the site says so a critical card is shown in spite of silence, never in spite of off; a warning is not."""
    force = InForce(choice, critical_stays=True)

    assert force.shows(LOW, "critical", None) is shown
    assert force.shows(LOW, "warning", None) is (choice == ON)


@given(st.sampled_from([ON, SILENT, OFF, HALF]), st.sampled_from([ON, SILENT, OFF, HALF]), st.floats(0, 1))
def test_nothing_new_is_shown_where_nothing_is_known(usual: Choice, own: Choice, place: float) -> None:
    """Held, no card is shown but a critical one that stays and was shown before; what was off is off."""
    force = InForce(usual, {LOW: own}, critical_stays=True)
    held = force.held()

    assert held.is_off == force.is_off
    for topic in (LOW, D):
        assert not held.shows(topic, "warning", place)
        assert force.shows(topic, "critical", place) or not held.shows(topic, "critical", place)


def test_who_loses_critical_cards() -> None:
    """A change is asked about only where fewer patients see critical cards than before."""
    silent = InForce(SILENT)

    assert silenced(EVERYTHING_ON, silent, [D, LOW]) == [D, LOW]
    assert silenced(EVERYTHING_ON, InForce(HALF), [LOW]) == [LOW]
    assert silenced(EVERYTHING_ON, InForce(ON, {LOW: SILENT}), [D, LOW]) == [LOW]
    assert silenced(EVERYTHING_ON, InForce(SILENT, critical_stays=True), [LOW]) == []
    assert silenced(silent, InForce(OFF), [LOW]) == []
    assert silenced(InForce(HALF), silent, [LOW]) == [LOW]
    assert silenced(silent, InForce(HALF), [LOW]) == []
    assert silenced(InForce(SILENT, critical_stays=True), InForce(OFF, critical_stays=True), [LOW]) == [LOW]
