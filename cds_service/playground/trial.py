"""One trial: a made-up patient, changed, before the service by a chosen guidance on a chosen day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from cds_service.clinical.guidance_types import Guidance
from cds_service.errors import MalformedRequest, RequestError
from cds_service.fhir.bundle import UNREADABLE
from cds_service.hooks import patient_view
from cds_service.hooks.answers import Cards
from cds_service.hooks.memory import FORGETFUL, FeedbackKeeper
from cds_service.hooks.record import Call
from cds_service.hooks.service import Answer, Engine
from cds_service.playground import changes
from cds_service.playground.bundles import to_request
from cds_service.playground.changes import Dial, Trial
from cds_service.playground.resources import Json
from cds_service.playground.situations import Situation, Situations
from cds_service.playground.visit import Visit

CLIENT = "playground"
"""The client by whose name what is tried here is kept."""
SERVICE = patient_view.ID
NO_CARDS = Cards([])
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it: the request as it was sent, the same as a `record`, and the answer or the error.

    A record that cannot be read is empty. `dials` are where the sliders stand before any change, and `same` whether the
    patient is as the situation has it.
    """

    situation: Situation | None
    profile: str
    overlay: str
    as_of: date
    request: bytes
    record: Json
    answer: Answer
    guidance: Guidance
    dials: Mapping[str, Dial]
    error: RequestError | None = None
    same: bool = False


@dataclass(frozen=True, slots=True)
class Playground:
    """Everything a trial needs. `guided` gives the engine of a profile and an overlay.

    `calls_servers`: a pasted request may name a FHIR server, as for the service itself.
    """

    situations: Situations
    profiles: tuple[str, ...]
    overlays: tuple[str, ...]
    guided: Callable[[str, str], Engine]
    usual: tuple[str, str]
    today: Callable[[], date]
    keeper: FeedbackKeeper
    calls_servers: bool

    def open(self, trial: Trial) -> Tried:
        """Try it.

        Raises:
            MalformedRequest: there is no such situation, profile or change.
        """
        situation = self._situation(trial)
        profile = trial.profile or (situation.profile if situation else None) or self.usual[0]
        overlay = trial.overlay or (situation.overlay if situation else None) or self.usual[1]
        if profile not in self.profiles or overlay not in self.overlays:
            raise MalformedRequest("There is no such profile or overlay")
        as_of = trial.as_of or (situation.as_of if situation else self.today())
        visit = self._visit(trial)
        engine = replace(self.guided(profile, overlay), today=lambda: as_of, memory=visit or FORGETFUL)
        base, record, body = self._bodies(trial, situation, engine, as_of)
        answer, error = _answer(engine, body, visit)
        return Tried(
            situation=situation,
            profile=profile,
            overlay=overlay,
            as_of=as_of,
            request=body,
            record=record,
            answer=answer,
            guidance=engine.guidance,
            dials={name: changes.dial(base, analyte, engine.terms) for name, analyte in changes.ANALYTES.items()},
            error=error,
            same=situation is not None
            and trial.changes_nothing
            and (profile, overlay, as_of) == (situation.profile, situation.overlay, situation.as_of),
        )

    def _visit(self, trial: Trial) -> Visit | None:
        """Whose memory counts; without a visit nothing is remembered, whatever the service itself remembers."""
        return Visit(self.keeper, trial.visit, trial.settled, frozenset(trial.undone)) if trial.visit else None

    def _situation(self, trial: Trial) -> Situation | None:
        if trial.text is not None:
            return None
        found = self.situations.first if trial.situation is None else self.situations.find(trial.situation)
        if found is None:
            raise MalformedRequest("There is no such situation")
        return found

    def _bodies(
        self, trial: Trial, situation: Situation | None, engine: Engine, today: date
    ) -> tuple[Json, Json, bytes]:
        """The request before any change, and the one to send, also as bytes; what cannot be read is sent as it is."""
        text = situation.body if situation is not None else (trial.text or "").encode()
        try:
            base: Any = _DECODER.decode(text)
        except UNREADABLE:
            return {}, {}, text
        if not isinstance(base, dict):
            return {}, {}, text
        if base.get("resourceType") == "Bundle":
            base = to_request(base, engine.terms)
        elif "resourceType" in base:
            raise MalformedRequest("This is one resource: give a Bundle with a Patient, or a CDS Hooks request")
        if not self.calls_servers:
            base = {name: value for name, value in base.items() if name not in ("fhirServer", "fhirAuthorization")}
        changed = trial.apply(base, engine.terms, today)
        return base, changed, _ENCODER.encode(changed)


def _answer(engine: Engine, body: bytes, visit: Visit | None) -> tuple[Answer, RequestError | None]:
    call = Call(client=CLIENT)
    try:
        answer = engine.answer(SERVICE, body, call)
    except RequestError as error:
        return Answer(NO_CARDS), error
    if visit is not None:
        visit.note(call)
    return answer, None
