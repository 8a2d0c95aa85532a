"""Completes prefetch from the FHIR server: only what is missing, all at once, under one deadline (rows 64 to 91)."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.fhir.bundle import NotFhir
from cds_service.fhir.client import LATE, NOT_FHIR, FhirUnavailable, Outcome
from cds_service.fhir.scopes import READ, SEARCH
from cds_service.fhir.servers import ServerRefused
from cds_service.fhir.transport import Deadline
from cds_service.hooks.authorization import read_authorization
from cds_service.hooks.keys import Asked, Key, State, read, read_page
from cds_service.hooks.prefetch import Gathered
from cds_service.hooks.templates import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.clinical.facts import Source
    from cds_service.fhir.bundle import Page
    from cds_service.fhir.client import FhirClient, FhirServer
    from cds_service.fhir.scopes import Scopes
    from cds_service.hooks.messages import HookRequest
    from cds_service.hooks.registry import Service

GRACE = 0.1
"""Seconds beyond the deadline in which a call that gave up at the deadline hands over what it has."""


@dataclass(frozen=True, slots=True)
class CompletionLimits:
    """How long a request may wait for the FHIR server (seconds), and how far next pages are followed for a key."""

    deadline: float
    max_pages: int
    max_resources: int


class FhirCompleter:
    """Asks the FHIR server that the request names."""

    def __init__(self, client: FhirClient, limits: CompletionLimits) -> None:
        """Calls go through *client*."""
        self._client = client
        self._limits = limits

    def complete(self, lacking: Mapping[Source, Key], service: Service, request: HookRequest) -> Gathered:
        """The *lacking* keys with what the FHIR server of *request* has; without one they stay as they are."""
        if request.fhir_server is None:
            return _none_of(lacking, "no fhirServer was given", "none was sent")
        began = time.perf_counter()
        deadline = Deadline(self._limits.deadline)
        authorization = read_authorization(request)
        try:
            server = self._client.connect(request.fhir_server, authorization.token, deadline)
            queries = {source: fill(service.prefetch[source], request.patient_id) for source in lacking}
        except (ServerRefused, ValueError) as refusal:
            note = authorization.note if authorization.token is None else "not used: fhirServer is not called"
            return _none_of(lacking, str(refusal), note)
        jobs = {
            source: self._client.threads.submit(self._complete, key, queries[source], server, authorization.scopes)
            for source, key in lacking.items()
        }
        wait(jobs.values(), timeout=max(0.0, deadline.left()) + GRACE)
        completed = {source: _result(job, lacking[source], began) for source, job in jobs.items()}
        return Gathered(completed, authorization.note)

    def _complete(self, key: Key, query: str, server: FhirServer, scopes: Scopes) -> Key:
        started = time.monotonic()
        asked: list[Asked] = []
        completed = _fetch(key, query, server, scopes, asked) if key.state is State.MISSING else key
        if completed.page is not None and completed.page.more:
            completed = self._follow(completed, completed.page, server, asked)
        return completed._replace(milliseconds=round((time.monotonic() - started) * 1000, 1), asked=tuple(asked))

    def _follow(self, key: Key, page: Page[Any], server: FhirServer, asked: list[Asked]) -> Key:
        """Follow next pages as far as the limits go; what is in hand is kept when one cannot be had (row 70)."""
        seen: set[str] = set()
        try:
            while page.more:
                link = self._next(page, len(key.raw), seen)
                with _noted(asked):
                    raw = server.follow(link)
                    page = page.followed_by(read_page(key.source, raw))
                key = key._replace(page=page, pages=key.pages + 1, raw=(*key.raw, raw))
        except (FhirUnavailable, NotFhir) as reason:
            return _without(key, str(reason) or NOT_FHIR)
        return key

    def _next(self, page: Page[Any], pages: int, seen: set[str]) -> str:
        """The link to follow; it is added to those *seen*."""
        limits = self._limits
        if pages >= limits.max_pages:
            message = f"there are more pages than {limits.max_pages} (CDS_FHIR_MAX_PAGES)"
        elif len(page.resources) >= limits.max_resources:
            message = f"there are more resources than {limits.max_resources} (CDS_FHIR_MAX_RESOURCES)"
        elif page.next_page is None:
            message = "its address cannot be read"
        elif page.next_page in seen:
            message = "it leads back to itself"
        else:
            seen.add(page.next_page)
            return page.next_page
        raise FhirUnavailable(message)


@contextmanager
def _noted(asked: list[Asked]) -> Iterator[None]:
    """Add the call that is made here to those *asked*; what cannot be read as FHIR is a bad answer."""
    began = time.perf_counter()
    outcome: Outcome | None = Outcome.OK
    try:
        yield
    except FhirUnavailable as reason:
        outcome = reason.outcome
        raise
    except NotFhir:
        outcome = Outcome.BAD_ANSWER
        raise
    finally:
        if outcome is not None:
            asked.append(Asked(outcome, began, time.perf_counter() - began))


def _fetch(key: Key, query: str, server: FhirServer, scopes: Scopes, asked: list[Asked]) -> Key:
    resource_type = query.partition("?")[0].partition("/")[0]
    if scopes.lacks(resource_type, SEARCH if "?" in query else READ):
        return _without(key, f"the scopes of fhirAuthorization do not cover {resource_type}")
    try:
        with _noted(asked):
            found = read(key.source, server.ask(query))
    except (FhirUnavailable, NotFhir) as reason:
        return _without(key, str(reason) or NOT_FHIR)._replace(state=State.FAILED)
    return found._replace(fetched=True, pages=1)


def _none_of(lacking: Mapping[Source, Key], reason: str, note: str) -> Gathered:
    return Gathered({source: _without(key, reason) for source, key in lacking.items()}, note)


def _without(key: Key, reason: str) -> Key:
    """*key* as it was, and why nothing was added to it."""
    why = f"it was not sent, and {reason}" if key.state is State.MISSING else f"next page: {reason}"
    return key._replace(why=why)


def _result(job: Future[Key], key: Key, began: float) -> Key:
    """What *job* found; one that still waits, for the resolver or for a thread, is given up and asks nothing more."""
    if job.cancel():
        return _without(key, LATE)
    if not job.done():
        given_up = Asked(Outcome.TIMEOUT, began, time.perf_counter() - began)
        return _without(key, LATE)._replace(asked=(given_up,))
    return job.result()
