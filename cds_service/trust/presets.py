"""Clients that need one line in the registry: the public sandbox, and a trial on this machine."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from cds_service.trust import trial_client

SANDBOX = "https://sandbox.cds-hooks.org"
SANDBOX_WARNING = (
    "The private key of the public CDS Hooks sandbox is public: with the preset public-sandbox anybody can call. "
    "Never use it where real patients are."
)
TRIAL_WARNING = "The preset local-trial lets in whoever can read its key file on this machine."
DAY = 86_400


def entry(name: str, folder: Path) -> dict[str, Any]:
    """The members of the client *name*; *folder* is where the registry lies."""
    if name == "public-sandbox":
        return {
            "id": name,
            "iss": SANDBOX,
            "jku": f"{SANDBOX}/.well-known/jwks.json",
            "jwks": _shipped("public-sandbox.json"),
            "algorithms": ["ES384"],
            "warning": SANDBOX_WARNING,
        }
    return {
        "id": name,
        "iss": trial_client.ISSUER,
        "jwks": trial_client.public_keys(folder),
        "algorithms": ["ES384"],
        "max_token_age": DAY,
        "warning": TRIAL_WARNING,
    }


def _shipped(name: str) -> Any:
    file = resources.files("cds_service.trust") / "known" / name
    return json.loads(file.read_text(encoding="utf-8"))
