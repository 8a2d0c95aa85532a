"""Completes prefetch from the FHIR server: only what is missing, all at once, under one deadline (rows 64 to 91).

So many calls have a place at a server, and so many more stand in line: one that hangs holds those and no others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cds_service import work
from cds_service.clinical.facts import Source
from cds_service.fhir.bundle import NotFhir
from cds_service.fhir.client import LATE, NOT_FHIR, FhirClient, FhirServer, FhirUnavailable, Outcome
from cds_service.fhir.deadline import Deadline
from cds_service.fhir.page import Page
from cds_service.fhir.scopes import READ, SEARCH, Scopes
from cds_service.fhir.servers import ServerRefused, ServerRules
from cds_service.hooks.authorization import read_authorization
from cds_service.hooks.messages import HookRequest
from cds_service.hooks.prefetch import Gathered
from cds_service.hooks.prefetch_keys import Asked, Key, State, read, read_page
from cds_service.hooks.registry import Service
from cds_service.hooks.templates import fill
from cds_service.waiting import Full, Places

UNTOLD = "the FHIR server did not give what was asked; the log says how the calls ended"
"""All that is told of a server that only the caller named: its answers would show which ports of a machine are open."""
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

    def __init__(self, client: FhirClient, limits: CompletionLimits, places: Places) -> None:
        """Calls go through *client*, and each waits in one of the *places*, which others may share."""
        self._client = client
        self._limits = limits
        self._places = places

    def under(self, rules: ServerRules) -> FhirCompleter:
        """The same, where other servers may be called."""
        return FhirCompleter(self._client.under(rules), self._limits, self._places)

    def complete(self, lacking: Mapping[Source, Key], service: Service, request: HookRequest) -> Gathered:
        """The *lacking* keys with what the FHIR server of *request* has; without one they stay as they are."""
        if request.fhir_server is None:
            return _none_of(lacking, "no fhirServer was given", "none was sent")
        began = time.perf_counter()
        deadline = Deadline(work.left(self._limits.deadline))
        authorization = read_authorization(request)
        try:
            server = self._client.connect(request.fhir_server, authorization.token, deadline)
            queries = {source: fill(service.prefetch[source], request.patient_id) for source in lacking}
        except (ServerRefused, ValueError) as refusal:
            note = authorization.note if authorization.token is None else "not used: fhirServer is not called"
            return _none_of(lacking, str(refusal), note)

        def ask(key: Key) -> Future[Key]:
            return self._client.threads.submit(self._complete, key, queries[key.source], server, authorization.scopes)

        try:
            with work.aside(), self._places.place(server.host, deadline.left()):
                jobs = {source: ask(key) for source, key in lacking.items()}
                wait(jobs.values(), timeout=max(0.0, deadline.left()) + GRACE)
        except Full:
            return Gathered({source: _given_up(key, Outcome.CROWDED, began) for source, key in lacking.items()})
        completed = {source: _result(job, lacking[source], began) for source, job in jobs.items()}
        return Gathered(completed, authorization.note)

    def _complete(self, key: Key, query: str, server: FhirServer, scopes: Scopes) -> Key:
        started = time.monotonic()
        asked: list[Asked] = []
        completed = _fetch(key, query, server, scopes, asked) if key.to_fetch else key
        if completed.page is not None and completed.page.more:
            completed = self._follow(completed, completed.page, server, asked)
        return completed.changed(milliseconds=round((time.monotonic() - started) * 1000, 1), asked=tuple(asked))

    def _follow(self, key: Key, page: Page[Any], server: FhirServer, asked: list[Asked]) -> Key:
        """Follow next pages as far as the limits go; what is in hand is kept when one cannot be had (row 70)."""
        seen: set[str] = set()
        try:
            while page.more:
                link = self._next(page, len(key.raw), seen)
                with _noted(asked):
                    raw = server.follow(link)
                    page = page.followed_by(read_page(key.source, raw))
                key = key.changed(page=page, pages=key.pages + 1, raw=(*key.raw, raw))
        except (FhirUnavailable, NotFhir) as reason:
            return key.lacking(_told(reason, server))
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
        return key.lacking(f"the scopes of fhirAuthorization do not cover {resource_type}")
    try:
        with _noted(asked):
            found = read(key.source, server.ask(query))
    except (FhirUnavailable, NotFhir) as reason:
        return key.lacking(_told(reason, server)).changed(state=State.FAILED)
    return found.changed(fetched=True, pages=1)


def _told(reason: FhirUnavailable | NotFhir, server: FhirServer) -> str:
    """What the caller is told of a call that failed; whether it was made at all may always be told."""
    if server.named or (isinstance(reason, FhirUnavailable) and reason.outcome is None):
        return str(reason) or NOT_FHIR
    return UNTOLD


def _none_of(lacking: Mapping[Source, Key], reason: str, note: str) -> Gathered:
    return Gathered({source: key.lacking(reason) for source, key in lacking.items()}, note)


def _result(job: Future[Key], key: Key, began: float) -> Key:
    """What *job* found; one that still waits, for the resolver or for a thread, is given up and asks nothing more."""
    if job.cancel():
        return key.lacking(LATE)
    if not job.done():
        return _given_up(key, Outcome.TIMEOUT, began)
    return job.result()


def _given_up(key: Key, outcome: Outcome, began: float) -> Key:
    return key.lacking(LATE).changed(asked=(Asked(outcome, began, time.perf_counter() - began),))
