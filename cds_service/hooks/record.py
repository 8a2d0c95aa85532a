"""What happened in one call, as data: for the log, and for a client that asks for the explanation.

The record of prefetch holds keys, states, reasons and times: no value of the patient's record, no id, no token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cds_service.clinical.evaluate import Evaluation
from cds_service.fhir.orders import Json
from cds_service.hooks.memory import ANYONE, NOTHING_WEIGHED, Places, ShownCard, Weighed, nowhere
from cds_service.hooks.messages import HookRequest
from cds_service.hooks.prefetch import Gathered
from cds_service.hooks.prefetch_keys import Key, State
from cds_service.modes import EVERYTHING_ON, InForce

PLAIN = re.compile(r"[A-Za-z0-9._~:-]+")
"""What is repeated of the client's own words: an identifier, and nothing that could be a sentence or a name."""
LONGEST = 64
GIVEN_UP = "given up"
LACKING = (State.MISSING, State.FAILED)
NOT_SHOWN = "not shown: unlike an identifier"


class KeyCounts(NamedTuple):
    """How many prefetch keys were sent, fetched, and lacking in the end."""

    prefetched: int
    fetched: int
    lacking: int


@dataclass(slots=True)
class Call:
    """What is known of a call so far; filled in as it goes on, so that one that fails tells what it can.

    It `began` by `time.perf_counter`; `stages` are the seconds that each part of the work took, once all is done.
    """

    client: str = ANYONE
    began: float = 0.0
    request: HookRequest | None = None
    gathered: Gathered | None = None
    cards: tuple[ShownCard, ...] = ()
    quiet: tuple[str, ...] = ()
    unasked: bool = False
    """Whether the cards went out as if nothing had been said of earlier ones, since that could not be known."""
    stages: Mapping[str, float] = field(default_factory=dict)
    mode: InForce = EVERYTHING_ON
    weighed: Weighed = NOTHING_WEIGHED
    """What was to be shown, by which mode, and what was held back."""
    place: Places = nowhere

    def give_up(self) -> None:
        """What was said of earlier cards cannot be known."""
        self.unasked = True

    def told(self) -> Json:
        """The fields that the log has of it."""
        fields: Json = {}
        if self.request is not None:
            fields["hook"] = plain(self.request.hook)
            fields["hookInstance"] = plain(self.request.hook_instance)
        fields["topics"] = [card.topic for card in self.cards]
        if not self.mode.is_plain:
            fields["mode"] = str(self.mode)
            fields["silent"] = [card.topic for card in self.weighed.silent]
        if self.unasked:
            fields["lookUp"] = GIVEN_UP
        if self.gathered is not None:
            fields |= record(self.gathered)
            fields["fhirCalls"] = {
                key.source.value: [asked.outcome.value for asked in key.asked]
                for key in self.gathered.keys.values()
                if key.asked
            }
        return fields

    def keys(self) -> KeyCounts:
        """How many prefetch keys were sent, fetched, and lacking in the end."""
        prefetched = fetched = lacking = 0
        for key in () if self.gathered is None else self.gathered.keys.values():
            if key.state in LACKING:
                lacking += 1
            elif key.fetched:
                fetched += 1
            else:
                prefetched += 1
        return KeyCounts(prefetched, fetched, lacking)


def plain(text: str) -> str:
    """*text*, as far as it is told and where it looks like an identifier."""
    shown = text[:LONGEST]
    return shown if PLAIN.fullmatch(shown) else NOT_SHOWN


def record(gathered: Gathered) -> Json:
    """What was known of each prefetch key and how, and what became of `fhirAuthorization`."""
    return {"prefetch": [_told(key) for key in gathered.keys.values()], "authorization": gathered.authorization}


def explanation(request: HookRequest, gathered: Gathered, evaluation: Evaluation) -> Json:
    """The record, each step of the evaluation with the fact that decided it, and the cards that are quiet."""
    steps = [{"id": step.id, "fired": step.fired, "because": step.because} for step in evaluation.trace]
    quiet = [
        {
            "card": card.rule,
            "topic": card.topic,
            "because": card.why,
            "since": str(card.since),
            "until": str(card.until),
        }
        for card in evaluation.quiet
    ]
    return {"hookInstance": plain(request.hook_instance), **record(gathered), "steps": steps, "quiet": quiet}


def _told(key: Key) -> Json:
    told: Json = {"key": key.source, "state": key.told}
    if key.why:
        told["why"] = key.why
    if key.pages:
        told["pages"] = key.pages
    if key.milliseconds is not None:
        told["milliseconds"] = key.milliseconds
    return told
