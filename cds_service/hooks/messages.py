"""The request envelope of CDS Hooks (conformance rows 26 to 43): read leniently, refused clearly.

Unknown fields and extensions are ignored; prefetch values stay raw until their key is read. A sound envelope is
decoded in one pass; anything else is read again member by member, to say what to mend.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cds_service.clinical.datum import Datum
from cds_service.errors import MalformedRequest
from cds_service.fhir.bundle import UNREADABLE, is_null

PATIENT_FACING = ("Patient/", "RelatedPerson/")
"""`userId` types for whom there are no cards: the wording is for clinicians (row 42)."""


EXPLAIN = "example.vitamin-d-magnesium.explain"
"""The extension by which a client asks how an answer came about, and under which it is told."""


class HookRequest(Datum, frozen=True):
    """One call of a service. `prefetch` maps each key to its raw JSON; empty where the member was absent or null.

    `context` stays raw for the service to read what is its hook's own, `fhir_authorization` until a call is made with
    it. `explain` says that the client asks how the answer came about. `encounter_id` is empty where there is no text.
    """

    hook: str
    hook_instance: str
    patient_id: str
    user_id: str
    context: msgspec.Raw
    prefetch: Mapping[str, msgspec.Raw]
    fhir_server: str | None = None
    fhir_authorization: msgspec.Raw | None = None
    explain: bool = False
    encounter_id: str = ""

    def __repr__(self) -> str:
        """Which call it is: neither whom it is about, nor a token."""
        return f"HookRequest({self.hook_instance!r})"

    @property
    def patient_facing(self) -> bool:
        """Whether the user is a patient or a related person."""
        return self.user_id.startswith(PATIENT_FACING)


class _Context(msgspec.Struct):
    patientId: str  # noqa: N815 - the specification's name
    userId: str  # noqa: N815 - the specification's name
    encounterId: object = ""  # noqa: N815 - the specification's name


class _Envelope(msgspec.Struct):
    hook: str
    hookInstance: str  # noqa: N815 - the specification's name
    context: msgspec.Raw
    fhirServer: str | None = None  # noqa: N815 - the specification's name
    fhirAuthorization: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815 - the specification's name
    prefetch: dict[str, msgspec.Raw] | None = None
    extension: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_CONTEXT = msgspec.json.Decoder(_Context)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)


def read_request(body: bytes) -> HookRequest:
    """Read the envelope in *body*.

    Raises:
        MalformedRequest: it is not JSON, or not a CDS Hooks request; the message says what to mend.
    """
    check_utf_8(body)
    try:
        envelope = _ENVELOPE.decode(body)
        context = _CONTEXT.decode(envelope.context)
    except UNREADABLE:
        return _read_carefully(body)
    authorization = _given(envelope.fhirAuthorization)
    told = (envelope.hook, envelope.hookInstance, context.patientId, context.userId, envelope.fhirServer or "x")
    if (
        (authorization is not None and envelope.fhirServer is None)
        or "/" in context.patientId
        or not all(map(str.strip, told))
    ):
        return _read_carefully(body)
    return HookRequest(
        envelope.hook,
        envelope.hookInstance,
        context.patientId,
        context.userId,
        envelope.context,
        envelope.prefetch or {},
        envelope.fhirServer,
        authorization,
        _asks_to_explain(_given(envelope.extension)),
        context.encounterId if isinstance(context.encounterId, str) else "",
    )


def hook_of(body: bytes) -> str:
    """The hook that *body* names; empty where it cannot be read."""
    try:
        return _STRING.decode(_OBJECT.decode(body).get("hook", msgspec.Raw(b'""')))
    except UNREADABLE:
        return ""


def check_utf_8(body: bytes) -> None:
    """JSON is UTF-8; parts that stay raw would otherwise be found out only later, or never.

    Raises:
        MalformedRequest: *body* is not.
    """
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The body is not valid JSON: it is not UTF-8 at byte {error.start}") from error


def _read_carefully(body: bytes) -> HookRequest:
    envelope = _object(body, "The body")
    raw_context = _required(envelope, "context", "The body")
    context = _object(raw_context, "context")
    if _present(envelope, "fhirAuthorization") and not _present(envelope, "fhirServer"):
        raise MalformedRequest("fhirAuthorization needs fhirServer: send the base URL the token is for")
    patient_id = _text(context, "patientId", "context")
    if "/" in patient_id:
        raise MalformedRequest("context.patientId must be the bare id of the Patient, without a slash")
    return HookRequest(
        hook=_text(envelope, "hook", "The body"),
        hook_instance=_text(envelope, "hookInstance", "The body"),
        patient_id=patient_id,
        user_id=_text(context, "userId", "context"),
        context=raw_context,
        prefetch=_object(envelope["prefetch"], "prefetch") if _present(envelope, "prefetch") else {},
        fhir_server=_text(envelope, "fhirServer", "The body") if _present(envelope, "fhirServer") else None,
        fhir_authorization=envelope["fhirAuthorization"] if _present(envelope, "fhirAuthorization") else None,
        explain=_asks_to_explain(envelope.get("extension")),
        encounter_id=_text_or_none(context, "encounterId"),
    )


def _given(member: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | None:
    return None if isinstance(member, msgspec.UnsetType) or is_null(member) else member


def _asks_to_explain(extension: msgspec.Raw | None) -> bool:
    """Whether the request's `extension` asks for the explanation; one of any other shape does not (row 38)."""
    if extension is None:
        return False
    try:
        return bytes(_OBJECT.decode(extension).get(EXPLAIN, b"")) == b"true"
    except UNREADABLE:
        return False


def _object(raw: bytes | msgspec.Raw, what: str) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"{what} must be a JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"{what} is not valid JSON") from error
    except RecursionError as error:
        raise MalformedRequest(f"{what} is nested too deeply") from error


def _present(table: Mapping[str, msgspec.Raw], name: str) -> bool:
    return name in table and not is_null(table[name])


def _required(table: Mapping[str, msgspec.Raw], name: str, where: str) -> msgspec.Raw:
    if not _present(table, name):
        raise MalformedRequest(f"{where} needs {name}")
    return table[name]


def _text_or_none(table: Mapping[str, msgspec.Raw], name: str) -> str:
    """What is optional, and ignored where it cannot be read."""
    try:
        return _STRING.decode(table.get(name, b'""'))
    except UNREADABLE:
        return ""


def _text(table: Mapping[str, msgspec.Raw], name: str, where: str) -> str:
    try:
        text = _STRING.decode(_required(table, name, where))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"{where}: {name} must be a string") from error
    if not text.strip():
        raise MalformedRequest(f"{where}: {name} must not be empty")
    return text
