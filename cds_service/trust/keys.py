"""The keys of clients: a JWK Set that is pinned, or fetched from one exact address and cached (rows 171 to 173)."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import jwt
import requests
import urllib3
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cds_service.fhir import transport
from cds_service.fhir.servers import origin_of
from cds_service.fhir.transport import Deadline, Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOG = logging.getLogger("cds_service.trust")

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
FITTING: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Which algorithms each kind of key is for. Symmetric keys and `none` are not among them (rows 174, 175)."""
ALGORITHMS = frozenset(name for names in FITTING.values() for name in names)
SMALLEST_RSA = 2048
SECRET = frozenset({"d", "k", "p", "q"})
"""Members of a JWK that only its owner should have."""

LARGEST = 256 * 1024
"""Bytes of a JWK Set."""
PATIENCE = 2.0
"""Seconds for fetching one."""
FRESH = 900.0
"""Seconds for which fetched keys are used without asking again: so long a withdrawn key may still be accepted."""
STALE = 3600.0
"""Seconds for which they are used when the client's server does not answer."""
WINDOW = 60.0
"""Seconds between two fetches at least, whatever tokens come: an unknown `kid` is no way to make us call."""


class KeyProblem(ValueError):
    """A key, or a set of keys, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class _Key:
    public: Any = field(repr=False)
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys by `kid`, each with the algorithms it is good for."""

    keys: Mapping[str, _Key]

    def find(self, kid: str, algorithm: str) -> Any | None:
        """The public key *kid*, where there is one and *algorithm* fits it."""
        key = self.keys.get(kid)
        return key.public if key is not None and algorithm in key.algorithms else None


class KeySource(Protocol):
    """Where the keys of one client come from."""

    def find(self, kid: str, algorithm: str) -> Any | None:
        """The public key *kid* for *algorithm*, or `None`."""


def read_pinned(document: object, algorithms: Iterable[str]) -> KeySet:
    """A key set that was written into the registry: anything odd about it is refused.

    Raises:
        KeyProblem: names the key and what is wrong.
    """
    allowed = frozenset(algorithms)
    found: dict[str, _Key] = {}
    for place, jwk in enumerate(_members(document), 1):
        try:
            kid, key = _read(jwk)
        except KeyProblem as problem:
            message = f"key {place} of the JWK Set: {problem}"
            raise KeyProblem(message) from problem
        if kid in found:
            message = f"key {place} of the JWK Set: its kid is not unique (row 172)"
            raise KeyProblem(message)
        found[kid] = key
    if not any(key.algorithms & allowed for key in found.values()):
        message = f"no key of the JWK Set is for {' or '.join(sorted(allowed))}"
        raise KeyProblem(message)
    return KeySet(found)


def read_fetched(document: object) -> KeySet:
    """A key set as a client publishes it: keys for other uses are passed over, and so is a `kid` that comes twice.

    Raises:
        KeyProblem: it is no JWK Set.
    """
    found: dict[str, _Key] = {}
    twice = set()
    for jwk in _members(document):
        try:
            kid, key = _read(jwk)
        except KeyProblem:
            continue
        if kid in found:
            twice.add(kid)
        found[kid] = key
    return KeySet({kid: key for kid, key in found.items() if kid not in twice})


def _members(document: object) -> list[Any]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        message = "a JWK Set is needed: an object with the member keys"
        raise KeyProblem(message)
    return keys


def _read(jwk: object) -> tuple[str, _Key]:
    if not isinstance(jwk, dict):
        message = "a JWK must be an object"
        raise KeyProblem(message)
    kid, use, operations = jwk.get("kid"), jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not kid:
        message = "it has no kid"
        raise KeyProblem(message)
    if SECRET & set(jwk):
        message = "it holds a private or symmetric key, which only its owner should have"
        raise KeyProblem(message)
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        message = "it is not for signatures"
        raise KeyProblem(message)
    return kid, _key(jwk)


def _key(jwk: dict[str, Any]) -> _Key:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    fitting = FITTING.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str | None) else None
    if fitting is None:
        message = "its kty and crv are not supported: RSA, EC with P-256, P-384 or P-521, OKP with Ed25519"
        raise KeyProblem(message)
    meant = jwk.get("alg")
    algorithms = frozenset(name for name in fitting if meant is None or name == meant)
    if not algorithms:
        message = "its alg does not fit its kty"
        raise KeyProblem(message)
    try:
        public = jwt.PyJWK(jwk, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        message = "it cannot be read"
        raise KeyProblem(message) from error
    if isinstance(public, RSAPublicKey) and public.key_size < SMALLEST_RSA:
        message = f"an RSA key of {SMALLEST_RSA} bits or more is needed"
        raise KeyProblem(message)
    return _Key(public, algorithms)


class FetchedKeys:
    """The keys at one exact https address. Every process keeps its own copy and asks at most once per window."""

    def __init__(self, url: str, ca_file: str | None) -> None:
        """Nothing is fetched yet."""
        self._url = url
        self._session = transport.new_session(1, ca_file)
        self._asking = threading.Lock()
        self._keys = KeySet({})
        self._fetched = self._asked = float("-inf")
        self.problem = ""
        """Why the last fetch failed; empty where it did not."""

    def find(self, kid: str, algorithm: str) -> Any | None:
        """The public key *kid*; the set is fetched when it is old or lacks it, and not more often than that."""
        if time.monotonic() - self._fetched < FRESH:
            key = self._keys.find(kid, algorithm)
            if key is not None:
                return key
        with self._asking:
            if time.monotonic() - self._asked >= WINDOW:
                self._refresh()
            usable = time.monotonic() - self._fetched < STALE
        return self._keys.find(kid, algorithm) if usable else None

    def _refresh(self) -> None:
        self._asked = time.monotonic()
        try:
            self._keys = read_fetched(json.loads(_download(self._session, self._url)))
        except (KeyProblem, ValueError, RecursionError, OSError, urllib3.exceptions.HTTPError) as error:
            self.problem = str(error) if isinstance(error, KeyProblem) else type(error).__name__
            LOG.warning("keys could not be fetched", extra={"fields": {"jku": self._url, "why": self.problem}})
        else:
            self.problem = ""
            self._fetched = self._asked


def _download(session: requests.Session, url: str) -> bytes:
    """The document at *url*: 200 and nothing else, in time, no larger than it may be; redirects are not followed."""
    origin = origin_of(url)
    address = str(socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)[0][4][0])
    exchange = Exchange(address, Deadline(PATIENCE), PATIENCE)
    request = requests.Request("GET", url, headers={"Accept": "application/json", "Host": urlsplit(url).netloc})
    content = bytearray()
    with transport.send(session, request, exchange, PATIENCE) as response:
        if response.status_code != requests.codes.ok:
            message = "no JWK Set"
            raise KeyProblem(message)
        for piece in response.raw.stream(LARGEST, decode_content=True):
            content += piece
            if len(content) > LARGEST:
                message = "the JWK Set is too large"
                raise KeyProblem(message)
    return bytes(content)
