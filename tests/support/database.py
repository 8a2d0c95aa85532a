"""What can become of the database of a service that runs: somebody else writes, its file goes, its disk is full."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LOCKER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
held.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(file: Path, statement: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Another process holds the lock of the SQLite file until the block ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCKER, file, statement], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.kill()


def beside(file: Path) -> list[Path]:
    """The file and what SQLite has put beside it."""
    return [path for path in (file, *(file.with_name(f"{file.name}-{end}") for end in ("wal", "shm"))) if path.exists()]


def remove(file: Path) -> None:
    """Take the file away, and all that is beside it."""
    for path in beside(file):
        path.unlink()


def remove_alone(file: Path) -> None:
    """Take the file away, and leave what is beside it."""
    file.unlink()


def replace(file: Path) -> None:
    """Put a backup in its place, and take away what was beside it."""
    backup = _backup(file)
    remove(file)
    backup.rename(file)


def replace_alone(file: Path) -> None:
    """Put a backup in its place, and leave what was beside the old one."""
    _backup(file).replace(file)


def _backup(file: Path) -> Path:
    backup = file.with_name("backup.sqlite3")
    with closing(sqlite3.connect(file)) as held:
        held.execute("VACUUM INTO ?", (str(backup),))
    return backup


class NoSmallDisk(Exception):
    """This machine lets us mount nothing."""


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """A disk of this size at *folder* until the block ends.

    Raises:
        NoSmallDisk: it cannot be mounted.
    """
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise NoSmallDisk("mounting a small disk takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        raise NoSmallDisk(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk of *folder*; the file that does."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            return filler
