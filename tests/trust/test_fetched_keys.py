"""Keys that are fetched from a client's jku (conformance rows 164, 171, 172, 198): over TLS, seldom, bounded.

The client's server is stood in for at the edge of `requests`; sockets are there for TLS, addresses and deadlines.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from requests import PreparedRequest
from responses import RequestsMock

from cds_service import create_app
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.trust import clients, fetched_keys
from cds_service.trust.fetched_keys import FRESH, LARGEST, RENEWED, STALE, WINDOW, FetchedKeys
from cds_service.trust.keys import KeysAwaited
from tests.support.certificates import Authority
from tests.support.for_each import for_each
from tests.support.loopback import Call
from tests.support.recording_server import RecordingServer, Reply, redirect, reply, use_names
from tests.support.tokens import BASE, GONE, Issuer, Json, jwk, jwks, private_jwk, private_key, write_registry
from tests.web.calls import DISCOVERY, TODAY

HOST = "keys.test"
ONE, TWO = jwk("one", "ES384"), jwk("two", "ES384")
JSON = {"Content-Type": "application/json"}


class Clock:
    """The monotonic clock of the module, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the service is told to trust."""
    return Authority(tmp_path_factory.mktemp("trusted"))


class Published:
    """What the client publishes, at the edge of `requests`: it answers as it is told and writes down every call."""

    url = f"https://{HOST}/jwks"

    def __init__(self, web: RequestsMock) -> None:
        self.answer: Callable[[Call], Reply] = lambda _: reply(jwks(ONE))
        self.calls: list[Call] = []
        web.add_callback("GET", re.compile(f"https://{HOST}/.*"), self._tell)

    def _tell(self, request: PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        call = Call(
            str(request.method), request.path_url, tuple((name, str(value)) for name, value in request.headers.items())
        )
        self.calls.append(call)
        told = self.answer(call)
        return told.status, dict(told.headers), told.body


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    """The server of the client, which publishes the key `one`."""
    use_names(monkeypatch, {HOST: ["127.0.0.1"]})
    with RequestsMock(assert_all_requests_are_fired=False) as web:
        yield Published(web)


@pytest.fixture
def listening(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """The same as a server with TLS; its name leads to this machine."""
    use_names(monkeypatch, {HOST: ["127.0.0.1"]})
    with RecordingServer(lambda _: reply(jwks(ONE)), authority.server(HOST)) as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which keys grow old; nothing else is slowed down or hurried by it."""
    found = Clock()
    monkeypatch.setattr(fetched_keys, "time", SimpleNamespace(monotonic=found.monotonic))
    return found


@pytest.fixture
def source(published: Published, clock: Clock) -> FetchedKeys:
    """The keys of the client; nothing is fetched yet."""
    del clock
    return FetchedKeys(published.url, None)


def _find(source: FetchedKeys, kid: str, algorithm: str = "ES384") -> Any:
    """The key *kid*; where keys are on their way they are waited for."""
    try:
        return source.find(kid, algorithm)
    except KeysAwaited as awaited:
        wait([awaited.flight], awaited.seconds)
        return source.find(kid, algorithm, wait=False)


def _has(source: FetchedKeys, kid: str = "one") -> bool:
    """Whether the key *kid* is found; it must be the public key that was made under that name."""
    found = _find(source, kid)
    if found is None:
        return False
    assert isinstance(found, ec.EllipticCurvePublicKey)
    assert found.public_numbers() == private_key(kid, "ES384").public_key().public_numbers()
    return True


def test_fetched_once(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 198: nothing is fetched before it is needed; then once, and not again as long as it is fresh."""
    assert published.calls == []
    for _ in range(5):
        assert _has(source)
        clock.now += (RENEWED - 1) / 5

    (call,) = published.calls
    assert call.method == "GET"
    assert call.header("Authorization") == call.header("Cookie") == []


def test_renewed_before_they_are_old(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 198: a call by a key that will soon be old has all fetched anew, and does not wait; the next finds them."""
    assert _has(source)
    asked, let = threading.Event(), threading.Event()

    def slowly(_: Any) -> Reply:
        asked.set()
        let.wait(30)
        return reply(jwks(TWO))

    published.answer = slowly
    clock.now += RENEWED
    assert source.find("one", "ES384") is not None
    assert asked.wait(30)
    assert source.find("one", "ES384") is not None

    let.set()
    assert _has(source, "two")
    assert len(published.calls) == 2


def test_keys_that_land_while_one_is_looked_for(
    source: FetchedKeys, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 198: a call that looks just before keys land, and asks for them just after, has the key as well."""
    let, fetch = threading.Event(), source._fetch  # noqa: SLF001 - keys land between two steps of one call

    def slowly(_: Any) -> Reply:
        let.wait(30)
        return reply(jwks(ONE))

    published.answer = slowly
    with pytest.raises(KeysAwaited) as awaited:
        source.find("one", "ES384")

    def late(now: float) -> Any:
        let.set()
        wait([awaited.value.flight], 30)
        return fetch(now)

    monkeypatch.setattr(source, "_fetch", late)
    assert source.find("one", "ES384") is not None


def test_old_key_is_used_at_once(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 198: while new keys cannot be had, one call a window waits for them; the others have the old one at once."""
    assert _has(source)
    published.answer = lambda _: reply({}, 503)
    clock.now += FRESH
    assert not source.problem
    with pytest.raises(KeysAwaited) as awaited:
        source.find("one", "ES384")
    wait([awaited.value.flight], 30)

    assert source.find("one", "ES384") is not None
    assert source.old
    assert source.problem


def test_every_address_is_tried(
    listening: RecordingServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 164, 198: of several addresses of the name, one that refuses does not keep the keys from being found."""
    use_names(monkeypatch, {HOST: ["127.0.0.2", "127.0.0.3", "127.0.0.1"]})

    assert _has(FetchedKeys(listening.url(HOST), str(authority.file)))
    assert [call.header("Host") for call in listening.calls] == [[f"{HOST}:{listening.port}"]]


def test_name_that_is_not_resolved(source: FetchedKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 198: a name that hangs holds one thread; calls wait for it only so long, and later ones not at all."""
    over = threading.Event()
    asked: list[Any] = []

    def hang(*named: Any, **_: Any) -> Any:
        asked.append(named)
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(KeysAwaited) as first:
        source.find("one", "ES384")
    with pytest.raises(KeysAwaited) as second:
        source.find("one", "ES384")
    clock.now += 10 * WINDOW
    late = source.find("one", "ES384")
    over.set()
    wait([first.value.flight], 30)

    assert first.value.flight is second.value.flight
    assert late is None
    assert len(asked) == 1


def test_rotation(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Rows 172, 198: a new kid is found by one fetch, without waiting until the old keys have grown old."""
    assert _has(source)
    published.answer = lambda _: reply(jwks(ONE, TWO))
    clock.now += WINDOW

    assert _has(source, "two")
    assert _has(source)
    assert len(published.calls) == 2


def test_unknown_kid_once_per_window(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 172: unknown kids make one fetch in a window, however many come; known ones are found meanwhile."""
    for window in range(3):
        for number in range(20):
            assert not _has(source, f"unknown-{window}-{number}")
            clock.now += (WINDOW - 1) / 20
        assert _has(source)
        assert len(published.calls) == window + 1
        clock.now += 1


def test_failing_server_once_per_window(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 172: a server that does not answer well is not asked more often either."""
    published.answer = lambda _: reply({}, 500)
    for _ in range(10):
        assert not _has(source)
        clock.now += (WINDOW - 1) / 10
    assert len(published.calls) == 1

    clock.now += 1
    published.answer = lambda _: reply(jwks(ONE))
    assert _has(source)


def test_threads_fetch_once(source: FetchedKeys, published: Published) -> None:
    """Row 198: calls that come at once share one fetch."""
    asked, flights = threading.Event(), []
    published.answer = lambda _: reply(jwks(ONE)) if asked.wait(10) else reply(None)

    def ask() -> None:
        with pytest.raises(KeysAwaited) as awaited:
            source.find("one", "ES384")
        flights.append(awaited.value.flight)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked.set()
    wait(flights)

    assert flights == flights[:1] * 12
    assert _has(source)
    assert len(published.calls) == 1


UNUSABLE: dict[str, Callable[[Published], Reply]] = {
    "redirect": lambda server: redirect(f"{server.url}/elsewhere"),
    "permanent redirect": lambda server: redirect(f"{server.url}/elsewhere", 308),
    "too large": lambda _: Reply(200, json.dumps({**jwks(ONE), "x": "x" * LARGEST}).encode(), JSON),
    "too large when unpacked": lambda _: Reply(
        200, gzip.compress(json.dumps({**jwks(ONE), "x": "x" * LARGEST}).encode()), {**JSON, "Content-Encoding": "gzip"}
    ),
    "no JSON": lambda _: Reply(200, b"keys", JSON),
    "cut JSON": lambda _: Reply(200, json.dumps(jwks(ONE)).encode()[:-1], JSON),
    "JSON nested deeply": lambda _: Reply(200, b"[" * 100_000, JSON),
    "empty": lambda _: Reply(200, b"", JSON),
    "HTML": lambda _: Reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"}),
    "array": lambda _: reply([ONE]),
    "one key": lambda _: reply(ONE),
    "keys as object": lambda _: reply({"keys": {"one": ONE}}),
    "null": lambda _: reply(None),
    "500": lambda _: reply(jwks(ONE), 500),
    "404": lambda _: reply(jwks(ONE), 404),
    "203": lambda _: reply(jwks(ONE), 203),
    "204": lambda _: Reply(204),
}


@pytest.mark.parametrize("answer", [pytest.param(answer, id=name) for name, answer in UNUSABLE.items()])
def test_unusable_answer(
    source: FetchedKeys, published: Published, clock: Clock, answer: Callable[[Published], Reply]
) -> None:
    """Row 198: nothing but 200 with a JWK Set of a sensible size counts; no redirect is followed; the next may do."""
    elsewhere = reply(jwks(ONE))
    published.answer = lambda call: elsewhere if call.path.endswith("/elsewhere") else answer(published)

    assert not _has(source)
    assert [call.path for call in published.calls] == ["/jwks"]
    assert source.problem
    published.answer = lambda _: elsewhere
    clock.now += WINDOW
    assert _has(source)
    assert source.problem == ""


def test_slow_server(listening: RecordingServer, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 198: a server that keeps silent is not waited for beyond the patience."""
    monkeypatch.setattr(fetched_keys, "PATIENCE", 0.2)
    over = threading.Event()

    def late(_: Any) -> Reply:
        over.wait(30)
        return reply(jwks(ONE))

    listening.answer = late
    source = FetchedKeys(listening.url(HOST), str(authority.file))
    waiting = threading.Thread(target=lambda: found.append(_has(source)))
    found: list[bool] = []
    waiting.start()
    waiting.join(20)
    answered_in_time = not waiting.is_alive()
    over.set()
    waiting.join()

    assert answered_in_time
    assert found == [False]


def test_server_gone(source: FetchedKeys, published: Published, clock: Clock) -> None:
    """Row 198: while the client's server does not answer, its last keys are used for an hour and no longer."""
    assert _has(source)
    published.answer = lambda _: reply({}, 503)
    clock.now += FRESH
    assert _has(source)
    clock.now += STALE - FRESH - 1
    assert _has(source)
    clock.now += 1
    assert not _has(source)
    assert not _has(source)

    clock.now += WINDOW
    published.answer = lambda _: reply(jwks(ONE))
    assert _has(source)


def test_nobody_listens(authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 198: a server that is switched off, and a name that is not known, are no keys and no error."""
    del clock
    use_names(monkeypatch, {HOST: ["127.0.0.1"]})
    with RecordingServer(tls=authority.server(HOST)) as server:
        url = server.url(HOST)

    assert not _has(FetchedKeys(url, str(authority.file)))
    assert not _has(FetchedKeys("https://unknown.test/jwks", str(authority.file)))


def test_certificate_of_another_authority(
    tmp_path: Path, authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 164: keys from a server whose certificate is not by a trusted authority are not even asked for."""
    del clock
    use_names(monkeypatch, {HOST: ["127.0.0.1"]})
    with RecordingServer(lambda _: reply(jwks(ONE)), Authority(tmp_path).server(HOST)) as server:
        assert not _has(FetchedKeys(server.url(HOST), str(authority.file)))
        assert server.calls == []


@pytest.mark.parametrize("ca", ["given", "usual"])
def test_certificate_that_is_not_trusted(
    authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch, ca: str
) -> None:
    """Row 164: nor from one with a certificate for another name, or by an authority that is not among the usual."""
    del clock
    use_names(monkeypatch, {HOST: ["127.0.0.1"]})
    name = "other.test" if ca == "given" else HOST
    with RecordingServer(lambda _: reply(jwks(ONE)), authority.server(name)) as server:
        assert not _has(FetchedKeys(server.url(HOST), str(authority.file) if ca == "given" else None))
        assert server.calls == []


PASSED_OVER: dict[str, list[Any]] = {
    "172 kid twice": [ONE, {**TWO, "kid": "one"}],
    "private key": [private_jwk("one")],
    "symmetric key": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}],
    "key for encryption": [{**ONE, "use": "enc"}],
    "alg of another kind": [{**ONE, "alg": "RS384"}],
    "no kid": [jwk("one", "ES384", kid=GONE)],
    "point not on the curve": [{**ONE, "y": ONE["x"]}],
    "use an array": [{**ONE, "use": ["sig"]}],
    "no object": [None, "one", 1, []],
    "alg an array": [{**ONE, "alg": ["ES384"]}],
}


@pytest.mark.parametrize(
    "members",
    [pytest.param(members, id=name) for name, members in PASSED_OVER.items()],
)
def test_key_that_is_passed_over(source: FetchedKeys, published: Published, members: list[Any]) -> None:
    """Row 172: a key that is ambiguous, not for signatures or not sound is passed over; the others are used."""
    published.answer = lambda _: reply(jwks(TWO, *members))

    assert _has(source, "two")
    assert not _has(source)


def test_small_rsa_key(source: FetchedKeys, published: Published) -> None:
    """Row 176: an RSA key of less than 2048 bits is passed over."""
    published.answer = lambda _: reply(jwks(jwk("small", "RS384"), jwk("large", "RS384")))

    assert _find(source, "small", "RS384") is None
    assert _find(source, "large", "RS384") is not None
    assert _find(source, "large", "RS256") is None


@for_each("url", ["http://keys.test/jwks", "http://127.0.0.1/jwks", "file:///jwks.json", "ftp://a.test"])
def test_https_only(tmp_path: Path, url: str) -> None:
    """Row 164: a jku that is not https stops the start."""
    file = write_registry(tmp_path / "clients.toml", Issuer("c", "https://c.test", {"jku": url, "jwks": GONE}).entry)
    with pytest.raises(SettingsError, match="jku"):
        clients.load(file)


@pytest.fixture
def served(published: Published, tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """The service with a client whose keys are fetched; calls it with a token, on a day far from UTC's."""
    issuer = Issuer("fetching", "https://fetching.example.com", {"jku": published.url, "jwks": GONE})
    settings: Json = {"public_url": BASE, "database_url": f"sqlite:///{tmp_path}/db", "as_of": TODAY}
    registry = write_registry(tmp_path / "clients.toml", issuer.entry)
    app = create_app(Settings(auth="jwt", clients=registry, **settings)).test_client()

    def call(kid: str) -> int:
        token = issuer.token(key=private_key(kid, "ES384"), header={"kid": kid})
        return app.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"}).status_code

    moment = datetime(2026, 3, 2, 1, tzinfo=ZoneInfo("Pacific/Kiritimati"))
    with time_machine.travel(moment, tick=False):
        yield call


def test_from_outside(served: Callable[[str], int], published: Published) -> None:
    """Rows 171, 172: a token by a key of the client's jku is let in; one with an unknown kid is a 401."""
    assert served("one") == 200
    assert served("two") == 401
    assert len(published.calls) == 1


@pytest.mark.parametrize("answer", [reply({}, 500), Reply(200, b"<html>"), redirect("https://elsewhere.test/")])
def test_no_keys_from_outside(served: Callable[[str], int], published: Published, answer: Reply) -> None:
    """Row 171: a client whose keys cannot be had gets a 401, not an error."""
    published.answer = lambda _: answer

    assert served("one") == 401
