"""The body of a feedback call (rows 150 to 163): read leniently, refused whole or taken whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from cds_service.errors import MalformedRequest, TooManyResources
from cds_service.fhir.bundle import UNREADABLE
from cds_service.hooks.messages import check_utf_8

MOST_ITEMS = 1000
LONGEST_ID = 200
LONGEST_SYSTEM = 500
LONGEST_COMMENT = 10_000
ACCEPTED, OVERRIDDEN = "accepted", "overridden"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
"""RFC 3339; its offset is looked at apart."""


class Item(NamedTuple):
    """What was done with one card. `suggestion` is the one that was accepted; several make several items.

    `outcome_at` is the client's word for when, in UTC. Of a comment it is kept only that there was one (row 163).
    """

    card: str
    outcome: str
    outcome_at: str
    suggestion: str | None = None
    system: str | None = None
    code: str | None = None
    commented: bool = False


class _Suggestion(msgspec.Struct):
    id: str


class _Coding(msgspec.Struct):
    code: str
    system: str | None = None


class _Override(msgspec.Struct):
    reason: _Coding | None = None
    userComment: str | None = None  # noqa: N815 - the specification's name


class _Item(msgspec.Struct):
    card: str
    outcome: str
    outcomeTimestamp: str  # noqa: N815 - the specification's name
    acceptedSuggestions: list[_Suggestion] | None = None  # noqa: N815 - the specification's name
    overrideReason: _Override | None = None  # noqa: N815 - the specification's name


class _Body(msgspec.Struct):
    feedback: list[_Item]


_DECODER = msgspec.json.Decoder(_Body)


def read_feedback(body: bytes) -> list[Item]:
    """The items in *body*, one for each card and accepted suggestion.

    Raises:
        MalformedRequest: something is wrong with one of them; then none counts.
        TooManyResources: there are more than are taken in one body.
    """
    check_utf_8(body)
    try:
        sent = _DECODER.decode(body).feedback
    except msgspec.ValidationError as error:
        message = f"The body is no feedback: {str(error).replace('`', '').replace('$', 'the body')}"
        raise MalformedRequest(message) from error
    except UNREADABLE as error:
        message = "The body is not valid JSON"
        raise MalformedRequest(message) from error
    if len(sent) > MOST_ITEMS:
        message = f"feedback has more than {MOST_ITEMS} items: send them in several bodies"
        raise TooManyResources(message)
    return [item for place, one in enumerate(sent) for item in _read(one, f"feedback[{place}]")]


def _read(one: _Item, where: str) -> list[Item]:
    _check(one.card, LONGEST_ID, f"{where}.card")
    when = _moment(one.outcomeTimestamp, f"{where}.outcomeTimestamp")
    if one.outcome == ACCEPTED:
        if not one.acceptedSuggestions:
            message = f"{where}: accepted needs acceptedSuggestions, each with an id"
            raise MalformedRequest(message)
        for place, suggestion in enumerate(one.acceptedSuggestions):
            _check(suggestion.id, LONGEST_ID, f"{where}.acceptedSuggestions[{place}].id")
        ids = dict.fromkeys(suggestion.id for suggestion in one.acceptedSuggestions)
        return [Item(one.card, ACCEPTED, when, suggestion=name) for name in ids]
    if one.outcome != OVERRIDDEN:
        message = f"{where}.outcome must be {ACCEPTED} or {OVERRIDDEN}"
        raise MalformedRequest(message)
    return [_overridden(one, when, where)]


def _overridden(one: _Item, when: str, where: str) -> Item:
    override = one.overrideReason
    if override is None:
        return Item(one.card, OVERRIDDEN, when)
    comment = (override.userComment or "").strip()
    if override.reason is None and not comment:
        message = f"{where}.overrideReason needs a reason, a userComment or both"
        raise MalformedRequest(message)
    if len(comment) > LONGEST_COMMENT:
        message = f"{where}.overrideReason.userComment is longer than {LONGEST_COMMENT} characters"
        raise MalformedRequest(message)
    if override.reason is None:
        return Item(one.card, OVERRIDDEN, when, commented=True)
    _check(override.reason.code, LONGEST_ID, f"{where}.overrideReason.reason.code")
    if override.reason.system is not None:
        _check(override.reason.system, LONGEST_SYSTEM, f"{where}.overrideReason.reason.system")
    return Item(
        one.card,
        OVERRIDDEN,
        when,
        system=override.reason.system,
        code=override.reason.code,
        commented=bool(comment),
    )


def _check(text: str, most: int, where: str) -> None:
    if not text.strip() or len(text) > most or "\x00" in text or not text.isprintable():
        message = f"{where} must be a text of 1 to {most} characters"
        raise MalformedRequest(message)


def _moment(text: str, where: str) -> str:
    """The moment in one spelling, so that a repeat is known: `Z`, `+00:00` and fractions of zero are the same."""
    message = f"{where} must be a UTC time such as 2026-03-02T08:15:30Z"
    if len(text) > LONGEST_ID or not TIMESTAMP.fullmatch(text):
        raise MalformedRequest(message)
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise MalformedRequest(message) from error
    if moment.utcoffset() != timedelta(0):
        raise MalformedRequest(message)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
