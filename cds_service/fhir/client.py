"""The one place that talks to a FHIR server: reads and searches, within a deadline, on one origin.

What a server may do wrong ends in one of two ways: the answer's bytes, or `FhirUnavailable` with a reason that names
neither the patient nor the token nor the address.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from cds_service.fhir.deadline import Deadline, Exchange, in_turn
from cds_service.fhir.resolver import Lookups
from cds_service.fhir.servers import Base, ServerRefused, ServerRules, origin_of

if TYPE_CHECKING:  # slow to import, and needed where a server is called alone
    import requests

JSON_TYPES = frozenset({"", "application/fhir+json", "application/json", "application/json+fhir", "text/json"})
ACCEPT = "application/fhir+json, application/json;q=0.9"
FORM = "application/x-www-form-urlencoded"
LONGEST_GET = 2000
"""A longer URL is sent as a POST of its parameters: proxies cut long ones."""
MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BUSY = frozenset({429, 503})
OK, SEE_OTHER = 200, 303
NOT_THERE = frozenset({404, 410})
PAUSE = 0.05
"""Seconds before a second try, where the server names none."""
REFUSED = "the FHIR server refused the connection"
BROKEN = "the FHIR server broke the connection off"
LATE = "the FHIR server did not answer in time"
NOT_FHIR = "what the FHIR server sent is not FHIR JSON"
MEANINGS = {
    401: " (the access token is missing, expired or refused)",
    403: " (the access token does not allow this)",
}


class Outcome(StrEnum):
    """How a call of a FHIR server ended, as it is counted: a few words that name nobody."""

    OK = "ok"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    BUSY = "busy"
    ERROR = "error"
    BAD_ANSWER = "bad-answer"
    TIMEOUT = "timeout"
    CROWDED = "crowded"
    UNREACHABLE = "unreachable"


class FhirUnavailable(Exception):
    """The server did not give what was asked; the message says why. Without an `outcome` it was not called at all."""

    def __init__(self, message: str, outcome: Outcome | None = None) -> None:
        """Say why, and how the call ended."""
        super().__init__(message)
        self.outcome = outcome


class _Broken(Exception):
    """The connection was refused or broken off: another address, or a second try, may do better."""


class _Unconnected(Exception):
    """No connection came about in time: another address may do better."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What a call may take, and how it is sent. Times in seconds, sizes in bytes."""

    connect_timeout: float
    read_timeout: float
    max_bytes: int
    post_search: bool
    ca_file: str | None
    connections: int


class _Call(NamedTuple):
    method: str
    url: str
    body: str | None = None


class _Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class FhirClient:
    """The pooled session of one process, and the threads that calls run in side by side."""

    def __init__(self, rules: ServerRules, limits: ClientLimits) -> None:
        """Prepare; nothing is connected yet."""
        self.rules = rules
        self.limits = limits
        self.lookups = Lookups()
        self.threads = ThreadPoolExecutor(limits.connections, thread_name_prefix="fhir")
        self._preparing = threading.Lock()

    def connect(self, url: str, token: str | None, deadline: Deadline) -> FhirServer:
        """The FHIR server at *url* for one request of one user.

        Raises:
            ServerRefused: it may not be called.
        """
        return FhirServer(self, self.rules.check(url, token=token is not None), token, deadline)

    @cached_property
    def session(self) -> requests.Session:
        """What keeps connections open, from the first call on."""
        from cds_service.fhir import transport  # noqa: PLC0415 - slow to import, and often no server is called

        return transport.new_session(self.limits.connections, self.limits.ca_file)

    def ready(self) -> requests.Session:
        """The one session, whichever call is the first."""
        with self._preparing:
            return self.session

    def under(self, rules: ServerRules) -> FhirClient:
        """The same session and threads, by other *rules*."""
        self.ready()
        other = copy(self)
        other.rules = rules
        return other

    def close(self) -> None:
        """Let go of threads and connections."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        if "session" in vars(self):
            self.session.close()


class FhirServer:
    """One FHIR server for one request: holds the token, which is sent to its origin and nowhere else (row 81)."""

    def __init__(self, client: FhirClient, base: Base, token: str | None, deadline: Deadline) -> None:
        """Not yet connected, nor its name resolved."""
        self._client = client
        self._base = base
        self._token = token
        self._deadline = deadline
        self._resolving = threading.Lock()
        self._addresses: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """Where it is."""
        return self._base.authority

    @property
    def named(self) -> bool:
        """Whether it was named by who runs this service, and not by who calls it alone."""
        return self._client.rules.named

    def ask(self, query: str) -> bytes:
        """What the server answers to *query*, relative to its base: `Type/id` or `Type?parameters`.

        Raises:
            FhirUnavailable: it could not be had.
        """
        path, mark, parameters = query.partition("?")
        url = f"{self._base.url}/{query}"
        if mark and (self._client.limits.post_search or len(url) > LONGEST_GET):
            return self._read(_Call("POST", f"{self._base.url}/{path}/_search", parameters))
        return self._read(_Call("GET", url))

    def follow(self, link: str) -> bytes:
        """The page at *link*, which must be on the origin of the server (row 71).

        Raises:
            FhirUnavailable: it is elsewhere, or could not be had.
        """
        elsewhere = FhirUnavailable("it is on another server")
        return self._read(_Call("GET", self._on_origin(link, f"{self._base.url}/", elsewhere)))

    def _on_origin(self, link: str, against: str, elsewhere: FhirUnavailable) -> str:
        try:
            url = urljoin(against, link)
            same = origin_of(url) == self._base.origin
        except ValueError:
            same = False
        if not same:
            raise elsewhere
        return url

    def _read(self, call: _Call) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._send_twice(call)
            if reply.status in REDIRECTS and "Location" in reply.headers:
                elsewhere = FhirUnavailable("the FHIR server redirects to another server", Outcome.BAD_ANSWER)
                url = self._on_origin(reply.headers["Location"], call.url, elsewhere)
                call = _Call("GET", url) if reply.status == SEE_OTHER else call._replace(url=url)
                continue
            return _body(reply)
        raise FhirUnavailable("the FHIR server redirects too often", Outcome.BAD_ANSWER)

    def _send_twice(self, call: _Call) -> _Reply:
        """Send *call*; once more where that may help and there is time."""
        try:
            reply = self._send(call)
        except _Broken:
            pause = PAUSE
        else:
            pause = _pause(reply.headers.get("Retry-After"))
            if reply.status not in BUSY or pause >= self._deadline.left():
                return reply
        time.sleep(max(0.0, min(pause, self._deadline.left())))
        try:
            return self._send(call)
        except _Broken as failure:
            raise FhirUnavailable(str(failure), Outcome.UNREACHABLE) from failure

    def _send(self, call: _Call) -> _Reply:
        """Send *call* to one address after the other, until one answers; the time to connect is shared among them."""
        failure: _Broken | _Unconnected = _Broken(REFUSED)
        for address, connect_within in in_turn(self._resolve(), self._deadline):
            try:
                return self._exchange(call, address, connect_within)
            except (_Broken, _Unconnected) as error:
                failure = error
        if isinstance(failure, _Unconnected):
            raise FhirUnavailable(LATE, Outcome.TIMEOUT) from failure
        raise failure

    def _resolve(self) -> tuple[str, ...]:
        with self._resolving:
            if not self._addresses:
                try:
                    self._addresses = self._client.rules.addresses(self._base.origin, self._look_up)
                except ServerRefused as refusal:
                    raise FhirUnavailable(str(refusal), Outcome.UNREACHABLE) from refusal
                except TimeoutError as error:
                    raise FhirUnavailable(LATE, Outcome.TIMEOUT) from error
            return self._addresses

    def _look_up(self, host: str) -> Sequence[str]:
        return self._client.lookups.look_up(host, self._deadline.left())

    def _exchange(self, call: _Call, address: str, connect_within: float) -> _Reply:
        import requests  # noqa: PLC0415 - as in FhirClient
        import urllib3  # noqa: PLC0415

        from cds_service.fhir import transport  # noqa: PLC0415

        limits, session = self._client.limits, self._client.ready()
        exchange = Exchange(address, self._deadline, limits.read_timeout)
        request = requests.Request(call.method, call.url, headers=self._headers(call), data=call.body)
        try:
            with transport.send(session, request, exchange, min(limits.connect_timeout, connect_within)) as response:
                return _Reply(response.status_code, response.headers, self._content(response))
        except requests.ConnectTimeout as error:
            raise _Unconnected from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise FhirUnavailable(LATE, Outcome.TIMEOUT) from error
        except requests.exceptions.SSLError as error:
            raise FhirUnavailable(
                "the FHIR server has no certificate that is trusted (CDS_FHIR_CA_FILE)", Outcome.UNREACHABLE
            ) from error
        except urllib3.exceptions.DecodeError as error:
            raise FhirUnavailable(NOT_FHIR, Outcome.BAD_ANSWER) from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, ssl.SSLError) as error:
            raise _Broken(BROKEN) from error
        except requests.ConnectionError as error:
            raise _Broken(REFUSED if _is_refusal(error) else BROKEN) from error
        except requests.RequestException as error:
            raise FhirUnavailable("the address cannot be asked", Outcome.UNREACHABLE) from error

    def _headers(self, call: _Call) -> dict[str, str]:
        headers = {"Accept": ACCEPT, "Host": self._base.authority}
        if call.body is not None:
            headers["Content-Type"] = FORM
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _content(self, response: requests.Response) -> bytes:
        """The body, as far as it is needed and no longer than the cap."""
        if response.status_code != OK:
            return b""
        from cds_service.fhir import transport  # noqa: PLC0415 - as in FhirClient

        most = self._client.limits.max_bytes
        content = transport.body_of(response, most)
        if content is None:
            raise FhirUnavailable(
                f"what the FHIR server sent is larger than {most} bytes (CDS_FHIR_MAX_BYTES)", Outcome.BAD_ANSWER
            )
        return content


def _body(reply: _Reply) -> bytes:
    if reply.status != OK:
        raise FhirUnavailable(
            f"the FHIR server answered {reply.status}{MEANINGS.get(reply.status, '')}", _outcome(reply.status)
        )
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in JSON_TYPES or not _is_utf_8(reply.body):
        raise FhirUnavailable(NOT_FHIR, Outcome.BAD_ANSWER)
    return reply.body


def _outcome(status: int) -> Outcome:
    """How a call ended that was answered with another *status* than 200."""
    if status in NOT_THERE:
        return Outcome.NOT_FOUND
    if status in MEANINGS:
        return Outcome.REFUSED
    return Outcome.BUSY if status in BUSY else Outcome.ERROR


def _is_utf_8(body: bytes) -> bool:
    """Parts that are not read are not decoded either, and would not be found out."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_refusal(error: requests.ConnectionError) -> bool:
    """Whether no connection came about."""
    import urllib3  # noqa: PLC0415 - as in FhirClient

    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _pause(retry_after: str | None) -> float:
    """Seconds that `Retry-After` asks for: a number, or a date."""
    if retry_after is None:
        return PAUSE
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return PAUSE
