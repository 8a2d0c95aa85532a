"""A client for trying authentication out on one machine: a key pair in a file, and tokens signed with it."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://local-trial.invalid"
KID = "local-trial"
KEY_FILE = "local-trial-key.pem"
ALGORITHM = "ES384"


def public_keys(folder: Path) -> dict[str, Any]:
    """The JWK Set of the trial client; its key is made in *folder* when it is not there, readable by its owner only.

    Raises:
        OSError, ValueError: the file cannot be read or made.
    """
    jwk: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(_private_key(folder).public_key()))
    return {"keys": [{**jwk, "kid": KID, "use": "sig", "alg": ALGORITHM}]}


def token(folder: Path, url: str, seconds: int) -> str:
    """A token for one call of *url* within *seconds*.

    Raises:
        OSError, ValueError: the key file cannot be read or made.
    """
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": url, "iat": now, "exp": now + seconds, "jti": str(uuid.uuid4())}
    return jwt.encode(claims, _private_key(folder), ALGORITHM, headers={"kid": KID})


def _private_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    file = folder / KEY_FILE
    if not file.exists():
        _make(file)
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        wrong = f"{file} is not a key of the local trial: remove it, and a new one is made"
        raise ValueError(wrong)  # noqa: TRY004 - of what it holds
    return key


def _make(file: Path) -> None:
    """Write a new key, whole or not at all; of two processes that do so at once, the first wins."""
    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
