"""The client on the wire (conformance rows 71, 80, 81, 91): what is sent, where a redirect may lead, when it is a POST.

A server on loopback writes every call down. Faults of servers are tested through HTTP, in `tests/web/test_faults.py`.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from cds_service.fhir.client import ClientLimits, FhirClient, FhirServer, FhirUnavailable
from cds_service.fhir.servers import ServerRules
from cds_service.fhir.transport import Deadline
from cds_service.hooks.templates import fill
from tests.hooks.test_templates import ODD, TEMPLATES
from tests.support.recording_server import BASE, Call, RecordingServer, Reply, redirect, reply, watch_connections

LIMITS = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=None, connections=4)
BEARER = "s3cr3t.Token"
FOUND = {"resourceType": "Bundle"}
MIB = 1024 * 1024
Connect = Callable[..., FhirServer]


@pytest.fixture
def server(running: RecordingServer) -> RecordingServer:
    """The FHIR server, which has not been called yet; it answers everything with an empty Bundle."""
    running.reset(lambda _: reply(FOUND))
    return running


@pytest.fixture(scope="module")
def connect(running: RecordingServer) -> Iterator[Connect]:
    """Connects to the server, with a token and by the default rules."""
    clients = {
        post_search: FhirClient(ServerRules(), replace(LIMITS, post_search=post_search))
        for post_search in (False, True)
    }

    def connected(*, post_search: bool = False, token: str | None = BEARER, host: str = "127.0.0.1") -> FhirServer:
        return clients[post_search].connect(running.url(host), token, Deadline(30))

    yield connected
    for client in clients.values():
        client.close()


def _then_found(first: Reply) -> Callable[[Call], Reply]:
    """The *first* reply once, then the Bundle."""
    left = [first]
    return lambda _: left.pop() if left else reply(FOUND)


def test_read_and_search(server: RecordingServer, connect: Connect) -> None:
    """Rows 80, 81: reads and searches are GETs below the base URL, with the token, and ask for FHIR JSON."""
    fhir = connect()
    fhir.ask("Patient/1")
    fhir.ask("Condition?patient=1&_count=200")

    assert [(call.method, call.target) for call in server.calls] == [
        ("GET", f"{BASE}/Patient/1"),
        ("GET", f"{BASE}/Condition?patient=1&_count=200"),
    ]
    for call in server.calls:
        assert call.header("Authorization") == [f"Bearer {BEARER}"]
        assert call.header("Accept")[0].startswith("application/fhir+json")
        assert call.header("Host") == [f"127.0.0.1:{server.port}"]
        assert call.body == b""


def test_without_a_token(server: RecordingServer, connect: Connect) -> None:
    """Row 89: without a token there is no Authorization header."""
    connect(token=None).ask("Patient/1")

    assert server.calls[0].header("Authorization") == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
def test_name(server: RecordingServer, connect: Connect, host: str) -> None:
    """Row 80: a name is sent as `Host`, with the port."""
    connect(host=host).ask("Patient/1")

    assert server.calls[0].header("Host") == [f"localhost:{server.port}"]


@pytest.mark.parametrize("patient_id", ODD, ids=ascii)
@pytest.mark.parametrize("key", ["patient", "conditions"])
def test_odd_ids_on_the_wire(server: RecordingServer, connect: Connect, key: str, patient_id: str) -> None:
    """Rows 46, 47: what reaches the server asks for just the patient of the context, whatever the id holds."""
    connect().ask(fill(TEMPLATES[key], patient_id))

    (call,) = server.calls
    escaped = "".join(f"\\{character}" if character in "\\,|$" else character for character in patient_id)
    assert [name for name, _ in call.headers if name.lower().startswith("x-")] == []
    if key == "patient":
        assert call.target.startswith(f"{BASE}/Patient/")
        assert unquote(call.target.removeprefix(f"{BASE}/Patient/")) == patient_id
        assert call.target.count("/") == 3
    else:
        assert call.path.removesuffix("/_search") == f"{BASE}/Condition"
        assert call.parameters == [("patient", escaped), ("_count", "200")]


def test_post_search(server: RecordingServer, connect: Connect) -> None:
    """CDS_FHIR_POST_SEARCH: a search is a POST of a form to `_search`; no parameter stands in the URL, no id in it."""
    connect(post_search=True).ask(fill(TEMPLATES["vitaminD"], "p-secret"))

    (call,) = server.calls
    assert call.method == "POST"
    assert call.target == f"{BASE}/Observation/_search"
    assert call.header("Content-Type") == ["application/x-www-form-urlencoded"]
    assert call.header("Authorization") == [f"Bearer {BEARER}"]
    assert ("patient", "p-secret") in call.parameters
    assert call.key == "vitaminD"


def test_read_with_post_search(server: RecordingServer, connect: Connect) -> None:
    """CDS_FHIR_POST_SEARCH: a read stays a GET: FHIR has no other."""
    connect(post_search=True).ask("Patient/1")

    assert [(call.method, call.target) for call in server.calls] == [("GET", f"{BASE}/Patient/1")]


def test_long_searches_are_posts(server: RecordingServer, connect: Connect) -> None:
    """Section 5: a search whose URL is longer than 2,000 characters is a POST: proxies cut long URLs."""
    fhir = connect()
    room = 2000 - len(f"{server.url()}/Condition?patient=")
    fhir.ask(f"Condition?patient={'x' * room}")
    fhir.ask(f"Condition?patient={'x' * (room + 1)}")

    assert [call.method for call in server.calls] == ["GET", "POST"]
    assert server.calls[1].target == f"{BASE}/Condition/_search"
    assert server.calls[1].parameters == [("patient", "x" * (room + 1))]


@pytest.mark.parametrize("patient_id", ["x" * 3000, "&patient=other" * 300, "é" * 1500], ids=["long", "sly", "unicode"])
def test_form_of_a_long_id(server: RecordingServer, connect: Connect, patient_id: str) -> None:
    """Row 47: in a form, too, an id stays one parameter."""
    connect().ask(fill(TEMPLATES["conditions"], patient_id))

    (call,) = server.calls
    assert (call.method, call.target) == ("POST", f"{BASE}/Condition/_search")
    assert call.parameters == [("patient", patient_id), ("_count", "200")]
    assert call.header("Content-Length") == [str(len(call.body))]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["{origin}/other/Patient/1", "/other/Patient/1", "../other/Patient/1", "//{host}/other/Patient/1"]
)
def test_redirect_on_the_origin(server: RecordingServer, connect: Connect, status: int, to: str) -> None:
    """Row 81: a redirect on the server's own origin is followed, with the token."""
    host = f"127.0.0.1:{server.port}"
    server.answer = _then_found(redirect(to.format(origin=f"http://{host}", host=host), status))
    connect().ask("Patient/1")

    first, second = (call.target for call in server.calls)
    assert first == f"{BASE}/Patient/1"
    assert second.endswith("other/Patient/1")
    assert [call.header("Authorization") for call in server.calls] == [[f"Bearer {BEARER}"]] * 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirected_search_stays_a_post(server: RecordingServer, connect: Connect, status: int) -> None:
    """Section 5: a redirected POST keeps its form, so that the query stays what it was."""
    server.answer = _then_found(redirect("/other/_search", status))
    connect(post_search=True).ask("Condition?patient=1")

    assert [(call.method, call.target, call.body) for call in server.calls] == [
        ("POST", f"{BASE}/Condition/_search", b"patient=1"),
        ("POST", "/other/_search", b"patient=1"),
    ]


def test_redirect_with_a_body(server: RecordingServer, connect: Connect) -> None:
    """CDS_FHIR_MAX_BYTES: nobody needs the body of a redirect, so one that unpacks to 64 MiB takes no memory."""
    bomb = gzip.compress(bytes(64 * MIB))
    server.answer = _then_found(Reply(302, bomb, {"Location": "/other", "Content-Encoding": "gzip"}))
    fhir = connect()
    tracemalloc.start()
    try:
        fhir.ask("Patient/1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(server.calls) == 2
    assert most < 8 * MIB


def test_see_other(server: RecordingServer, connect: Connect) -> None:
    """Section 5: 303 says that the answer is to be had with GET."""
    server.answer = _then_found(redirect("/result/1", 303))
    connect(post_search=True).ask("Condition?patient=1")

    assert (server.calls[1].method, server.calls[1].target, server.calls[1].body) == ("GET", "/result/1", b"")
    assert server.calls[1].header("Content-Type") == []


def _elsewhere(port: int, other: int) -> dict[str, str]:
    """Addresses that are not on the origin of the server at *port*, though some look like it."""
    return {
        "port": f"http://127.0.0.1:{other}/fhir/x",
        "default port": "http://127.0.0.1/fhir/x",
        "host": f"http://127.0.0.2:{port}/fhir/x",
        "name of the same": f"http://localhost:{port}/fhir/x",
        "trailing dot": f"http://127.0.0.1.:{port}/fhir/x",
        "IPv6": f"http://[::1]:{port}/fhir/x",
        "mapped": f"http://[::ffff:127.0.0.1]:{port}/fhir/x",
        "number": f"http://2130706433:{port}/fhir/x",
        "short": f"http://127.1:{port}/fhir/x",
        "scheme": f"https://127.0.0.1:{port}/fhir/x",
        "no scheme": f"//127.0.0.1:{other}/fhir/x",
        "user information": f"http://a@127.0.0.1:{port}/fhir/x",
        "empty user information": f"http://@127.0.0.1:{port}/fhir/x",
        "user that looks like it": f"http://127.0.0.1:{port}@127.0.0.1:{other}/fhir/x",
        "user with a backslash": f"http://127.0.0.1:{other}\\@127.0.0.1:{port}/fhir/x",
        "backslashes": f"\\\\127.0.0.1:{other}\\fhir\\x",
        "one backslash": f"/\\127.0.0.1:{other}/fhir/x",
        "tab": f"/\t/127.0.0.1:{other}/fhir/x",
        "brackets": f"http://127.0.0.1:{other}[::1]:{port}/fhir/x",
        "ftp": f"ftp://127.0.0.1:{port}/fhir/x",
        "file": "file:///etc/passwd",
        "data": "data:application/fhir+json,{}",
        "metadata": "http://169.254.169.254/latest/meta-data",
        "no number": "http://127.0.0.1:x/fhir/x",
        "two ports": f"http://127.0.0.1:{port}:{other}/fhir/x",
    }


@pytest.mark.parametrize("kind", _elsewhere(1, 2))
@pytest.mark.parametrize("way", ["next", 301, 303, 307])
def test_never_elsewhere(
    monkeypatch: pytest.MonkeyPatch, server: RecordingServer, connect: Connect, way: str | int, kind: str
) -> None:
    """Rows 71, 81: neither a `next` link nor a redirect leads to another origin: no call, no token, no connection."""
    with RecordingServer() as other:
        link = _elsewhere(server.port, other.port)[kind]
        server.answer = lambda _: redirect(link, 302 if way == "next" else int(way))
        opened = watch_connections(monkeypatch)
        ask = connect().follow if way == "next" else connect().ask
        with pytest.raises(FhirUnavailable, match="another server") as caught:
            ask(link if way == "next" else "Patient/1")

        assert other.calls == []
    assert {port for _, port in opened} <= {server.port}
    assert len(server.calls) == (0 if way == "next" else 1)
    assert [part for part in ("127.0", "169.254", "fhir/x", BEARER) if part in str(caught.value)] == []


@pytest.mark.parametrize(
    "link",
    ["{base}/page/2", "page/2", "?page=2", "/fhir?page=2", "{base}?_getpages=1&_offset=50", "{base}/a b", "{base}/é"],
)
def test_next_page(server: RecordingServer, connect: Connect, link: str) -> None:
    """Rows 70, 71, 81: a `next` link on the origin is followed with the token, also a relative one."""
    connect_to = connect()
    if " " in link or "é" in link:
        with pytest.raises(FhirUnavailable):
            connect_to.follow(link.format(base=server.url()))
        return
    connect_to.follow(link.format(base=server.url()))

    (call,) = server.calls
    assert call.method == "GET"
    assert call.target.startswith(BASE)
    assert call.header("Authorization") == [f"Bearer {BEARER}"]


def test_cookies(server: RecordingServer, connect: Connect) -> None:
    """Row 87: a cookie of the server is not kept: it could tie one user's call to another's."""
    answer = reply(FOUND)
    server.answer = lambda _: replace(answer, headers={**answer.headers, "Set-Cookie": "session=1; Path=/"})
    fhir = connect()
    fhir.ask("Patient/1")
    fhir.ask("Patient/1")

    assert [call.header("Cookie") for call in server.calls] == [[], []]


@pytest.mark.parametrize("token", [None, BEARER])
def test_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: RecordingServer, connect: Connect, token: str | None
) -> None:
    """Row 81: a password of the machine's `.netrc` is neither sent nor put in place of the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login us3r password passw0rd\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    connect(token=token).ask("Patient/1")

    assert server.calls[0].header("Authorization") == ([] if token is None else [f"Bearer {BEARER}"])


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "9" * 400,
        "-1",
        "1e9",
        "nan",
        "soon",
        "",
        "٣",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("status", [200, 503])
def test_retry_after_is_any_text(server: RecordingServer, connect: Connect, status: int, value: str) -> None:
    """Row 73: whatever a server writes as `Retry-After`, the call ends in an answer or in a reason."""
    headers = {"Content-Type": "application/fhir+json", "Retry-After": value.encode().decode("latin-1")}
    server.answer = lambda _: Reply(status, b'{"resourceType": "Bundle"}', headers)
    fhir = connect()

    if status == 200:
        assert fhir.ask("Patient/1")
    else:
        with pytest.raises(FhirUnavailable, match="503"):
            fhir.ask("Patient/1")


@pytest.mark.parametrize("header", ["ﬁ", "\x80", "é"])
@pytest.mark.parametrize("name", ["Location", "Content-Type", "Set-Cookie", "Content-Encoding"])
def test_headers_are_any_bytes(server: RecordingServer, connect: Connect, name: str, header: str) -> None:
    """Row 73: whatever bytes stand in a header of the server, the call ends in an answer or in a reason."""
    server.answer = lambda _: Reply(
        302 if name == "Location" else 200, b"{}", {name: header.encode().decode("latin-1")}
    )
    with suppress(FhirUnavailable):
        assert connect().ask("Patient/1") == b"{}"


@pytest.mark.parametrize("query", ["Patient/1", "Condition?patient=1"])
def test_ids_are_in_no_reason(server: RecordingServer, connect: Connect, query: str) -> None:
    """Row 85: a reason names neither the patient, nor the token, nor the address, nor what the server wrote."""
    server.answer = lambda _: Reply(403, quote("Mustermann").encode(), {"Content-Type": "text/plain"})
    with pytest.raises(FhirUnavailable, match="403") as caught:
        connect().ask(query.replace("1", "p-secret"))

    said = str(caught.value)
    assert [part for part in ("p-secret", BEARER, "127.0.0.1", "Mustermann", str(server.port)) if part in said] == []
