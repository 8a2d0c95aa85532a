"""Tokens of test clients: sound ones, and ones with anything in them changed; the registry that knows the clients."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

BASE = "https://cds.example.org"
"""The `CDS_PUBLIC_URL` of the tests."""
PUBLIC = f"{BASE}/cds-services"
"""Discovery, as clients call it."""
JWKS_URL = "https://ehr.example.com/.well-known/jwks.json"
"""The `jku` of the test client; its keys are pinned, so nothing is ever fetched from there."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Json = dict[str, Any]

GONE: Any = object()
"""As a value: the member is left out."""

CURVES: Mapping[str, tuple[type[ec.EllipticCurve], str]] = {
    "ES256": (ec.SECP256R1, "P-256"),
    "ES384": (ec.SECP384R1, "P-384"),
    "ES512": (ec.SECP521R1, "P-521"),
}
HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


class Literal(str):
    """JSON as it is to be written, where `json.dumps` would not write it: `1e400`."""

    __slots__ = ()


@cache
def private_key(name: str, algorithm: str) -> PrivateKey:
    """The private key *name* for *algorithm*, made once in a process."""
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm][0]())
    return rsa.generate_private_key(65537, 1024 if name == "small" else 2048)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, size: int) -> str:
    return encode(value.to_bytes(size, "big"))


def jwk(name: str, algorithm: str, **members: Any) -> Json:
    """The public key *name* as a JWK with other members; `GONE` takes one away."""
    key = private_key(name, algorithm)
    found: Json = {"kid": name, "use": "sig", "alg": algorithm}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        found |= {"kty": "RSA", "n": _number(numbers.n, key.key_size // 8), "e": _number(numbers.e, 3)}
    else:
        point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
        found |= {"kty": "EC", "crv": CURVES[algorithm][1], "x": _number(point.x, size), "y": _number(point.y, size)}
    return {member: value for member, value in {**found, **members}.items() if value is not GONE}


def private_jwk(name: str) -> Json:
    """The ES384 key *name* with its private part, which nobody should ever publish."""
    key = private_key(name, "ES384")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return jwk(name, "ES384", d=_number(key.private_numbers().private_value, 48))


def jwks(*keys: Json) -> Json:
    """A JWK Set."""
    return {"keys": list(keys)}


def sign(data: bytes, key: PrivateKey | bytes, algorithm: str) -> bytes:
    """The signature of *data* (RFC 7518); a key of bytes is a secret for HMAC."""
    digest = HASHES[algorithm[2:]]()
    if isinstance(key, bytes):
        return hmac.digest(key, data, f"sha{algorithm[2:]}")
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest)
    size = (key.curve.key_size + 7) // 8
    first, second = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return first.to_bytes(size, "big") + second.to_bytes(size, "big")


def written(members: Mapping[str, Any]) -> bytes:
    """A JSON object; a `Literal` is written as it is, `GONE` is left out."""
    pairs = (
        f"{json.dumps(name)}:{value if isinstance(value, Literal) else json.dumps(value)}"
        for name, value in members.items()
        if value is not GONE
    )
    return f"{{{','.join(pairs)}}}".encode()


def joined(header: bytes, payload: bytes, key: PrivateKey | bytes, algorithm: str) -> str:
    """A signed token of these bytes."""
    data = f"{encode(header)}.{encode(payload)}"
    return f"{data}.{encode(sign(data.encode(), key, algorithm))}"


@dataclass(frozen=True)
class Issuer:
    """A test client: it signs with ES384 unless told otherwise; its keys are called after it."""

    id: str
    iss: str
    members: Json = field(default_factory=dict)
    """What the registry says about it besides `id`, `iss` and its keys."""
    jwks: Json | None = None

    @property
    def ec(self) -> str:
        """The `kid` of its ES384 key."""
        return f"{self.id}-ec"

    @property
    def rsa(self) -> str:
        """The `kid` of its RS384 key."""
        return f"{self.id}-rsa"

    @property
    def keys(self) -> Json:
        """Its JWK Set: one key for ES384 and one for RS384, unless it was given another."""
        return self.jwks or jwks(jwk(self.ec, "ES384"), jwk(self.rsa, "RS384"))

    @property
    def entry(self) -> Json:
        """Its entry of the registry, with the keys pinned."""
        found = {"id": self.id, "iss": self.iss, "jwks": self.keys, **self.members}
        return {name: value for name, value in found.items() if value is not GONE}

    def header(self, algorithm: str = "ES384", **changed: Any) -> Json:
        """The header of its tokens."""
        return {"alg": algorithm, "typ": "JWT", "kid": self.ec if algorithm == "ES384" else self.rsa, **changed}

    def claims(self, **changed: Any) -> Json:
        """Sound claims for discovery, valid for five minutes from now."""
        now = int(time.time())
        sound = {"iss": self.iss, "aud": PUBLIC, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
        return {**sound, **changed}

    def token(
        self,
        *,
        algorithm: str = "ES384",
        key: PrivateKey | bytes | None = None,
        header: Json | None = None,
        **claims: Any,
    ) -> str:
        """A token signed by *algorithm*, whatever its header says, with members of its header and claims changed."""
        chosen = key
        if chosen is None:
            chosen = private_key(self.ec if algorithm == "ES384" else self.rsa, algorithm)
        head = written({**self.header(algorithm), **(header or {})})
        return joined(head, written(self.claims(**claims)), chosen, algorithm)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(name)} = {_toml(member)}' for name, member in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def write_registry(file: Path, *entries: Mapping[str, Any]) -> Path:
    """Write a registry with *entries* to *file*."""
    clients = [
        "[[client]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in each.items()) for each in entries
    ]
    file.write_text("\n".join(clients), encoding="utf-8")
    return file
