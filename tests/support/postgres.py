"""A real PostgreSQL on a free port of loopback, in a directory that goes with it; every URL names a fresh database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

OTHER = "nobody"
"""Who runs it where the tests run as root: PostgreSQL refuses root."""
STARTS_WITHIN, STOPS_WITHIN, PAUSE = 60.0, 30.0, 0.05


class PostgresAbsent(Exception):
    """This machine has no PostgreSQL that can be started; the message says why."""


@dataclass
class Postgres:
    """A server in `folder` on `port`; it may be stopped and started again, with what it holds."""

    binaries: Path
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1), init=False)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    def url(self, name: str) -> str:
        """The URL of the database *name*, whether it is there or not."""
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> None:
        """Create the database *name*."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def fresh(self) -> str:
        """The URL of a new database."""
        name = f"fresh_{next(self._numbers)}"
        self.create(name)
        return self.url(name)

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        Raises:
            RuntimeError: it does not start.
        """
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=_user(),
            )
        latest = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < latest and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            time.sleep(PAUSE)
        told = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"PostgreSQL does not start:\n{told}")

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextlib.contextmanager
def prepared() -> Iterator[Postgres]:
    """A PostgreSQL that has not been started yet, until the block ends.

    Raises:
        PostgresAbsent: there is none on this machine.
    """
    binaries = _binaries()
    if binaries is None:
        raise PostgresAbsent("PostgreSQL (initdb and postgres) is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, OTHER)
    found = Postgres(binaries, folder, free_port())
    try:
        subprocess.run(
            [binaries / "initdb", "-D", found.data, "-U", "tester", "--auth=trust", "--no-sync", "--encoding=UTF8"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=_user(),
        )
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A PostgreSQL that takes connections, until the block ends.

    Raises:
        PostgresAbsent: there is none on this machine.
    """
    with prepared() as found:
        found.start()
        yield found


def _binaries() -> Path | None:
    """Where `initdb` and `postgres` are: on the PATH, or where `pg_config` says."""
    places = [Path(where).resolve().parent for name in ("initdb", "postgres") if (where := shutil.which(name))]
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(told.stdout.strip()))
    return next((place for place in places if all((place / name).is_file() for name in ("initdb", "postgres"))), None)


def _user() -> str | None:
    """As whom it runs."""
    return OTHER if os.geteuid() == 0 else None


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
