"""The client of FHIR servers (conformance rows 71, 73, 80, 81, 91): what it sends, follows, repeats and believes.

Servers are stood in for at the edge of `requests`. What takes a socket, deadlines and connections that break off, is in
`tests/web/test_faults.py`; TLS in `test_client_tls.py`.
"""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from requests import PreparedRequest
from responses import RequestsMock

from cds_service.fhir import client as client_module
from cds_service.fhir.client import ClientLimits, FhirClient, FhirServer, FhirUnavailable, Outcome
from cds_service.fhir.deadline import Deadline
from cds_service.fhir.servers import ServerRules
from cds_service.hooks.templates import fill
from tests.hooks.test_templates import TEMPLATES
from tests.support.for_each import for_each

MOST_BYTES = 10_000
LIMITS = ClientLimits(30, 30, MOST_BYTES, post_search=False, ca_file=None, connections=4)
HOST = "127.0.0.1:8080"
BASE = f"http://{HOST}/fhir"
READ = f"{BASE}/Patient/1"
BEARER = "s3cr3t.Token"
FOUND = b'{"resourceType": "Bundle"}'
FHIR_JSON = "application/fhir+json; charset=utf-8"
MIB = 1024 * 1024
NOT_FHIR = "is not FHIR JSON"
ELSEWHERE = "another server"
FAR_AWAY = "Fri, 31 Dec 2100 23:59:59 GMT"
LONG_AGO = "Sat, 01 Jan 2000 00:00:00 GMT"
Connect = Callable[..., FhirServer]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second try is made at once."""
    monkeypatch.setattr(client_module, "PAUSE", 0.0)


@pytest.fixture
def web() -> Iterator[RequestsMock]:
    """All servers there are: an address that is not told what to answer breaks off."""
    with RequestsMock(assert_all_requests_are_fired=False) as found:
        yield found


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    """Connects to the server, with a token and by the default rules."""
    clients = {
        post_search: FhirClient(ServerRules(loopback=True), replace(LIMITS, post_search=post_search))
        for post_search in (False, True)
    }

    def connected(*, post_search: bool = False, token: str | None = BEARER, base: str = BASE) -> FhirServer:
        return clients[post_search].connect(base, token, Deadline(30))

    yield connected
    for client in clients.values():
        client.close()


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int = 200
    body: bytes = FOUND
    content_type: str | None = FHIR_JSON
    headers: tuple[tuple[str, str], ...] = ()


def answering(web: RequestsMock, url: str, *replies: Reply, method: str = "GET") -> None:
    """Let *url* answer so, one after the other; the last one stays."""
    for reply in replies:
        web.add(
            method,
            url,
            body=reply.body,
            status=reply.status,
            content_type=reply.content_type,
            headers=dict(reply.headers),
        )


def _status(code: int, retry_after: str | None = None) -> Reply:
    return Reply(code, headers=() if retry_after is None else (("Retry-After", retry_after),))


def _to(location: str, code: int = 302) -> Reply:
    return Reply(code, headers=(("Location", location),))


def _packed(body: bytes, encoding: str = "gzip") -> Reply:
    return Reply(body=body, headers=(("Content-Encoding", encoding),))


def _sent(web: RequestsMock) -> list[PreparedRequest]:
    return [call.request for call in web.calls]


def _tokens(web: RequestsMock) -> list[Any]:
    return [request.headers.get("Authorization") for request in _sent(web)]


# What is sent.


def test_read_and_search(web: RequestsMock, connect: Connect) -> None:
    """Rows 80, 81: reads and searches are GETs below the base URL, with the token, and ask for FHIR JSON."""
    search = f"{BASE}/Condition?patient=1&_count=200"
    answering(web, READ, Reply())
    answering(web, search, Reply())
    fhir = connect()
    fhir.ask("Patient/1")
    fhir.ask("Condition?patient=1&_count=200")

    assert [(request.method, request.url) for request in _sent(web)] == [("GET", READ), ("GET", search)]
    for request in _sent(web):
        assert request.headers["Authorization"] == f"Bearer {BEARER}"
        assert str(request.headers["Accept"]).startswith("application/fhir+json")
        assert request.headers["Host"] == HOST
        assert request.body is None


def test_without_a_token(web: RequestsMock, connect: Connect) -> None:
    """Row 89: without a token there is no Authorization header."""
    answering(web, READ, Reply())
    connect(token=None).ask("Patient/1")

    assert _tokens(web) == [None]


def test_name(web: RequestsMock, connect: Connect) -> None:
    """Row 80: a name is sent as `Host`, in lower case, with the port."""
    answering(web, "http://localhost:8080/fhir/Patient/1", Reply())
    connect(base="http://LOCALHOST:8080/fhir").ask("Patient/1")

    assert [request.headers["Host"] for request in _sent(web)] == ["localhost:8080"]


def _form(request: PreparedRequest) -> list[tuple[str, str]]:
    return parse_qsl(str(request.body), keep_blank_values=True)


def test_post_search(web: RequestsMock, connect: Connect) -> None:
    """CDS_FHIR_POST_SEARCH: a search is a POST of a form to `_search`: no id stands in a URL; a read stays a GET."""
    answering(web, f"{BASE}/Observation/_search", Reply(), method="POST")
    answering(web, READ, Reply())
    fhir = connect(post_search=True)
    fhir.ask(fill(TEMPLATES["vitaminD"], "p-secret"))
    fhir.ask("Patient/1")

    search, read = _sent(web)
    assert (search.method, read.method) == ("POST", "GET")
    assert search.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert search.headers["Authorization"] == f"Bearer {BEARER}"
    assert ("patient", "p-secret") in _form(search)


def test_long_searches_are_posts(web: RequestsMock, connect: Connect) -> None:
    """Section 5: a search whose URL is longer than 2,000 characters is a POST: proxies cut long URLs."""
    fhir, room = connect(), 2000 - len(f"{BASE}/Condition?patient=")
    answering(web, f"{BASE}/Condition?patient={'x' * room}", Reply())
    answering(web, f"{BASE}/Condition/_search", Reply(), method="POST")
    fhir.ask(f"Condition?patient={'x' * room}")
    fhir.ask(f"Condition?patient={'x' * (room + 1)}")

    assert [request.method for request in _sent(web)] == ["GET", "POST"]
    assert _form(_sent(web)[1]) == [("patient", "x" * (room + 1))]


@for_each("patient_id", ["x" * 3000, "&patient=other" * 300, "é" * 1500], ids=["long", "sly", "unicode"])
def test_form_of_a_long_id(web: RequestsMock, connect: Connect, patient_id: str) -> None:
    """Row 47: in a form, too, an id stays one parameter."""
    answering(web, f"{BASE}/Condition/_search", Reply(), method="POST")
    connect().ask(fill(TEMPLATES["conditions"], patient_id))

    (request,) = _sent(web)
    assert _form(request) == [("patient", patient_id), ("_count", "200")]
    assert request.headers["Content-Length"] == str(len(str(request.body)))


def test_cookies(web: RequestsMock, connect: Connect) -> None:
    """Row 87: a cookie of the server is not kept: it could tie one user's call to another's."""
    answering(web, READ, Reply(headers=(("Set-Cookie", "session=1; Path=/"),)))
    for _ in range(2):
        connect().ask("Patient/1")

    assert [request.headers.get("Cookie") for request in _sent(web)] == [None, None]


@for_each("token", [None, BEARER])
def test_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, web: RequestsMock, connect: Connect, token: str | None
) -> None:
    """Row 81: a password of the machine's `.netrc` is neither sent nor put in place of the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login us3r password passw0rd\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    answering(web, READ, Reply())
    connect(token=token).ask("Patient/1")

    assert _tokens(web) == [token and f"Bearer {token}"]


# What is believed, and what is repeated.

GOOD: dict[str, tuple[Reply, ...]] = {
    **{kind: (Reply(content_type=kind),) for kind in ("application/json", "application/json+fhir", "text/json")},
    "media type in capitals": (Reply(content_type="Application/FHIR+JSON; charset=UTF-8; fhirVersion=4.0"),),
    "no media type": (Reply(content_type=None),),
    "gzip": (_packed(gzip.compress(FOUND)),),
    "as large as the cap": (Reply(body=FOUND.ljust(MOST_BYTES)),),
    "429 once": (_status(429), Reply()),
    "429 once, Retry-After: 0": (_status(429, "0"), Reply()),
    "503 once": (_status(503), Reply()),
    "503 once, Retry-After in the past": (_status(503, LONG_AGO), Reply()),
    "503 once, Retry-After that is no time": (_status(503, "soon"), Reply()),
    "307 on the origin": (_to(READ, 307), Reply()),
    "308 by path": (_to("/fhir/Patient/1", 308), Reply()),
    "three redirects": (*[_to(READ)] * 3, Reply()),
}
"""What a server may do, or what one more request mends; each answer takes one request."""


@for_each("replies", GOOD.values(), ids=GOOD)
def test_good_answer(web: RequestsMock, connect: Connect, replies: tuple[Reply, ...]) -> None:
    """Rows 62, 81: what is FHIR JSON comes as it was sent, at the first try or the second, each with the token."""
    answering(web, READ, *replies)

    assert connect().ask("Patient/1").rstrip() == FOUND
    assert _tokens(web) == [f"Bearer {BEARER}"] * len(replies)


BAD: dict[str, tuple[tuple[Reply, ...], str, Outcome, int]] = {
    **{str(code): ((_status(code),), f"answered {code}", end, 1)
       for end, codes in {Outcome.REFUSED: (401, 403), Outcome.NOT_FOUND: (404, 410),
                          Outcome.ERROR: (204, 206, 304, 400, 406, 500, 501, 502, 504)}.items() for code in codes},
    "401 says what it means": ((_status(401),), "expired", Outcome.REFUSED, 1),
    "403 says what it means": ((_status(403),), "does not allow", Outcome.REFUSED, 1),
    "429": ((_status(429),), "answered 429", Outcome.BUSY, 2),
    "429 and a minute": ((_status(429, "60"),), "answered 429", Outcome.BUSY, 1),
    "429 and far away": ((_status(429, FAR_AWAY),), "answered 429", Outcome.BUSY, 1),
    "503": ((_status(503),), "answered 503", Outcome.BUSY, 2),
    "503 and an hour": ((_status(503, "3600"),), "answered 503", Outcome.BUSY, 1),
    "503, then 500": ((_status(503), _status(500)), "answered 500", Outcome.ERROR, 2),
    **{kind: ((Reply(content_type=kind),), NOT_FHIR, Outcome.BAD_ANSWER, 1)
       for kind in ("text/plain", "application/octet-stream", "application/fhir+xml", "text/html; charset=utf-8")},
    "UTF-16": ((Reply(body=FOUND.decode().encode("utf-16")),), NOT_FHIR, Outcome.BAD_ANSWER, 1),
    "invalid UTF-8 in what is not read": ((Reply(body=b'{"x": "\xff"}'),), NOT_FHIR, Outcome.BAD_ANSWER, 1),
    "compressed in name only": ((_packed(FOUND),), NOT_FHIR, Outcome.BAD_ANSWER, 1),
    "compressed beyond reason": ((_packed(FOUND, ", ".join(["gzip"] * 100)),), NOT_FHIR, Outcome.BAD_ANSWER, 1),
    "beyond the cap": ((Reply(body=FOUND.ljust(MOST_BYTES + 1)),), "is larger", Outcome.BAD_ANSWER, 1),
    "gzip bomb": ((_packed(gzip.compress(bytes(20 * MIB))),), "is larger", Outcome.BAD_ANSWER, 1),
    "gzip bomb in gzip": (
        (_packed(gzip.compress(gzip.compress(bytes(20 * MIB))), "gzip, gzip"),), "is larger", Outcome.BAD_ANSWER, 1
    ),
    "redirect loop": ((_to(READ, 307),), "redirects too often", Outcome.BAD_ANSWER, 4),
    "no address": ((_to("http://["),), ELSEWHERE, Outcome.BAD_ANSWER, 1),
}  # fmt: skip
"""What a server may do wrong, what is told of it, how that is counted, and how many requests it takes."""


@for_each(("replies", "why", "outcome", "requests"), BAD.values(), ids=BAD)
def test_bad_answer(
    web: RequestsMock, connect: Connect, replies: tuple[Reply, ...], why: str, outcome: Outcome, requests: int
) -> None:
    """Rows 73, 86, 88: a reason in words; one more try after 429 and 503 alone, and not beyond the deadline."""
    answering(web, READ, *replies)
    with pytest.raises(FhirUnavailable, match=why) as caught:
        connect().ask("Patient/1")

    assert caught.value.outcome is outcome
    assert len(web.calls) == requests


ANY_TEXT = [
    "Mon, 01 Jan 99999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359",
    "9" * 400, "-1", "1e9", "nan", "soon", "", "٣",
]  # fmt: skip


@for_each("value", ANY_TEXT, ids=ascii)
def test_retry_after_is_any_text(web: RequestsMock, connect: Connect, value: str) -> None:
    """Row 73: whatever a server writes as `Retry-After`, the call ends in a reason."""
    answering(web, READ, _status(503, value.encode().decode("latin-1")))
    with pytest.raises(FhirUnavailable, match="503"):
        connect().ask("Patient/1")


@for_each("name", ["Location", "Content-Type", "Set-Cookie", "Content-Encoding"])
def test_headers_are_any_bytes(web: RequestsMock, connect: Connect, name: str) -> None:
    """Row 73: whatever bytes stand in a header of the server, the call ends in an answer or in a reason."""
    for header in ("ﬁ", "\x80", "é"):
        told = header.encode().decode("latin-1")
        reply = Reply(302 if name == "Location" else 200, headers=((name, told),))
        answering(web, READ, Reply(content_type=told) if name == "Content-Type" else reply)
        with suppress(FhirUnavailable):
            assert connect().ask("Patient/1") == FOUND


@for_each("query", ["Patient/p-secret", "Condition?patient=p-secret"])
def test_ids_are_in_no_reason(web: RequestsMock, connect: Connect, query: str) -> None:
    """Row 85: a reason names neither the patient, nor the token, nor the address, nor what the server wrote."""
    answering(web, f"{BASE}/{query}", Reply(403, json.dumps({"x": "Mustermann"}).encode()))
    with pytest.raises(FhirUnavailable, match="403") as caught:
        connect().ask(query)

    said = str(caught.value)
    assert [part for part in ("p-secret", BEARER, "127.0.0.1", "Mustermann", "8080") if part in said] == []


# Where it leads.


@for_each("status", [301, 302, 303, 307, 308])
@for_each(
    "to", [f"http://{HOST}/other/Patient/1", "/other/Patient/1", "../../other/Patient/1", f"//{HOST}/other/Patient/1"]
)
def test_redirect_on_the_origin(web: RequestsMock, connect: Connect, status: int, to: str) -> None:
    """Row 81: a redirect on the server's own origin is followed, with the token."""
    answering(web, READ, _to(to, status))
    answering(web, f"http://{HOST}/other/Patient/1", Reply())

    assert connect().ask("Patient/1") == FOUND
    assert _tokens(web) == [f"Bearer {BEARER}"] * 2


@for_each(("status", "method"), [(301, "POST"), (302, "POST"), (303, "GET"), (307, "POST")])
def test_redirected_search(web: RequestsMock, connect: Connect, status: int, method: str) -> None:
    """Section 5: a redirected POST keeps its form, so that the query stays what it was; 303 asks for a GET."""
    answering(web, f"{BASE}/Condition/_search", _to("/other/_search", status), method="POST")
    answering(web, f"http://{HOST}/other/_search", Reply(), method=method)
    connect(post_search=True).ask("Condition?patient=1")

    again = _sent(web)[1]
    assert (again.method, again.body) == (method, "patient=1" if method == "POST" else None)
    assert ("Content-Type" in again.headers) == (method == "POST")


def test_redirect_with_a_body(web: RequestsMock, connect: Connect) -> None:
    """CDS_FHIR_MAX_BYTES: nobody needs the body of a redirect, so one that unpacks to 64 MiB takes no memory."""
    bomb = _packed(gzip.compress(bytes(64 * MIB)))
    answering(web, READ, replace(bomb, status=302, headers=(*bomb.headers, ("Location", "/other"))))
    answering(web, f"http://{HOST}/other", Reply())
    tracemalloc.start()
    try:
        connect().ask("Patient/1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(web.calls) == 2
    assert most < 8 * MIB


ANOTHER = {
    "port": "http://127.0.0.1:8081/fhir/x",
    "default port": "http://127.0.0.1/fhir/x",
    "host": "http://127.0.0.2:8080/fhir/x",
    "name of the same": "http://localhost:8080/fhir/x",
    "trailing dot": "http://127.0.0.1.:8080/fhir/x",
    "IPv6": "http://[::1]:8080/fhir/x",
    "mapped": "http://[::ffff:127.0.0.1]:8080/fhir/x",
    "number": "http://2130706433:8080/fhir/x",
    "short": "http://127.1:8080/fhir/x",
    "scheme": "https://127.0.0.1:8080/fhir/x",
    "no scheme": "//127.0.0.1:8081/fhir/x",
    "user information": "http://a@127.0.0.1:8080/fhir/x",
    "empty user information": "http://@127.0.0.1:8080/fhir/x",
    "user that looks like it": "http://127.0.0.1:8080@127.0.0.1:8081/fhir/x",
    "user with a backslash": "http://127.0.0.1:8081\\@127.0.0.1:8080/fhir/x",
    "backslashes": "\\\\127.0.0.1:8081\\fhir\\x",
    "one backslash": "/\\127.0.0.1:8081/fhir/x",
    "tab": "/\t/127.0.0.1:8081/fhir/x",
    "brackets": "http://127.0.0.1:8081[::1]:8080/fhir/x",
    "ftp": "ftp://127.0.0.1:8080/fhir/x",
    "file": "file:///etc/passwd",
    "data": "data:application/fhir+json,{}",
    "metadata": "http://169.254.169.254/latest/meta-data",
    "no number": "http://127.0.0.1:x/fhir/x",
    "two ports": "http://127.0.0.1:8080:8081/fhir/x",
}
"""Addresses that are not on the origin of the server, though some look like it."""


@for_each("link", ANOTHER.values(), ids=ANOTHER)
def test_never_elsewhere(web: RequestsMock, connect: Connect, link: str) -> None:
    """Rows 71, 81: neither a `next` link nor a redirect leads to another origin: no call, no token."""
    reasons = []
    for status in (301, 303, 307):
        answering(web, READ, _to(link, status))
        with pytest.raises(FhirUnavailable, match=ELSEWHERE) as caught:
            connect().ask("Patient/1")
        reasons.append(str(caught.value))
    with pytest.raises(FhirUnavailable, match=ELSEWHERE) as caught:
        connect().follow(link)
    reasons.append(str(caught.value))

    assert {urlsplit(str(request.url)).netloc for request in _sent(web)} == {HOST}
    assert len(web.calls) == 3
    assert [part for part in ("127.0", "169.254", "fhir/x", BEARER) if part in " ".join(reasons)] == []


NEXT: dict[str, Any] = {
    f"{BASE}/page/2": f"{BASE}/page/2",
    "page/2": f"{BASE}/page/2",
    "?page=2": f"{BASE}/?page=2",
    "/fhir?page=2": f"{BASE}?page=2",
    f"{BASE}?_getpages=1&_offset=50": f"{BASE}?_getpages=1&_offset=50",
}


@for_each(("link", "url"), NEXT.items())
def test_next_page(web: RequestsMock, connect: Connect, link: str, url: str) -> None:
    """Rows 70, 71, 81: a `next` link on the origin is followed with the token, also a relative one."""
    answering(web, url, Reply())

    assert connect().follow(link) == FOUND
    assert _tokens(web) == [f"Bearer {BEARER}"]


@for_each("link", [f"{BASE}/a b", f"{BASE}/é"])
def test_next_page_that_is_no_url(web: RequestsMock, connect: Connect, link: str) -> None:
    """Row 71: what is not written as a URL is not followed."""
    with pytest.raises(FhirUnavailable):
        connect().follow(link)
    assert len(web.calls) == 0
