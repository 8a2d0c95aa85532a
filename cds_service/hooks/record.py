"""What happened in one call, as data: for the log, and for a client that asks for the explanation.

The record of prefetch holds keys, states, reasons and times: no value of the patient's record, no id, no token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cds_service.hooks.keys import State
from cds_service.hooks.memory import ANYONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.clinical.evaluate import Evaluation
    from cds_service.fhir.orders import Json
    from cds_service.hooks.keys import Key
    from cds_service.hooks.memory import ShownCard
    from cds_service.hooks.messages import HookRequest
    from cds_service.hooks.prefetch import Gathered


PLAIN = re.compile(r"[A-Za-z0-9._~:-]+")
"""What is repeated of the client's own words: an identifier, and nothing that could be a sentence or a name."""
LONGEST = 64
NOT_SHOWN = "not shown: unlike an identifier"


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
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the cards that were shown."""
        return tuple(card.topic for card in self.cards)

    def told(self) -> Json:
        """It as fields of the log."""
        fields: Json = {}
        if self.request is not None:
            fields["hook"] = plain(self.request.hook)
            fields["hookInstance"] = plain(self.request.hook_instance)
        fields["topics"] = list(self.topics)
        if self.request is not None and self.gathered is not None:
            fields |= record(self.request, self.gathered)
        return fields

    def keys(self) -> dict[str, int]:
        """How many prefetch keys were sent, fetched, and lacking in the end."""
        keys = () if self.gathered is None else tuple(self.gathered.keys.values())
        lacking = sum(key.state in (State.MISSING, State.FAILED) for key in keys)
        fetched = sum(key.fetched and key.state not in (State.MISSING, State.FAILED) for key in keys)
        return {"prefetched": len(keys) - lacking - fetched, "fetched": fetched, "lacking": lacking}


def plain(text: str) -> str:
    """*text*, as far as it is told and where it looks like an identifier."""
    shown = text[:LONGEST]
    return shown if PLAIN.fullmatch(shown) else NOT_SHOWN


def record(request: HookRequest, gathered: Gathered) -> Json:
    """What was known of each prefetch key and how, and what became of `fhirAuthorization`."""
    return {
        "hookInstance": plain(request.hook_instance),
        "prefetch": [_told(key) for key in gathered.keys.values()],
        "authorization": gathered.authorization,
    }


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
    return {**record(request, gathered), "steps": steps, "quiet": quiet}


def _told(key: Key) -> Json:
    told: Json = {"key": key.source.value, "state": key.told}
    if key.why:
        told["why"] = key.why
    if key.pages:
        told["pages"] = key.pages
    if key.milliseconds is not None:
        told["milliseconds"] = key.milliseconds
    return told
