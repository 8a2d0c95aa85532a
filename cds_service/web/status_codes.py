"""Turns errors into status codes; every body is an OperationOutcome with a sentence that says what to mend (row 95)."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec
from flask import Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_service.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    InvalidFhir,
    MalformedRequest,
    NoRoom,
    Overloaded,
    PrefetchUnavailable,
    RequestError,
    StoreUnavailable,
    TookTooLong,
    TooManyRequests,
    TooManyResources,
    TooMuchFeedback,
    UnclearHost,
    UnknownCoding,
    UnknownService,
    WrongMediaType,
    WrongPatient,
    let_go,
)
from cds_service.fhir.outcome import operation_outcome
from cds_service.trust.refusal import Untrusted
from cds_service.web.incoming import Incoming


class Refused(NamedTuple):
    """How an error is told: its status, and the reason under which `/metrics` counts it, if it does.

    That is where the server refuses a call by itself (`serving/front.py`); `inside`: also when it is worked on.
    """

    status: int
    reason: str = ""
    inside: bool = False


REFUSALS: dict[type[RequestError], Refused] = {
    MalformedRequest: Refused(400, "cut-off-body"),
    UnclearHost: Refused(400, "unclear-host"),
    UnknownService: Refused(404),
    BodyTooSlow: Refused(408, "slow-body"),
    PrefetchUnavailable: Refused(412),
    BodyTooLarge: Refused(413, "large-body"),
    TooManyResources: Refused(413, "too-many", inside=True),
    WrongMediaType: Refused(415),
    WrongPatient: Refused(422),
    InvalidFhir: Refused(422),
    TooManyRequests: Refused(429),
    ClientGone: Refused(499, "client-gone"),  # no error of the service, which a 5xx would count as one
    UnknownCoding: Refused(501, "unknown-coding"),
    Overloaded: Refused(503, "full"),
    TooMuchFeedback: Refused(503, "feedback-full", inside=True),
    NoRoom: Refused(503, "no-room"),
    TookTooLong: Refused(503, "deadline"),
    StoreUnavailable: Refused(503, "database", inside=True),
}
LOG = logging.getLogger("cds_service")
NOT_FOUND, NOT_ALLOWED = 404, 405


REFUSED = "cds_service.refused"
"""Where the environment holds the error with which the server refused a request before it came here."""


def counted(error: Exception | None, *, by_server: bool) -> str:
    """The reason under which *error* is counted; empty where it is not. *by_server*: before it was worked on."""
    told = REFUSALS.get(type(error)) if isinstance(error, RequestError) else None
    return told.reason if told is not None and (by_server or told.inside) else ""


def check_refused(request: Incoming) -> None:
    """What the server refused is refused here, with all that an answer has.

    Raises:
        RequestError, Untrusted: it was.
    """
    refused = request.environ.get(REFUSED)
    if refused is not None:
        raise refused


def answer_to(error: Exception, request: Incoming) -> Response:
    """What is answered to a *request* that ended in *error*."""
    try:
        return _told(error, request)
    except Exception as fault:  # noqa: BLE001 - of whatever kind, it is ours
        return _bug(fault)
    finally:
        let_go(error)


def _told(error: Exception, request: Incoming) -> Response:
    if isinstance(error, RequestError):
        return _request_error(error, request)
    if isinstance(error, Untrusted):
        return _untrusted(error, request)
    if isinstance(error, HTTPException):
        return _http_error(error, request)
    return _bug(error)


def body_too_large() -> BodyTooLarge:
    """The refusal of a body that is larger than it may be, in whatever part that is found out."""
    return BodyTooLarge("The body is larger than this service accepts (CDS_MAX_BODY)")


def _answer(status: int, code: str, *messages: str) -> Response:
    body = msgspec.json.encode(operation_outcome(code, *messages))
    return Response(body, status=status, mimetype="application/json")


def _untrusted(refusal: Untrusted, request: Incoming) -> Response:
    """Row 169: nothing is said about what was wrong; the log names the check."""
    request.refused = refusal
    return Response(status=401, mimetype="text/plain", headers={"WWW-Authenticate": "Bearer"})


def _request_error(error: RequestError, request: Incoming) -> Response:
    request.refusal = error
    answer = _answer(REFUSALS[type(error)].status, error.code, *error.details)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _http_error(error: HTTPException, request: Incoming) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return _request_error(body_too_large(), request)
    status = error.code or 500
    if status == NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        answer = _answer(status, "not-supported", f"This address answers {allowed}")
        answer.headers["Allow"] = allowed
        return answer
    if status == NOT_FOUND and request.method == "OPTIONS":
        # A preflight that fails would look like a CORS fault where the address is simply not there.
        return Response(status=204)
    if status == NOT_FOUND:
        return _answer(status, "not-found", "Not found: the services are listed at /cds-services")
    return _answer(status, "processing", f"This request cannot be served here: {error.name}")


def _bug(error: Exception) -> Response:
    log_fault(error)
    return _answer(500, "exception", "This is a fault of the service, not of the request; it has been logged")


def log_fault(error: Exception) -> None:
    """Log a fault of ours: its type and place, never the request (no patient data in logs)."""
    frames = error.__traceback__
    where = "unknown"
    while frames is not None:
        where = f"{frames.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frames.tb_lineno}"
        frames = frames.tb_next
    LOG.error("unexpected %s at %s", type(error).__name__, where)
