"""Reads `fhirAuthorization` (rows 80 to 91): used for one request, for its patient, or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.scopes import Scopes, read_scopes
from cds_service.hooks.messages import HookRequest

TOKEN = re.compile(r"[\x21-\x7e]+")
"""What can stand in a header; anything else is no token."""
BEARER = "Bearer"
NO_SCOPES = Scopes((), understood=True)


class _Authorization(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    subject: str
    patient: str | None = None


_DECODER = msgspec.json.Decoder(_Authorization)


@dataclass(frozen=True, slots=True)
class Authorization:
    """How the FHIR server may be called: with `token`, or without. `note` says which, and why."""

    note: str
    token: str | None = field(default=None, repr=False)
    scopes: Scopes = NO_SCOPES


def read_authorization(request: HookRequest) -> Authorization:
    """The authorization of *request*; one that is incomplete, or for another patient, is none (rows 82, 83)."""
    if request.fhir_authorization is None:
        return Authorization("none was sent")
    try:
        sent = _DECODER.decode(request.fhir_authorization)
    except msgspec.ValidationError as error:
        return Authorization(f"not usable: {_without_values(error)}")
    except UNREADABLE:
        return Authorization("not usable: it cannot be read")
    if sent.token_type != BEARER:
        return Authorization(f"not usable: its token_type is not {BEARER}")
    if not TOKEN.fullmatch(sent.access_token):
        return Authorization("not usable: its access_token cannot be sent in a header")
    if sent.patient is not None and sent.patient.removeprefix("Patient/") != request.patient_id:
        return Authorization("not used: it is for another patient")
    return Authorization("used", sent.access_token, read_scopes(sent.scope))


def _without_values(error: msgspec.ValidationError) -> str:
    """The member and the type expected: msgspec names them, and never a value."""
    return str(error).replace("`", "").replace("$.", "")
