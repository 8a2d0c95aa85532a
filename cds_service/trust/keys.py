"""The keys of clients: a JWK Set, as it is pinned in the registry or as the client publishes it (rows 171 to 173)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

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


class KeysAwaited(Exception):
    """The keys of `client` are on their way: wait for `flight`, which may land without any, or for `seconds`."""

    def __init__(self, flight: Future[None], seconds: float) -> None:
        super().__init__()
        self.flight = flight
        self.seconds = seconds
        self.client = ""


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
    problem = ""
    old = False

    def find(self, kid: str, algorithm: str, *, wait: bool = True) -> Any | None:
        """The public key *kid*, where there is one and *algorithm* fits it."""
        del wait
        key = self.keys.get(kid)
        return key.public if key is not None and algorithm in key.algorithms else None


class KeySource(Protocol):
    """Where the keys of one client come from."""

    @property
    def problem(self) -> str:
        """Why they cannot be had, or could not be had anew; empty where all is well."""

    @property
    def old(self) -> bool:
        """Whether those at hand should have been replaced by now."""

    def find(self, kid: str, algorithm: str, *, wait: bool = True) -> Any | None:
        """The public key *kid* for *algorithm*, or `None`. Without *wait*, what is at hand.

        Raises:
            KeysAwaited: they are on their way, and it is worth while to wait for them.
        """


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
            raise KeyProblem(f"key {place} of the JWK Set: {problem}") from problem
        if kid in found:
            raise KeyProblem(f"key {place} of the JWK Set: its kid is not unique (row 172)")
        found[kid] = key
    if not any(key.algorithms & allowed for key in found.values()):
        raise KeyProblem(f"no key of the JWK Set is for {' or '.join(sorted(allowed))}")
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
        raise KeyProblem("a JWK Set is needed: an object with the member keys")
    return keys


def _read(jwk: object) -> tuple[str, _Key]:
    if not isinstance(jwk, dict):
        raise KeyProblem("a JWK must be an object")
    kid, use, operations = jwk.get("kid"), jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not kid:
        raise KeyProblem("it has no kid")
    if SECRET & set(jwk):
        raise KeyProblem("it holds a private or symmetric key, which only its owner should have")
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyProblem("it is not for signatures")
    return kid, _key(jwk)


def _key(jwk: dict[str, Any]) -> _Key:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    fitting = FITTING.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str | None) else None
    if fitting is None:
        raise KeyProblem("its kty and crv are not supported: RSA, EC with P-256, P-384 or P-521, OKP with Ed25519")
    meant = jwk.get("alg")
    algorithms = frozenset(name for name in fitting if meant is None or name == meant)
    if not algorithms:
        raise KeyProblem("its alg does not fit its kty")
    try:
        public = jwt.PyJWK(jwk, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise KeyProblem("it cannot be read") from error
    if isinstance(public, RSAPublicKey) and public.key_size < SMALLEST_RSA:
        raise KeyProblem(f"an RSA key of {SMALLEST_RSA} bits or more is needed")
    return _Key(public, algorithms)
