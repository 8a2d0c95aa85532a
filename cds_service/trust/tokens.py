"""The check of a token that a client sends (CDS Hooks 2.0, "Trusting CDS Clients"; rows 164 to 178).

Signatures and times are checked by PyJWT. What is wrong is told by `Untrusted`, for the command line and the log; over
HTTP it is a bare 401 (row 169).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jwt

from cds_service.errors import StoreUnavailable
from cds_service.store.patience import WRITE
from cds_service.trust.clients import Client, Clients
from cds_service.trust.keys import KeysAwaited, KeySource
from cds_service.trust.refusal import Untrusted

UNKNOWN = "It cannot be checked now whether this token was used before: call again with a new one"
LONGEST_TOKEN = 8192
LONGEST_JTI = 512
REQUIRED = ("iss", "aud", "exp", "iat", "jti")
LATEST = 2**53
"""A NumericDate beyond it is not a time (and no exact number)."""


class Caller(NamedTuple):
    """Who calls; with `old_keys`, by a key that should have been replaced by now and cannot be."""

    client: Client
    tenant: str | None
    old_keys: bool = False


class Sound(NamedTuple):
    """A caller whose token is sound; it is let in once it is known that the token was not used before."""

    caller: Caller
    first_time: Future[bool]

    def let_in(self, seconds: float = WRITE) -> Caller:
        """The caller; wait so long for what is not known yet.

        Raises:
            Untrusted: the token was used before.
            StoreUnavailable: that cannot be known, or not in time.
        """
        try:
            first_time = self.first_time.result(seconds)
        except TimeoutError as error:
            raise StoreUnavailable(UNKNOWN) from error
        if not first_time:
            refusal = Untrusted("jti", "this token has been used before")
            refusal.client = self.caller.client.id
            raise refusal
        return self.caller


class SeenTokens(Protocol):
    """Remembers tokens until they expire."""

    def note(self, iss: str, jti: str, expires: float) -> Future[bool]:
        """Remember a token; tells whether it had not been seen, or is a `StoreUnavailable`."""

    def can_write(self) -> bool:
        """Whether a token can be remembered now."""

    def close(self) -> None:
        """Let go of what it is kept in."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks tokens against the registry. `keys` has the source of each client's keys, by its id."""

    clients: Clients
    keys: Mapping[str, KeySource]
    seen: SeenTokens

    def verify(self, authorization: str | None, urls: Collection[str], origin: str | None = None) -> Caller:
        """Who calls, as `check` and `Sound.let_in` have it; waits here for all that has to be waited for."""
        try:
            return self.check(authorization, urls, origin).let_in()
        except KeysAwaited as awaited:
            wait([awaited.flight], awaited.seconds)
            return self.check(authorization, urls, origin, awaited=True).let_in()

    def check(
        self, authorization: str | None, urls: Collection[str], origin: str | None = None, *, awaited: bool = False
    ) -> Sound:
        """Who calls one of *urls* (the same resource, as it may be written) with the header *authorization*.

        `origin` is the browser origin that the call came from. Once keys were *awaited*, those at hand have to do. The
        token is remembered last, so that only a sound one is ever used up.

        Raises:
            Untrusted: names the check that failed.
            KeysAwaited: the client's keys are on their way.
        """
        token = _bearer(authorization)
        header = _header(token)
        claims = _claims(token)
        client = self.clients.find(claims["iss"])
        if client is None:
            raise Untrusted("iss", "no client of the registry has this iss")
        try:
            key = self._key(client, header, awaited=awaited)
            return self._verify(token, key, header["alg"], client, urls, origin)
        except (Untrusted, KeysAwaited) as refusal:
            refusal.client = client.id
            raise

    def _key(self, client: Client, header: Mapping[str, str], *, awaited: bool) -> Any:
        algorithm = header["alg"]
        if algorithm not in client.algorithms:
            raise Untrusted("alg", f"alg must be {' or '.join(client.algorithms)}")
        if "jku" in header and header["jku"] != client.jku:
            raise Untrusted("jku", "jku is not the client's own")
        source = self.keys[client.id]
        key = source.find(header["kid"], algorithm, wait=not awaited)
        if key is None and source.problem:
            raise Untrusted("keys", f"the client's keys could not be fetched: {source.problem}")
        if key is None:
            raise Untrusted("kid", "the client has no key of this kid for this alg")
        return key

    def _verify(
        self, token: str, key: Any, algorithm: str, client: Client, urls: Collection[str], origin: str | None
    ) -> Sound:
        claims = _verified(token, key, client, algorithm, urls)
        if claims["exp"] - claims["iat"] > client.max_token_age:
            raise Untrusted("age", f"exp is more than {client.max_token_age} s after iat (max_token_age)")
        tenant = claims.get("tenant")
        if client.tenants and tenant not in client.tenants:
            raise Untrusted("tenant", "tenant is not one of the client's")
        if origin is not None and client.origins is not None and origin not in client.origins:
            raise Untrusted("origin", "the browser's origin is not one of the client's")
        first_time = self.seen.note(client.iss, claims["jti"], claims["exp"] + client.clock_skew)
        return Sound(Caller(client, tenant, self.keys[client.id].old), first_time)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Untrusted("token", "Authorization: Bearer <JWT> is needed")
    if len(token) > LONGEST_TOKEN:
        raise Untrusted("token", f"the token is longer than {LONGEST_TOKEN} characters")
    return token


def _header(token: str) -> Mapping[str, str]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Untrusted("token", "it is not a JWT") from error
    if header.get("typ") != "JWT":
        raise Untrusted("header", "typ must be JWT")
    for name in ("alg", "kid", "jku"):
        if name in header or name != "jku":
            _text(header, name, "header")
    if "crit" in header:
        raise Untrusted("header", "crit names extensions that are not supported")
    return header


def _text(table: Mapping[str, Any], name: str, check: str) -> None:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise Untrusted(check, f"{name} must be there, as text")


def _claims(token: str) -> dict[str, Any]:
    """The claims, not yet to be trusted: all that are needed are there and of their types."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Untrusted("token", "its claims cannot be read") from error
    for name in ("iss", "jti"):
        _text(claims, name, "claims")
    if len(claims["jti"]) > LONGEST_JTI:
        raise Untrusted("claims", f"jti is longer than {LONGEST_JTI} characters")
    for name in ("exp", "iat", "nbf"):
        if name in claims or name != "nbf":
            _moment(claims.get(name), name)
    audience = claims.get("aud")
    if not _is_text_or_texts(audience):
        raise Untrusted("claims", "aud must be there, as text or an array of texts")
    if claims.get("tenant") is not None and not isinstance(claims["tenant"], str):
        raise Untrusted("claims", "tenant must be text")
    return claims


def _moment(value: object, name: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= LATEST:  # type: ignore[operator]
        raise Untrusted("claims", f"{name} must be a number of seconds since 1970")


def _is_text_or_texts(value: object) -> bool:
    several = isinstance(value, list) and value and all(isinstance(part, str) for part in value)
    return bool(several) or isinstance(value, str)


def _verified(token: str, key: Any, client: Client, algorithm: str, urls: Collection[str]) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(urls),
            issuer=client.iss,
            leeway=client.clock_skew,
            options={"require": list(REQUIRED)},
        )
    except jwt.InvalidAudienceError as error:
        raise Untrusted("aud", f"aud must be {' or '.join(urls)}") from error
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError) as error:
        raise Untrusted("time", f"{error}, by more than {client.clock_skew} s (clock_skew)") from error
    except jwt.InvalidSignatureError as error:
        raise Untrusted("signature", "the signature is not by the key of this kid") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Untrusted("claims", "the token is not sound") from error
