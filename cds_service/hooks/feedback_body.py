"""The body of a feedback call (rows 150 to 163): read leniently, refused whole or taken whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from cds_service.clinical.guidance_types import Feedback
from cds_service.errors import MalformedRequest, TooManyResources
from cds_service.fhir.bundle import UNREADABLE
from cds_service.hooks.answers import Uuid
from cds_service.hooks.messages import check_utf_8

Offers: TypeAlias = Mapping[str, frozenset[tuple[str, str]]]
"""The reasons that the cards of each topic offer, by system and code."""
MOST_ITEMS = 1000
"""In one body; each accepted suggestion is one. So many are written in a moment, and never half of them."""
LONGEST_ID = 200
LONGEST_SYSTEM = 500
LONGEST_COMMENT = 10_000
ACCEPTED, OVERRIDDEN = "accepted", "overridden"
OTHER = "other"
"""The code of a reason that the card did not offer: words of the client's own, which are not kept."""
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
"""RFC 3339; its offset is looked at apart."""


class CardOutcome(NamedTuple):
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


def offers(feedback: Feedback) -> Offers:
    """System and code of every reason that a card of each topic offers."""
    reasons = {name: (reason.system, reason.code) for name, reason in feedback.reason.items()}
    return {topic: frozenset(reasons[name] for name in entry.reasons) for topic, entry in feedback.topic.items()}


class AcceptedSuggestion(msgspec.Struct):
    """A suggestion that was accepted."""

    id: Uuid


class ReasonCode(msgspec.Struct):
    """A reason of those that the card offered."""

    code: str
    system: str | None = None


class GivenReason(msgspec.Struct, rename="camel"):
    """A reason, a comment or both."""

    reason: ReasonCode | None = None
    user_comment: Annotated[str, Meta(extra_json_schema={"maxLength": LONGEST_COMMENT})] | None = None


class FeedbackItem(msgspec.Struct, rename="camel"):
    """What was done with one card. Suggestions are needed where the outcome is `accepted`."""

    card: Uuid
    outcome: Annotated[str, Meta(extra_json_schema={"enum": [ACCEPTED, OVERRIDDEN]})]
    outcome_timestamp: Annotated[str, Meta(extra_json_schema={"format": "date-time", "description": "In UTC."})]
    accepted_suggestions: list[AcceptedSuggestion] | None = None
    override_reason: GivenReason | None = None


class FeedbackBody(msgspec.Struct):
    """The body of a feedback call."""

    feedback: Annotated[list[FeedbackItem], Meta(extra_json_schema={"maxItems": MOST_ITEMS})]


_DECODER = msgspec.json.Decoder(FeedbackBody)


def read_feedback(body: bytes) -> list[CardOutcome]:
    """The items in *body*, one for each card and accepted suggestion.

    Raises:
        MalformedRequest: something is wrong with one of them; then none counts.
        TooManyResources: there are more than are taken in one body.
    """
    check_utf_8(body)
    try:
        sent = _DECODER.decode(body).feedback
    except msgspec.ValidationError as error:
        raise MalformedRequest(
            f"The body is no feedback: {str(error).replace('`', '').replace('$', 'the body')}"
        ) from error
    except UNREADABLE as error:
        raise MalformedRequest("The body is not valid JSON") from error
    if sum(max(1, len(one.accepted_suggestions or ())) for one in sent) > MOST_ITEMS:
        raise TooManyResources(
            f"feedback has more than {MOST_ITEMS} items and accepted suggestions: send them in several bodies"
        )
    return [item for place, one in enumerate(sent) for item in _read(one, f"feedback[{place}]")]


def _read(one: FeedbackItem, where: str) -> list[CardOutcome]:
    _check(one.card, LONGEST_ID, f"{where}.card")
    when = _moment(one.outcome_timestamp, f"{where}.outcomeTimestamp")
    if one.outcome == ACCEPTED:
        if not one.accepted_suggestions:
            raise MalformedRequest(f"{where}: accepted needs acceptedSuggestions, each with an id")
        for place, suggestion in enumerate(one.accepted_suggestions):
            _check(suggestion.id, LONGEST_ID, f"{where}.acceptedSuggestions[{place}].id")
        ids = dict.fromkeys(suggestion.id for suggestion in one.accepted_suggestions)
        return [CardOutcome(one.card, ACCEPTED, when, suggestion=name) for name in ids]
    if one.outcome != OVERRIDDEN:
        raise MalformedRequest(f"{where}.outcome must be {ACCEPTED} or {OVERRIDDEN}")
    return [_overridden(one, when, where)]


def _overridden(one: FeedbackItem, when: str, where: str) -> CardOutcome:
    override = one.override_reason
    if override is None:
        return CardOutcome(one.card, OVERRIDDEN, when)
    comment = (override.user_comment or "").strip()
    if override.reason is None and not comment:
        raise MalformedRequest(f"{where}.overrideReason needs a reason, a userComment or both")
    if len(comment) > LONGEST_COMMENT:
        raise MalformedRequest(f"{where}.overrideReason.userComment is longer than {LONGEST_COMMENT} characters")
    if override.reason is None:
        return CardOutcome(one.card, OVERRIDDEN, when, commented=True)
    _check(override.reason.code, LONGEST_ID, f"{where}.overrideReason.reason.code")
    if override.reason.system is not None:
        _check(override.reason.system, LONGEST_SYSTEM, f"{where}.overrideReason.reason.system")
    return CardOutcome(
        one.card,
        OVERRIDDEN,
        when,
        system=override.reason.system,
        code=override.reason.code,
        commented=bool(comment),
    )


def _check(text: str, most: int, where: str) -> None:
    if not text.strip() or len(text) > most or "\x00" in text or not text.isprintable():
        raise MalformedRequest(f"{where} must be a text of 1 to {most} characters")


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
