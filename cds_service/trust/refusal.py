"""What a token is checked for, and what is said when a check fails; knows no cryptography, which is slow to import."""

from __future__ import annotations

from cds_service.errors import CdsError

CHECKS = {
    "token": "a bearer token that is a JWT",
    "header": "typ JWT, alg and kid, and no critical extension",
    "claims": "iss, aud, exp, iat and jti, each of its type",
    "iss": "a client of the registry",
    "alg": "an algorithm that the client may use",
    "jku": "the client's own jku, or none",
    "keys": "the client's keys, pinned or fetched in time",
    "kid": "a key of the client that the algorithm fits",
    "signature": "a signature by that key",
    "aud": "the URL that is called",
    "time": "exp, nbf and iat, as the clock says",
    "age": "no longer valid than the client's tokens may be",
    "tenant": "a tenant of the client",
    "origin": "a browser origin of the client, or none",
    "jti": "a jti that has not been seen",
}
"""Every check in the order it is made, and what it asks for."""


class Untrusted(CdsError):
    """The caller is not let in. `check` names the check that failed; the message is not for the caller."""

    def __init__(self, check: str, message: str, client: str | None = None) -> None:
        """Name the *check* of `CHECKS`, say what was wrong, and which *client* it claimed to be where that is known."""
        super().__init__(message)
        self.check = check
        self.client = client
