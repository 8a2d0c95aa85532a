"""Feedback from outside (conformance rows 150 to 163): what is taken, what is refused, what is kept."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from cds_service.store.tables import CARD, FEEDBACK
from tests.feedback.hospital import (
    FEEDBACK_URL,
    HL7,
    OWN,
    URL,
    WHEN,
    Hospital,
    Json,
    accepted,
    card,
    cards_of,
    chart,
    everything,
    hospital,
    overridden,
    rows,
    topics,
)
from tests.support.for_each import for_each
from tests.support.patients import mg, vitd
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import problem

UNKNOWN = "5b0e0a3c-6a5e-4d31-9d0b-1f0f6a7c2b11"
SUGGESTION = "0d5f3a86-0f8e-4e2f-b8a3-3a4f4f0f5c22"
MARK = "Zebra-Mustermann-0815"
"""A text that is nowhere else."""
DEFICIENT: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.90")]}
D = "vitamin-d-deficiency"
MEMBERS = ("card", "outcome", "suggestion", "system", "code", "commented")


def kept(service: Hospital) -> list[tuple[Any, ...]]:
    """What is kept of feedback, but for moments and digests."""
    return [tuple(row[name] for name in MEMBERS) for row in rows(service.url, FEEDBACK)]


def refused(service: Hospital, body: Any) -> str:
    """The sentence with which *body* is refused with 400; nothing may be kept of it."""
    response = service.post(FEEDBACK_URL, body)
    assert response.status_code == 400, response.get_data(as_text=True)
    assert kept(service) == []
    return problem(response)


def is_taken(response: TestResponse) -> bool:
    """Row 150: 200, and nothing of the request in the answer."""
    return response.status_code == 200 and response.get_data() in (b"", b"{}")


def item(**members: Any) -> Json:
    """An override with other members; `None` takes one away."""
    found = {"card": UNKNOWN, "outcome": "overridden", "outcomeTimestamp": WHEN, **members}
    return {name: value for name, value in found.items() if value is not None}


# What the public sandbox sends


def test_acceptance_of_the_sandbox(service: Hospital) -> None:
    """Rows 150, 155, 162: an acceptance with the ids of card and suggestion is kept, and joins the card."""
    shown = card(service.open(chart(**DEFICIENT)), D)
    suggestion = shown["suggestions"][1]["uuid"]

    assert is_taken(service.tell(accepted(shown, suggestion)))

    assert kept(service) == [(shown["uuid"], "accepted", suggestion, None, None, False)]
    (remembered,) = [row for row in rows(service.url, CARD) if row["uuid"] == shown["uuid"]]
    assert (remembered["topic"], remembered["rule"]) == (D, "K-DDEF")


def test_unknown_members_and_display(service: Hospital) -> None:
    """Rows 135, 149: extensions, unknown members, a display and a code of the client's own are no reason to refuse."""
    own = {"code": "busy", "system": "https://ehr.example.com/reasons", "display": "Too busy"}
    told = item(overrideReason={"reason": own, "extension": {"com.example": 1}}, extension={}, more=[1])

    assert is_taken(service.post(FEEDBACK_URL, {"feedback": [told], "extension": {"com.example.x": {}}}))

    assert kept(service) == [(UNKNOWN, "overridden", None, None, "other", False)]


KNOWN = (OWN, "result-known")
"""A reason that a deficiency card does not offer, and a card of a high magnesium does."""
REASONS: dict[str, tuple[tuple[str | None, str], tuple[str | None, str]]] = {
    "offered": ((HL7, "action-completed"), (HL7, "action-completed")),
    "offered by another card": (KNOWN, (None, "other")),
    "of another system": ((OWN, "action-completed"), (None, "other")),
    "without its system": ((None, "action-completed"), (None, "other")),
    "the client's own": (("https://ehr.example.com/r", "Zebra"), (None, "other")),
}


@for_each(("sent", "expected"), REASONS.values(), ids=REASONS)
@for_each("at_once", [False, True])
def test_reason_that_the_card_offered(
    service: Hospital,
    monkeypatch: pytest.MonkeyPatch,
    sent: tuple[str | None, str],
    expected: tuple[str | None, str],
    *,
    at_once: bool,
) -> None:
    """A reason is kept where the card offered it, and as `other` where not, also of a card that is written later."""
    may_write, write = threading.Event(), service.recorder.store.write
    monkeypatch.setattr(service.recorder.store, "write", lambda found: may_write.wait(60) and write(found))
    if not at_once:
        may_write.set()
    shown = card(cards_of(service.post(URL, chart(**DEFICIENT))), D)
    if not at_once:
        assert service.flush()
    reason = {name: value for name, value in zip(("system", "code"), sent, strict=True) if value is not None}
    assert is_taken(service.tell(overridden(shown, reason=reason)))
    may_write.set()
    assert service.flush()

    assert [row[3:5] for row in kept(service)] == [expected]


def test_several_in_one_body(service: Hospital) -> None:
    """Row 159: several cards of several answers in one body are all kept."""
    first = service.open(chart(**DEFICIENT))
    second = service.open(chart(**DEFICIENT))
    items = [accepted(card(first, D)), overridden(first[1], "declines"), overridden(card(second, D))]

    assert is_taken(service.tell(*items))

    assert sorted(row[:2] for row in kept(service)) == sorted((told["card"], told["outcome"]) for told in items)


# Repeats (row 159)


@for_each(
    "told",
    [accepted(UNKNOWN, SUGGESTION), overridden(UNKNOWN, "known"), overridden(UNKNOWN)],
    ids=["accepted", "reason", "dismissed"],
)
def test_repeats(service: Hospital, told: Json) -> None:
    """The same item twice in a body, and the same body twice, is kept once; the answer is 200 each time."""
    assert is_taken(service.tell(told, told))
    before = rows(service.url, FEEDBACK)
    assert is_taken(service.tell(told))

    assert len(before) == 1
    assert rows(service.url, FEEDBACK) == before


SPELLINGS = (
    "2026-03-02T08:15:30Z",
    "2026-03-02T08:15:30+00:00",
    "2026-03-02T08:15:30.000Z",
    "2026-03-02T08:15:30.0+00:00",
    "2026-03-02t08:15:30z",
    "2026-03-02T08:15:30-00:00",
)


def test_other_spellings_of_a_moment(service: Hospital) -> None:
    """Row 158: every spelling of one UTC moment is taken and is the same moment; another moment is another item."""
    answers = [service.tell(overridden(UNKNOWN, when=when)) for when in SPELLINGS]

    assert [answer.status_code for answer in answers] == [200] * len(SPELLINGS)
    assert len(kept(service)) == 1

    service.tell(overridden(UNKNOWN, when="2026-03-02T08:15:30.001Z"))
    assert len(kept(service)) == 2


def test_what_differs_is_not_a_repeat(service: Hospital) -> None:
    """Another card, another outcome, another suggestion or another moment is kept beside the first."""
    base = accepted(UNKNOWN, SUGGESTION)
    others = [
        {**base, "card": SUGGESTION},
        overridden(UNKNOWN),
        accepted(UNKNOWN, UNKNOWN),
        {**base, "outcomeTimestamp": "2026-03-02T08:15:31Z"},
    ]

    service.tell(base, *others)

    assert len(kept(service)) == 5


# What is not ours


@for_each("name", ["card-1", "Karte 7 für Müller", "x" * 200, UNKNOWN.upper()])
def test_ids_of_other_forms(service: Hospital, name: str) -> None:
    """Row 153: an id that is no uuid of ours is taken, and kept once, in words that tell nothing."""
    assert is_taken(service.tell(overridden(name)))
    assert is_taken(service.tell(overridden(name)))

    assert len(kept(service)) == 1
    assert "Müller" not in everything(service.url)


def test_nothing_in_the_list(service: Hospital) -> None:
    """Row 152: an empty list is taken, and nothing is kept."""
    assert is_taken(service.tell())

    assert kept(service) == []


# What is refused, and then whole

WRONG_ENVELOPES: dict[str, tuple[Any, str]] = {
    "bare array": ([item()], "array"),
    "text": ("feedback", "str"),
    "null": (None, "null"),
    "no feedback": ({}, "feedback"),
    "an object for the list": ({"feedback": item()}, "feedback"),
    "null for the list": ({"feedback": None}, "feedback"),
    "a text for an item": ({"feedback": ["x"]}, "feedback["),
    "null for an item": ({"feedback": [None]}, "feedback["),
}


@for_each(("body", "named"), WRONG_ENVELOPES.values(), ids=WRONG_ENVELOPES)
def test_wrong_envelope(service: Hospital, body: Any, named: str) -> None:
    """Row 152: anything but an object with a list of objects is 400, and the sentence names the place."""
    assert named in refused(service, body)


ACCEPTED = {"outcome": "accepted"}
WRONG_ITEMS: dict[str, tuple[Json, str]] = {
    "no card": (item(card=None), "card"),
    "a number for the card": (item(card=1), "card"),
    "an empty card": (item(card=""), "feedback[0].card"),
    "a blank card": (item(card="  "), "feedback[0].card"),
    "a long card": (item(card="x" * 201), "feedback[0].card"),
    "NUL in the card": (item(card="a\x00b"), "feedback[0].card"),
    "a line break in the card": (item(card="a\nb"), "feedback[0].card"),
    "no outcome": (item(outcome=None), "outcome"),
    "unknown outcome": (item(outcome="ignored"), "feedback[0].outcome"),
    "outcome in capitals": (item(outcome="Accepted"), "feedback[0].outcome"),
    "a list for the outcome": (item(outcome=["accepted"]), "outcome"),
    "NUL in the outcome": (item(outcome="overridden\x00"), "feedback[0].outcome"),
    "accepted without suggestions": (item(**ACCEPTED), "acceptedSuggestions"),
    "accepted with no suggestion": (item(**ACCEPTED, acceptedSuggestions=[]), "acceptedSuggestions"),
    "a suggestion without an id": (item(**ACCEPTED, acceptedSuggestions=[{}]), "acceptedSuggestions"),
    "a text for a suggestion": (item(**ACCEPTED, acceptedSuggestions=[SUGGESTION]), "acceptedSuggestions"),
    "an empty suggestion": (
        item(**ACCEPTED, acceptedSuggestions=[{"id": SUGGESTION}, {"id": ""}]),
        "feedback[0].acceptedSuggestions[1].id",
    ),
    "NUL in a suggestion": (
        item(**ACCEPTED, acceptedSuggestions=[{"id": "\x00"}]),
        "feedback[0].acceptedSuggestions[0].id",
    ),
    "a text for the override": (item(overrideReason="busy"), "overrideReason"),
    "neither reason nor comment": (item(overrideReason={}), "feedback[0].overrideReason"),
    "a blank comment alone": (item(overrideReason={"userComment": " \n"}), "feedback[0].overrideReason"),
    "a text for the reason": (item(overrideReason={"reason": "busy"}), "overrideReason.reason"),
    "a reason without a code": (item(overrideReason={"reason": {"system": HL7}}), "overrideReason.reason"),
    "an empty code": (
        item(overrideReason={"reason": {"code": "", "system": HL7}}),
        "feedback[0].overrideReason.reason.code",
    ),
    "NUL in the code": (item(overrideReason={"reason": {"code": "a\x00"}}), "feedback[0].overrideReason.reason.code"),
    "NUL in the system": (
        item(overrideReason={"reason": {"code": "a", "system": "\x00"}}),
        "feedback[0].overrideReason.reason.system",
    ),
    "a number for the comment": (item(overrideReason={"userComment": 1}), "userComment"),
    "a long comment": (item(overrideReason={"userComment": "x" * 10_001}), "feedback[0].overrideReason.userComment"),
    "no moment": (item(outcomeTimestamp=None), "outcomeTimestamp"),
    "a number for the moment": (item(outcomeTimestamp=1772439330), "outcomeTimestamp"),
}


@for_each(("told", "named"), WRONG_ITEMS.values(), ids=WRONG_ITEMS)
def test_wrong_item(service: Hospital, told: Json, named: str) -> None:
    """Rows 153 to 157: what is missing or wrong is 400, and the sentence names the place."""
    assert named in refused(service, {"feedback": [told]})


@for_each(
    "when",
    [
        "",
        "yesterday",
        "2026-03-02",
        "2026-03-02T08:15:30",
        "2026-03-02 08:15:30Z",
        "2026-02-29T08:15:30Z",
        "2026-03-02T08:15:30+01:00",
        "2026-03-02T08:15:30+00:60",
        "٢٠٢٦-03-02T08:15:30Z",
        "2026-03-02T08:15:30Z\n",
        "2026-03-02T08:15:30." + "0" * 300 + "Z",
    ],
)
def test_wrong_moment(service: Hospital, when: str) -> None:
    """Row 158: a moment that is naive, not of UTC or no moment at all is 400, and the sentence names the place."""
    assert "feedback[0].outcomeTimestamp" in refused(service, {"feedback": [item(outcomeTimestamp=when)]})


@for_each(
    ("override", "commented"),
    [
        ({"userComment": "x"}, True),
        ({"reason": {"code": "patient-refuses", "system": HL7}}, False),
        ({"reason": {"code": "patient-refuses", "system": HL7}, "userComment": "x"}, True),
        ({"reason": {"code": "patient-refuses"}}, False),
        ({"userComment": "x" * 10_000}, True),
        ({"userComment": "NUL \x00, lines\n and ünïcode 🦓"}, True),
    ],
    ids=["comment", "reason", "both", "no system", "longest comment", "any comment"],
)
def test_reason_or_comment(service: Hospital, override: Json, commented: bool) -> None:  # noqa: FBT001 - a table
    """Row 157: a reason, a comment or both are taken; of a comment it is kept that there was one."""
    assert is_taken(service.tell(item(overrideReason=override)))

    assert [row[-1] for row in kept(service)] == [commented]


@for_each("place", [0, 1, 2])
def test_all_or_nothing(service: Hospital, place: int) -> None:
    """Row 159: one wrong item among sound ones refuses the whole body, is named, and nothing is kept."""
    items = [accepted(UNKNOWN, SUGGESTION), overridden(SUGGESTION, "treated")]
    items.insert(place, item(outcome="ignored"))

    assert f"feedback[{place}].outcome" in refused(service, {"feedback": items})


BROKEN = {
    "nothing": b"",
    "half": b'{"feedback": [',
    "not JSON": b"feedback=1",
    "two values": b'{"feedback": []} {}',
    "no UTF-8": b'{"feedback": [{"card": "\xff"}]}',
    "a surrogate in bytes": b'{"feedback": [{"card": "\xed\xa0\x80", "outcome": "overridden"}]}',
    "deep": b'{"feedback": ' + b"[" * 100_000,
    "NaN": b'{"feedback": [NaN]}',
}


@for_each("body", BROKEN.values(), ids=BROKEN)
def test_not_json(service: Hospital, body: bytes) -> None:
    """A body that is not JSON is 400."""
    refused(service, body)


@for_each("member", ["card", "code", "suggestion", "comment"])
def test_lone_surrogates(service: Hospital, member: str) -> None:
    """Half a character, which no database can keep, is 400 wherever it stands."""
    told = {
        "card": item(card="LONE"),
        "code": item(overrideReason={"reason": {"code": "LONE"}}),
        "suggestion": item(outcome="accepted", acceptedSuggestions=[{"id": "LONE"}]),
        "comment": item(overrideReason={"userComment": "LONE"}),
    }[member]

    refused(service, json.dumps({"feedback": [told]}).replace("LONE", "\\ud800").encode())


def test_most_items(service: Hospital) -> None:
    """1,000 items in one body are taken; 1,001 are 413, as are 500 with three suggestions each, and none is kept."""
    items = [overridden(str(uuid.UUID(int=number))) for number in range(1001)]

    response = service.tell(*items)
    assert response.status_code == 413
    assert "1000" in problem(response)
    several = [accepted(str(uuid.UUID(int=number)), UNKNOWN, SUGGESTION, str(number)) for number in range(500)]
    assert service.tell(*several).status_code == 413
    assert kept(service) == []

    assert is_taken(service.tell(*items[:1000]))
    assert len(kept(service)) == 1000


# Comments (row 163)


def test_comment_is_nowhere(service: Hospital, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    """Row 163: a comment is neither kept, nor said again in the answer, nor logged."""
    caplog.set_level(logging.DEBUG)
    shown = card(service.open(chart(**DEFICIENT)), D)
    marked = {"userComment": f"{MARK} is away"}
    answers = [
        service.tell(overridden(shown, **marked)),
        service.tell(overridden(shown, "treated", **marked)),
        service.tell(overridden(shown, "treated", **marked), item(outcome="ignored")),
        service.tell(overridden(shown, userComment={"x": MARK})),
        service.tell(overridden(shown, userComment=MARK * 1000)),
    ]
    printed = capfd.readouterr()

    assert [answer.status_code for answer in answers] == [200, 200, 400, 400, 400]
    assert len(kept(service)) == 2
    for answer in answers:
        assert MARK not in answer.get_data(as_text=True) + str(answer.headers)
    assert MARK not in everything(service.url)
    assert MARK not in caplog.text + str([vars(record) for record in caplog.records])
    assert MARK not in printed.out + printed.err


@for_each("member", ["card", "system", "code", "suggestion", "display", "extension"])
def test_words_elsewhere_are_not_kept(service: Hospital, member: str) -> None:
    """Row 163: a sentence with a name that stands in another member than the comment is not kept either."""
    words = f"{MARK} is away"
    told = {
        "card": item(card=words),
        "system": item(overrideReason={"reason": {"code": "a", "system": words}}),
        "code": item(overrideReason={"reason": {"code": words, "system": HL7}}),
        "suggestion": item(outcome="accepted", acceptedSuggestions=[{"id": words}]),
        "display": item(overrideReason={"reason": {"code": "a", "system": HL7, "display": words}}),
        "extension": item(extension={"com.example.note": words}),
    }[member]

    assert is_taken(service.tell(told))

    assert len(kept(service)) == 1
    assert MARK not in everything(service.url)


# Clients (rows 161, 162)

HOSPITAL = Issuer("hospital", "https://hospital.example.com/issuer")
CLINIC = Issuer("clinic", "https://clinic.example.com/issuer")


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Hospital]:
    """The service with two clients that come with tokens."""
    registry = write_registry(tmp_path / "clients.toml", HOSPITAL.entry, CLINIC.entry)
    with hospital(database_url, auth="jwt", clients=registry, public_url=BASE) as found:
        yield found


def bearer(issuer: Issuer, url: str) -> Json:
    """A token for *url*, as an option of a call."""
    return {"headers": {"Authorization": f"Bearer {issuer.token(aud=f'{BASE}{url}')}"}}


def test_token_for_the_feedback_url(guarded: Hospital) -> None:
    """Row 161: the token names the feedback URL; none, or one for the service itself, is 401 and nothing is kept."""
    told = overridden(UNKNOWN)

    assert guarded.tell(told).status_code == 401
    assert guarded.tell(told, **bearer(HOSPITAL, URL)).status_code == 401
    assert kept(guarded) == []
    assert is_taken(guarded.tell(told, **bearer(HOSPITAL, FEEDBACK_URL)))
    assert [row["client"] for row in rows(guarded.url, FEEDBACK)] == ["hospital"]


def test_feedback_of_another_client(guarded: Hospital) -> None:
    """Row 162: what another client says of a card changes nothing for the one it was shown to, nor for itself."""
    shown = card(guarded.open(chart(**DEFICIENT), **bearer(HOSPITAL, URL)), D)

    assert is_taken(guarded.tell(overridden(shown, "declines"), **bearer(CLINIC, FEEDBACK_URL)))

    assert D in topics(guarded.open(chart(**DEFICIENT), **bearer(HOSPITAL, URL)))
    assert D in topics(guarded.open(chart(**DEFICIENT), **bearer(CLINIC, URL)))

    guarded.tell(overridden(shown, "declines"), **bearer(HOSPITAL, FEEDBACK_URL))
    assert D not in topics(guarded.open(chart(**DEFICIENT), **bearer(HOSPITAL, URL)))
    assert D in topics(guarded.open(chart(**DEFICIENT), **bearer(CLINIC, URL)))
