"""Nobody can starve anybody: attacks on the running service, and what other clients get beside them.

No test here measures how fast an answer is. Each holds what it attacks with until the others have their answers: where
one waits for the other, it fails.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.for_each import for_each
from tests.support.serving import serving, until
from tests.support.siege import HONEST, KEYLESS, OTHER, Siege, besieged, can_be_silenced
from tests.support.wire import PATIENCE, Wire, ask, request
from tests.web.calls import TODAY, URL, Json, golden, without
from tests.web.holding import costly

pytestmark = pytest.mark.served

CHART = json.dumps(golden()).encode()
MEBIBYTE = 1024 * 1024
FOR_EVER: dict[str, Any] = {"fhir_deadline": 30, "fhir_read_timeout": 30, "request_deadline": 60}
"""Settings: nothing ends a call but an answer that does not come."""
HUGE: dict[str, Any] = {
    "max_entries": 100_000,
    "max_resources": 100_000,
    "max_body": 32 * MEBIBYTE,
    "max_bodies": 64 * MEBIBYTE,
}
"""Settings: room for a chart that no machine validates in a few seconds."""
silenced = pytest.mark.skipif(not can_be_silenced(), reason="another name server takes root and unshare")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A service with one turn, one place at each FHIR server, and one call in each line."""
    with besieged(tmp_path_factory.mktemp("narrow"), threads=1, waiting=1, **FOR_EVER) as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A service with room for two bodies of a mebibyte, one for each client."""
    folder = tmp_path_factory.mktemp("small")
    with besieged(folder, max_body=MEBIBYTE, max_bodies=2 * MEBIBYTE, body_timeout=30, idle_timeout=1) as found:
        yield found


def chart(siege: Siege, body: Any = None, issuer: Any = HONEST) -> requests.Response:
    """Open a chart."""
    url = f"{siege.served.url}{URL}"
    return requests.post(url, json=body or golden(), headers=siege.head(issuer), timeout=2 * PATIENCE)


def insistent(siege: Siege, body: Json) -> requests.Response:
    """Open a chart, and once more as long as all turns are taken."""
    while (answer := chart(siege, body, OTHER)).status_code == 503:
        threading.Event().wait(0.05)
    return answer


def head_of(siege: Siege, issuer: Any, length: int) -> bytes:
    """The head of a call whose body is that long."""
    lines = [f"{name}: {value}" for name, value in siege.head(issuer).items()]
    return request("POST", URL, *lines, f"Content-Length: {length}")


def told(siege: Siege, name: str) -> float:
    """A number."""
    headers = {"Authorization": "Bearer numbers-for-tests"}
    text = requests.get(f"{siege.served.url}/metrics", headers=headers, timeout=PATIENCE).text
    return float(text.partition(f"\n{name} ")[2].partition("\n")[0] or "nan")


# Waiting for others.


@silenced
def test_keys_at_a_name_that_hangs(narrow: Siege) -> None:
    """Calls that name a client whose keys cannot be had hold nobody: they are 401 long before the name server gives up.

    Nobody needs a valid token for them.
    """
    with ThreadPoolExecutor(20) as threads:
        refused = [threads.submit(chart, narrow, None, KEYLESS) for _ in range(20)]
        for _ in range(5):
            assert chart(narrow).status_code == 200
        answers = [call.result() for call in refused]

    assert {answer.status_code for answer in answers} == {401}
    assert max(answer.elapsed.total_seconds() for answer in answers) < 9
    assert told(narrow, 'cds_refused_tokens_total{check="keys"}') >= 20


@pytest.mark.parametrize("hanging", [pytest.param("nameless", marks=silenced), "mute"])
def test_fhir_server_that_hangs(narrow: Siege, hanging: str) -> None:
    """A FHIR server that hangs, or its name, holds a place and a line of its own, and who finds the line full is told.

    Other servers are asked meanwhile, and charts that need nobody are answered.
    """
    asking = narrow.asking(narrow.servers[hanging])
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(insistent, narrow, asking) for _ in range(3)]
        (crowded,), waiting = wait(calls, return_when=FIRST_COMPLETED)
        assert crowded.result().status_code == 412
        assert "did not answer in time" in crowded.result().text
        prefetched = [chart(narrow) for _ in range(5)]
        fetched = chart(narrow, narrow.asking(narrow.servers["well"]))
        assert not any(call.done() for call in waiting)
        assert {answer.status_code for answer in (*prefetched, fetched)} == {200}
        assert {call.result().status_code for call in waiting} == {412}

    assert told(narrow, 'cds_fhir_calls_total{outcome="crowded"}') >= 8


def test_deadline_ends_the_work(tmp_path: Path) -> None:
    """A chart that is far too costly is 503 at its deadline, and not gone on with: the only turn is the next one's."""
    with besieged(tmp_path, threads=1, waiting=9, strict_fhir=True, request_deadline=3, **HUGE) as siege:
        for _ in range(3):
            chart(siege)  # what validates is imported
        too_late = chart(siege, costly(80_000), OTHER)
        next_one = chart(siege)

    assert too_late.status_code == 503
    assert "CDS_REQUEST_DEADLINE" in too_late.text
    assert next_one.status_code == 200


# Bodies.


def test_no_body_before_the_token(small: Siege) -> None:
    """Without a token nobody's body is waited for, let alone kept: 401 comes by the head, and no memory is taken."""
    with Wire(small.served.port) as wire:
        answer = wire.send(head_of(small, None, 1000)).whole()
    before = sum(small.served.resident.values())
    wires = [Wire(small.served.port) for _ in range(100)]
    try:
        for wire in wires:
            wire.send(head_of(small, None, MEBIBYTE), b" " * (MEBIBYTE - 1))
        taken = sum(small.served.resident.values()) - before
        assert chart(small).status_code == 200
    finally:
        for wire in wires:
            wire.socket.close()

    assert answer.status == 401
    assert taken < 25 * MEBIBYTE


def test_no_more_bodies_than_fit(small: Siege) -> None:
    """A client holds half of the room for bodies and no more; others have theirs, and what is let go is there again."""
    body = CHART.ljust(MEBIBYTE - 1)
    with Wire(small.served.port) as slow, Wire(small.served.port) as more:
        slow.send(head_of(small, OTHER, len(body)), body[:-1])
        until(lambda: told(small, "cds_body_bytes") >= len(body) - 1)
        refused = more.send(head_of(small, OTHER, len(body)), body).whole()
        assert chart(small).status_code == 200
        whole = slow.send(body[-1:]).whole()
    again = ask(small.served.port, head_of(small, OTHER, len(body)) + body)

    assert (whole.status, again.status) == (200, 200)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "CDS_MAX_BODIES" in refused.json["issue"][0]["diagnostics"]
    assert refused.headers["x-request-id"]
    assert told(small, 'cds_refused_calls_total{reason="no-room"}') == 1


def test_client_that_stops_reading(small: Siege) -> None:
    """A client that asks and asks and takes nothing of the answers is closed after CDS_IDLE_TIMEOUT."""
    (worker,) = small.served.workers
    sockets = Path(f"/proc/{worker}/fd")
    with Wire(small.served.port) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.socket.settimeout(1)
        with suppress(OSError):  # the server takes no more
            for _ in range(10_000):
                wire.socket.sendall(request("GET", "/openapi.json") * 50)
        mine = _inode_at(wire.socket.getsockname()[1])
        until(lambda: all(f"socket:[{mine}]" != _link(file) for file in sockets.iterdir()), "it is still open")


def _inode_at(port: int) -> str:
    """The number of the server's end of the connection from *port* of this machine; 0 where there is none."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port:
            return fields[9]
    return "0"


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:
        return ""


# Servers that nobody named.


@pytest.fixture
def quiet_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_no_server_is_called_that_nobody_named(tmp_path: Path, quiet_port: int) -> None:
    """With clients and without CDS_FHIR_SERVERS no port of this machine is called, and none is told from another."""
    with besieged(tmp_path, fhir_servers=()) as siege:
        url = siege.well.url()
        reasons = {
            chart(siege, {**without("vitaminD"), "fhirServer": server}, OTHER).text
            for server in (url, f"http://127.0.0.1:{quiet_port}/fhir", f"http://localhost:{siege.mute}")
        }
        calls = siege.well.calls

    (reason,) = reasons
    assert "CDS_FHIR_SERVERS" in reason
    assert calls == []


def test_ports_are_not_told_apart(quiet_port: int) -> None:
    """Without clients this machine is called; what is told of a closed port is told of any other. The log says more."""
    with serving(as_of=TODAY, fhir_deadline=1) as served, socket.create_server(("127.0.0.1", 0)) as mute:
        answers = [
            requests.post(f"{served.url}{URL}", json=_asks(f"http://127.0.0.1:{port}/x"), timeout=PATIENCE).json()
            for port in (quiet_port, mute.getsockname()[1], served.port)
        ]

        assert answers[0] == answers[1] == answers[2]
        assert {"unreachable", "timeout", "not-found"} <= set(re.findall(r"[a-z-]+", served.log))


def _asks(server: str) -> Json:
    return {**without("vitaminD"), "fhirServer": server}


# Heads.


@for_each(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET http://a/healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 200),
        (b"POST /cds-services/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 404),
    ],
)
def test_heads(small: Siege, sent: bytes, status: int) -> None:
    """One Host and a plain transfer are asked for; a refusal says what to send and has its number."""
    answer = ask(small.served.port, sent)

    assert answer.status == status
    assert answer.headers["x-request-id"]
    assert status == 200 or answer.json["issue"][0]["diagnostics"]
