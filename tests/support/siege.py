"""The service among others that do not answer: a name server, a key server, a FHIR server; and clients that call it.

The name server is a socket that takes every question and says nothing. Only the service asks it: `/etc/resolv.conf`
and `/etc/hosts` are other files in its own mount namespace, which takes root.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.recording_server import RecordingServer
from tests.support.serving import COMMAND, Served, serving
from tests.support.tokens import BASE, GONE, Issuer, write_registry
from tests.web.calls import AUTHORIZATION, TODAY, URL, Json, golden

HONEST = Issuer("honest", "https://honest.example")
OTHER = Issuer("other", "https://other.example")
KEYLESS = Issuer("keyless", "https://keyless.example", {"jku": "https://keys.silent.test/jwks", "jwks": GONE})
"""Its keys are at a name that does not resolve."""
SILENT = "silent.test"
"""A name that nobody resolves; `WELL` leads to this machine."""
WELL = "well.test"
IN_A_NAMESPACE = """#!/bin/sh
exec unshare --mount sh -c 'mount --bind {folder}/resolv.conf /etc/resolv.conf &&
mount --bind {folder}/hosts /etc/hosts && exec "$0" "$@"' {command} "$@"
"""


def can_be_silenced() -> bool:
    """Whether this machine lets us put another name server before a process."""
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(
            ["unshare", "--mount", "mount", "--bind", "/etc/hosts", "/etc/resolv.conf"],
            capture_output=True,
            check=False,
        ).returncode
    )


@dataclass(frozen=True)
class Siege:
    """A service with clients, a FHIR server that answers (`well`), and a port that takes calls and says nothing."""

    served: Served
    well: RecordingServer
    mute: int
    database: Path

    def head(self, issuer: Issuer | None, path: str = URL) -> dict[str, str]:
        """The headers of a call of *issuer*; nobody's have no token."""
        token = {} if issuer is None else {"Authorization": f"Bearer {issuer.token(aud=f'{BASE}{path}')}"}
        return {"Content-Type": "application/json", **token}

    def asking(self, server: str) -> Json:
        """The golden request with nothing but the patient: all else is to be asked of *server*."""
        request = golden()
        return request | {
            "prefetch": {"patient": request["prefetch"]["patient"]},
            "fhirServer": server,
            "fhirAuthorization": AUTHORIZATION,
        }

    @property
    def servers(self) -> dict[str, str]:
        """Base URLs: of the server that answers, of one whose name hangs, and of one that hangs itself."""
        return _servers(self.well.port, self.mute)


def _servers(well: int, mute: int) -> dict[str, str]:
    return {
        "well": f"http://{WELL}:{well}/fhir",
        "nameless": f"http://fhir.{SILENT}/fhir",
        "mute": f"http://{WELL}:{mute}/fhir",
    }


@contextmanager
def besieged(folder: Path, command: Path = COMMAND, **settings: Any) -> Iterator[Siege]:
    """The service with tokens, its registry and files in *folder*, until the block ends."""
    with ExitStack() as stack:
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        well = stack.enter_context(RecordingServer())
        servers = tuple(_servers(well.port, mute.getsockname()[1]).values())
        if can_be_silenced():
            command = _silenced(folder, command, stack.enter_context(_silent_name_server()))
        chosen: dict[str, Any] = {
            "as_of": TODAY,
            "auth": "jwt",
            "clients": write_registry(folder / "clients.toml", HONEST.entry, OTHER.entry, KEYLESS.entry),
            "public_url": BASE,
            "metrics_token": "numbers-for-tests",
            "fhir_servers": servers,
            "fhir_private_networks": ("127.0.0.0/8",),
            "rate": "100000/minute",
            **settings,
        }
        file = folder / "cds.sqlite3"
        served = stack.enter_context(serving(command=command, database_url=f"sqlite:///{file}", **chosen))
        yield Siege(served, well, mute.getsockname()[1], file)


def _silenced(folder: Path, command: Path, name_server: str) -> Path:
    """*command* with other names."""
    (folder / "resolv.conf").write_text(f"nameserver {name_server}\n", encoding="ascii")
    (folder / "hosts").write_text(f"127.0.0.1 localhost {WELL}\n", encoding="ascii")
    script = folder / "cds-service"
    script.write_text(IN_A_NAMESPACE.format(folder=folder, command=command), encoding="utf-8")
    script.chmod(0o755)
    return script


@contextmanager
def _silent_name_server() -> Iterator[str]:
    """A name server that answers nothing, at an address of this machine that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        while True:
            address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.53"  # noqa: S311 - no secret
            with suppress(OSError):
                silent.bind((address, 53))
                yield address
                return
