"""What stands before the application in a real server process: slow and large bodies, too many calls, heads, TLS."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import Mock
from wsgiref.types import WSGIEnvironment

import pytest
import requests
from fhir.resources.R4B.operationoutcome import OperationOutcome

from cds_service import create_app, work
from cds_service.serving.bodies import BodyLimits
from cds_service.serving.front import Front, FrontLimits
from cds_service.settings import Settings
from cds_service.web.modes import Unread
from cds_service.web.status_codes import REFUSALS, REFUSED
from tests.support.certificates import Authority
from tests.support.fixtures import FOLDER
from tests.support.recording_server import RecordingServer
from tests.support.serving import COMMAND, Served, environment, serving
from tests.support.wire import PATIENCE as PATIENT
from tests.support.wire import Answer, Wire, ask, chunked, request
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, Json, golden
from tests.web.holding import IN_TIME, Held, busy, costly, held, post

pytestmark = pytest.mark.served

JSON = "Content-Type: application/json"
SMALL = 4096
GOLDEN = json.dumps(golden()).encode()
HEAD = Mock(method="GET", path=DISCOVERY, headers={"host": "localhost"})
HEAD.configure_mock(server="a:1", client="b:2", scheme="http", http_version="1.1", query_string="")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the address that is refused


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The service with default limits, on the day of the golden request."""
    with serving(as_of=TODAY) as found:
        yield found


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    """The service with one thread, little time and little room."""
    with serving(as_of=TODAY, body_timeout=0.5, idle_timeout=1, max_body=SMALL, threads=1, waiting=0) as found:
        yield found


def said(answer: Answer) -> str:
    """The sentence of an error body, which must be an OperationOutcome declared as JSON."""
    assert answer.headers["content-type"] == "application/json"
    OperationOutcome.model_validate(answer.json)
    (issue,) = answer.json["issue"]
    sentence: str = issue["diagnostics"]
    return sentence


# Bodies that do not come, or are too large.


def test_golden_request(served: Served) -> None:
    """A whole request is answered with cards: by length, in chunks, and by HTTP/1.0."""
    head = request("POST", URL, JSON, "Transfer-Encoding: chunked")
    answers = [
        ask(served.port, request("POST", URL, JSON, body=GOLDEN)),
        ask(served.port, head + chunked(*(GOLDEN[at : at + 1000] for at in range(0, len(GOLDEN), 1000)))),
        ask(served.port, request("POST", URL, JSON, body=GOLDEN, version="1.0")),
    ]

    assert [answer.status for answer in answers] == [200] * 3
    assert all(answer.json["cards"] for answer in answers)


def test_continue(served: Served) -> None:
    """A client that waits for 100 Continue before it sends its body gets it, and then its answer."""
    with Wire(served.port) as wire:
        wire.send(request("POST", URL, JSON, "Expect: 100-continue", f"Content-Length: {len(GOLDEN)}"))
        interim = wire.socket.recv(1000)
        answer = wire.send(GOLDEN).whole()

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert answer.status == 200


def test_body_that_never_comes(impatient: Served) -> None:
    """A body that is announced and not sent is 408, and the connection is closed."""
    with Wire(impatient.port) as wire:
        answer = wire.send(request("POST", URL, JSON, "Content-Length: 100")).whole()

        assert answer.status == 408
        assert "CDS_BODY_TIMEOUT" in said(answer)
        assert wire.is_closed()


def test_trickling_body(impatient: Served) -> None:
    """A body that comes byte by byte, never pausing for long, is 408 all the same."""
    with Wire(impatient.port) as wire:
        wire.send(request("POST", URL, JSON, "Content-Length: 4000"))
        wire.socket.settimeout(0.1)
        answer = None
        for _ in range(300):
            try:
                answer = wire.send(b" ").answer()
                break
            except TimeoutError:
                continue

        assert answer is not None
        assert answer.status == 408
        wire.socket.settimeout(PATIENT)
        assert wire.is_closed()


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
def test_connection_without_a_head(impatient: Served, begun: bytes) -> None:
    """A connection that says nothing, or half a head, is closed after CDS_IDLE_TIMEOUT."""
    with Wire(impatient.port) as wire:
        wire.send(begun)

        assert wire.answer("GET") is None or wire.is_closed()


@pytest.mark.parametrize("size", [SMALL + 1, 10**12, 10**30])
@pytest.mark.parametrize("expects", [[], ["Expect: 100-continue"]])
def test_declared_body_too_large(impatient: Served, size: int, expects: list[str]) -> None:
    """A body that is announced as too large is refused before any of it is read, and what follows is no request."""
    with Wire(impatient.port) as wire:
        answer = wire.send(request("POST", URL, JSON, f"Content-Length: {size}", *expects)).answer()
        wire.send(request("GET", "/healthz"))

        if answer is None or answer.status == 400:
            assert size > 2**64  # no length at all, for the server
            return
        assert answer.status == 413
        assert "CDS_MAX_BODY" in said(answer)
        assert wire.is_closed()


def test_body_in_chunks_too_large(impatient: Served) -> None:
    """A body in chunks is refused as soon as too much of it has come."""
    with Wire(impatient.port) as wire:
        wire.send(request("POST", URL, JSON, "Transfer-Encoding: chunked"))
        answer = wire.send(b"1000\r\n" + b" " * SMALL + b"\r\n", b"1\r\n \r\n").whole()

        assert answer.status == 413
        assert "CDS_MAX_BODY" in said(answer)
        assert wire.is_closed()


def test_largest_body(impatient: Served) -> None:
    """A body of just the largest size is read: it is refused for what is in it."""
    body = b"{}".ljust(SMALL)
    head = request("POST", URL, JSON, "Transfer-Encoding: chunked")

    assert ask(impatient.port, request("POST", URL, JSON, body=body)).status == 400
    assert ask(impatient.port, head + chunked(body)).status == 400


@pytest.mark.parametrize("target", ["/healthz", DISCOVERY])
def test_body_that_is_not_wanted(served: Served, target: str) -> None:
    """A body sent with GET is never taken for the next request on the connection."""
    hidden = request("DELETE", "/healthz")
    with Wire(served.port) as wire:
        first = wire.send(request("GET", target, body=hidden), request("GET", "/healthz")).whole("GET")
        second = wire.answer("GET")

    assert first.status == 200
    assert second is None or (second.status, second.json) == (200, {"status": "ok"})


def test_body_cut_off(served: Served) -> None:
    """A body shorter than announced was cut off on its way: it is not answered as if it were whole."""
    with Wire(served.port) as wire:
        sent = request("POST", URL, JSON, f"Content-Length: {len(GOLDEN) + 100}") + GOLDEN
        answer = wire.send(sent).end().answer()

    assert answer is None or answer.status in (400, 408)


def test_chunks_cut_off(served: Served) -> None:
    """A body in chunks that breaks off before its JSON ends is not answered as if it were whole."""
    with Wire(served.port) as wire:
        part = GOLDEN[:-1]
        sent = request("POST", URL, JSON, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(part), part)
        answer = wire.send(sent).end().answer()

    assert answer is None or answer.status in (400, 408)


# More than is taken on.


def test_slow_bodies_hold_no_thread() -> None:
    """A hundred bodies that do not come keep no other request from its answer, though there is but one thread."""
    with serving(as_of=TODAY, threads=1, waiting=0, body_timeout=PATIENT) as served:
        wires = [Wire(served.port) for _ in range(100)]
        try:
            for wire in wires:
                wire.send(request("POST", URL, JSON, f"Content-Length: {len(GOLDEN)}"), GOLDEN[:100])
            answers = [ask(served.port, request("POST", URL, JSON, body=GOLDEN)) for _ in range(3)]
            late = wires[0].send(GOLDEN[100:]).whole()
        finally:
            for wire in wires:
                wire.socket.close()

    assert [answer.status for answer in answers] == [200] * 3
    assert late.status == 200


def test_too_many_calls() -> None:
    """Beyond CDS_THREADS and CDS_WAITING a call is 503, which a browser can read; health is told all the same."""
    with serving(as_of=TODAY, threads=1, waiting=0, strict_fhir=True, **IN_TIME) as served:
        with busy(served) as first:
            refused = post(served, golden(), Origin=LOCAL)
            health = requests.get(f"{served.url}/healthz", timeout=PATIENT)
        assert first.result().status_code == 200
        again = post(served, golden())

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["Access-Control-Allow-Origin"] == LOCAL
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    OperationOutcome.model_validate(refused.json())
    assert health.status_code == 200
    assert again.status_code == 200


def test_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has no thread left a call is 503, and holds nothing that a later one needs."""
    limits = FrontLimits(working=1, waiting=0, aside=0, deadline=PATIENT)
    app = create_app(Settings(as_of=TODAY))
    unread = Unread(app.extensions["cds_modes"], app.extensions["cds_engine"].registry)
    front = Front(app, limits, BodyLimits(SMALL, SMALL, PATIENT), None, unread, lambda: None)
    answered = Mock(client_disconnect=asyncio.Future)
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        asyncio.run(front.__rsgi__(HEAD, answered))
    asyncio.run(front.__rsgi__(HEAD, answered))

    assert [call.args[0] for call in answered.response_bytes.call_args_list] == [503, 200]


def test_calls_wait_their_turn() -> None:
    """As many calls as CDS_WAITING says wait, and are answered when it is their turn."""
    with (
        serving(as_of=TODAY, threads=1, waiting=1, strict_fhir=True, **IN_TIME) as served,
        ThreadPoolExecutor() as threads,
    ):
        assert post(served, golden()).status_code == 200  # what validates is imported
        calls = [threads.submit(post, served, costly(10_000)) for _ in range(4)]
        statuses = sorted(call.result().status_code for call in calls)

    assert statuses == [200, 200, 503, 503]


def test_call_that_takes_too_long() -> None:
    """A call that is not answered within CDS_REQUEST_DEADLINE is 503."""
    settings: dict[str, Any] = {"fhir_deadline": 3, "fhir_read_timeout": 3, "request_deadline": 0.5}
    with serving(as_of=TODAY, threads=1, waiting=0, **settings) as served, held(served) as call:
        answer = call.result()

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "CDS_REQUEST_DEADLINE" in answer.json()["issue"][0]["diagnostics"]


def test_computing_for_a_client_that_has_gone_ends() -> None:
    """What computes for nobody any more is ended at once, and the thread is free."""
    begun, ended = Event(), Event()

    def computes_for_ever(environment: WSGIEnvironment, start_response: Any) -> list[bytes]:
        if REFUSED in environment:
            start_response(f"{REFUSALS[type(environment[REFUSED])].status} Gone", [])
            return [b""]
        try:
            with work.endable():
                begun.set()
                while True:
                    sum(range(100))
        finally:
            ended.set()

    async def answered() -> Mock:
        """Call, and go away once it is worked on."""
        exchange = Mock(client_disconnect=lambda: asyncio.to_thread(begun.wait, PATIENT))
        await front.__rsgi__(HEAD, exchange)
        return exchange

    limits = FrontLimits(working=1, waiting=0, aside=0, deadline=10 * PATIENT)
    front = Front(
        computes_for_ever,
        limits,
        BodyLimits(SMALL, SMALL, PATIENT),
        None,
        Mock(asked=Mock(return_value=None)),
        lambda: None,
    )
    exchange = asyncio.run(answered())

    assert ended.wait(PATIENT)
    assert exchange.response_bytes.call_args.args[0] == 499


def test_client_that_has_gone_is_noticed() -> None:
    """An order-select whose client closes the connection while the FHIR server lets it wait is over, and counted so."""
    hold, asked = Held(), json.loads((FOLDER / "orders" / "o6-calcitriol-for-deficiency" / "request.json").read_bytes())
    with serving(as_of=TODAY, threads=1, waiting=0, **IN_TIME) as served, RecordingServer(hold) as fhir:
        body = {**asked, "prefetch": {"patient": asked["prefetch"]["patient"]}, "fhirServer": fhir.url()}
        with Wire(served.port) as wire:
            wire.send(request("POST", f"{URL}-order-select", JSON, body=json.dumps(body).encode()))
            assert hold.arrived.wait(PATIENT)
        counted = (requests.get(f"{served.url}/metrics", timeout=PATIENT).text for _ in range(5_000))
        noticed = any('cds_refused_calls_total{reason="client-gone"} 1' in numbers for numbers in counted)
        hold.released.set()

    assert noticed


def test_killed_worker() -> None:
    """A worker that dies in mid-request closes the connection, without an answer; another takes its place."""
    with serving(as_of=TODAY, **IN_TIME) as served:
        (worker,) = served.workers
        with held(served) as call:
            os.kill(worker, signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                call.result()
        served.wait()
        answer = post(served, golden())
        (successor,) = served.workers

    assert answer.status_code == 200
    assert successor != worker


def test_ends_while_a_process_is_replaced() -> None:
    """Asked to end while a process takes the place of one that died, the service ends all the same."""
    with serving(as_of=TODAY, workers=2, request_deadline=1, feedback=False) as served:
        os.kill(served.workers[0], signal.SIGKILL)
        served.wait()
        served.stop()

    assert served.status != -signal.SIGKILL


# Heads.

HEADS = {
    "discovery": request("GET", DISCOVERY),
    "call": request("POST", URL, JSON, body=GOLDEN),
    "not JSON": request("POST", URL, JSON, body=b"{"),
    "wrong type": request("POST", URL, "Content-Type: text/plain", body=b"{}"),
    "no such address": request("GET", "/nothing"),
    "no such service": request("POST", f"{DISCOVERY}/nothing", JSON, body=b"{}"),
    "wrong method": request("DELETE", DISCOVERY),
    "unknown method": request("BREW", "/healthz"),
    "health": request("GET", "/healthz"),
    "description": request("GET", "/openapi.json"),
    "preflight": request("OPTIONS", URL, f"Origin: {LOCAL}", "Access-Control-Request-Method: POST"),
    "too large": request("POST", URL, JSON, "Content-Length: 99999999"),
    "broken line": b"nonsense\r\n\r\n",
    "broken header": b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
    "two lengths": request("POST", URL, JSON, "Content-Length: 1", "Content-Length: 2"),
    "long header": request("GET", "/healthz", f"X-Long: {'a' * 1_000_000}"),
    "many headers": request("GET", "/healthz", *(f"X-{place}: a" for place in range(500))),
    "websocket": request("GET", "/healthz", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "old version": b"GET /healthz HTTP/0.9\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_no_answer_names_the_server(served: Served, name: str) -> None:
    """No header of any answer names a product that serves, or a version; no head, however broken, is a 5xx."""
    with Wire(served.port) as wire:
        answer = wire.send(HEADS[name]).answer("GET")

    if answer is None:
        return
    assert answer.status < 500 or name in ("too large", "call", "websocket")
    text = "\n".join(f"{header}: {value}" for header, value in answer.headers.items()).lower()
    assert not re.search(r"granian|hyper|python|werkzeug|flask|rust|\d+\.\d+\.\d+|/\d+\.\d+", text), text
    assert answer.headers.get("server", "cds-service") == "cds-service"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/%68ealthz", 200),
        ("/%63ds-services", 200),
        ("/cds%2Dservices", 200),
        ("/cds-services/", 200),
        ("//cds-services", 200),
        ("/cds-services?%ff=%00", 200),
        ("/cds-services%3Fx", 404),
        ("/%C3%BC", 404),
        ("/%ff", 404),
        ("/%00", 404),
        ("/cds-services%00", 404),
        ("/healthz%0d%0aX-Injected:%20yes", 404),
        ("/..%2f..%2fetc/passwd", 404),
        ("/%", 404),
        ("/%zz", 404),
    ],
)
def test_paths(served: Served, target: str, status: int) -> None:
    """A path is decoded once, and one that cannot be decoded is simply not there."""
    answer = ask(served.port, request("GET", target), "GET")

    assert answer.status == status
    assert "x-injected" not in answer.headers
    if status == 404:
        assert said(answer)


def test_underscore_stands_for_no_hyphen(served: Served) -> None:
    """A header with an underscore is not taken for the one with a hyphen: Content_Type declares nothing."""
    sneaked = "Content_Type: application/json"
    alone = ask(served.port, request("POST", URL, sneaked, body=GOLDEN))
    beside = ask(served.port, request("POST", URL, "Content-Type: text/plain", sneaked, body=GOLDEN))
    harmless = ask(served.port, request("POST", URL, JSON, "Content_Type: text/plain", body=GOLDEN))

    assert [alone.status, beside.status, harmless.status] == [415, 415, 200]


@pytest.mark.parametrize(
    "header",
    [
        "Content_Length: 0",
        "Transfer_Encoding: chunked",
        "X_Forwarded_For: 192.0.2.1",
        "X_Forwarded_Proto: https",
        "X-Forwarded-Host: elsewhere.example",
        "X-Forwarded-Proto: https",
        "X-HTTP-Method-Override: DELETE",
        "X-Original-URL: /healthz",
    ],
)
def test_headers_that_change_nothing(served: Served, header: str) -> None:
    """Headers that some servers let change what is called change nothing here."""
    answer = ask(served.port, request("POST", URL, JSON, header, body=GOLDEN))

    assert answer.status == 200
    assert answer.json["cards"]
    assert "strict-transport-security" not in answer.headers


def test_length_and_chunks(served: Served) -> None:
    """A request with both a length and chunks hides no other request: one answer, or the connection is closed."""
    head = request("POST", URL, JSON, "Content-Length: 5", "Transfer-Encoding: chunked")
    with Wire(served.port) as wire:
        first = wire.send(head, b"0\r\n\r\n", request("DELETE", "/healthz")).whole()
        second = wire.answer("DELETE")

    assert first.status == 400
    assert second is None or second.status == 405


def test_length_of_too_many_digits(served: Served) -> None:
    """A length with thousands of zeros before it, more digits than Python reads, is 400 and no fault."""
    length = str(len(GOLDEN)).zfill(4_400)
    answer = ask(served.port, request("POST", URL, JSON, f"Content-Length: {length}") + GOLDEN)

    assert answer.status == 400
    assert "Content-Length" in said(answer)


# TLS, and who is served.


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate for this machine, its key, and who signed it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.server("127.0.0.1", "localhost")
    (both,) = [file for file in folder.glob("*.pem") if file != authority.file]
    key, certificate = both.read_text(encoding="ascii").split("-----BEGIN CERTIFICATE-----")
    files = {"key": folder / "server-key.pem", "certificate": folder / "server.pem", "authority": authority.file}
    files["key"].write_text(key, encoding="ascii")
    files["certificate"].write_text(f"-----BEGIN CERTIFICATE-----{certificate}", encoding="ascii")
    return files


def test_tls(pems: dict[str, Path]) -> None:
    """With a certificate, https is served and says that it stays so; plain http on that port is not."""
    settings: dict[str, Any] = {"tls_certificate": pems["certificate"], "tls_key": pems["key"], "as_of": TODAY}
    with serving(trusted=pems["authority"], **settings) as served:
        assert served.scheme == "https"
        trust = ssl.create_default_context(cafile=pems["authority"])
        answers = []
        for sent in (request("GET", "/healthz"), request("POST", URL, JSON, body=GOLDEN), request("GET", "/nothing")):
            with Wire(served.port, trust) as wire:
                answers.append(wire.send(sent).whole())
        with Wire(served.port) as plain:
            in_plain = plain.send(request("GET", "/healthz")).socket.recv(1000)

    assert [answer.status for answer in answers] == [200, 200, 404]
    for answer in answers:
        assert re.fullmatch(r"max-age=\d{8,}.*", answer.headers["strict-transport-security"])
    assert not in_plain.startswith(b"HTTP/")


def test_old_tls_is_refused(pems: dict[str, Path]) -> None:
    """Versions of TLS before 1.2 are not served."""
    settings: dict[str, Any] = {"tls_certificate": pems["certificate"], "tls_key": pems["key"]}
    old = ssl.create_default_context(cafile=pems["authority"])
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(trusted=pems["authority"], **settings) as served, pytest.raises(OSError):  # noqa: PT011 - as it comes
        Wire(served.port, old)


def refused(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Try to serve; it must end by itself."""
    return subprocess.run(
        [COMMAND, "serve", "--port", "0", *arguments],
        env=environment(settings),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * PATIENT,
        check=False,
    )


@pytest.mark.parametrize("host", [EVERYWHERE, "::"])
@pytest.mark.parametrize(
    ("arguments", "settings"),
    [([], {}), (["--without-authentication"], {}), ([], {"auth": "off"})],
    ids=["neither", "the option", "the setting"],
)
def test_other_machines_are_refused(host: str, arguments: list[str], settings: Json) -> None:
    """Without authentication other machines are not served by who has not said so twice: exit status 2, and why."""
    ended = refused("--host", host, *arguments, **settings)

    assert ended.returncode == 2
    assert "CDS_AUTH=jwt" in ended.stderr
    assert "--without-authentication" in ended.stderr
    assert "Serving" not in ended.stdout


def test_other_machines_are_served_by_who_insists() -> None:
    """With both the setting and the option, other machines are served, and the log says that anybody may call."""
    with serving(["--host", EVERYWHERE, "--without-authentication"], auth="off", as_of=TODAY) as served:
        assert post(served, golden()).status_code == 200
        assert "AUTHENTICATION IS OFF" in served.log
