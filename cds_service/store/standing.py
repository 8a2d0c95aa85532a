"""Whether the file of SQLite that is open is the one that stands there.

Who has a file open goes on writing into it when it is removed or replaced, and what is written there is lost. So
each connection remembers which file it opened, and which log (`-wal`) beside it, by device and inode; and what is to be
kept is compared with what stands there before it is written, and again before anybody is told that it is kept.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cds_service.store.patience import WRITE

LOG = logging.getLogger("cds_service.store")
Inode = tuple[int, int]
"""Device and inode."""
OWNER_ALONE = 0o600
OTHERS = 0o077
TRIES = 3
"""How often a file is opened that changes while it is opened."""
STEP = 0.01
"""Seconds between two attempts to be alone with a folder."""


_WITHOUT_LOG: set[Inode] = set()
"""Files that this process has open with a log that was taken away: opened anew they would get a second one."""


class Moved(SQLAlchemyError):
    """What is open is not what stands there: what was written into it is not kept."""


class LogTaken(SQLAlchemyError):
    """The log beside the file is not its own: it was taken away, or is that of a file before.

    What is in one that was taken away is saved when the service stops, and not before.
    """


class StandingFiles(NamedTuple):
    """The file and the log beside it; `None` where there is none."""

    file: Inode | None
    log: Inode | None


class DatabaseFile:
    """A file of SQLite, by its path."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self.path = path.absolute()
        self._log, self._index = self._beside()

    @property
    def uri(self) -> str:
        """What SQLite opens: the file, if it is there. It makes none."""
        return f"{self.path.as_uri()}?mode=rw"

    def inode(self) -> Inode | None:
        """The file that stands there."""
        return _inode(self.path)

    def stands(self) -> StandingFiles:
        """What stands there."""
        return StandingFiles(_inode(self.path), _inode(self._log))

    def check(self, opened: StandingFiles) -> None:
        """See that what was *opened* stands there still.

        Raises:
            Moved: another file stands there, or none.
            LogTaken: the file does, but not its log.
        """
        now = self.stands()
        if now == opened:
            return
        if now.file is None or now.file != opened.file:
            self.put_aside()  # while this process has it open still, and so can tell
            raise Moved("the file of the database was removed or replaced")
        if now.file not in _WITHOUT_LOG:
            LOG.error("%s was taken away: stop the service and start it again", self._log.name)
            _WITHOUT_LOG.add(now.file)
        raise LogTaken("the log of the database was taken away")

    def make(self) -> None:
        """Make it, empty, for its owner alone, if it is not there; the files beside it get its mode from SQLite."""
        with suppress(OSError):  # the next to open it is told why it is not there
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ALONE))

    def opened(self, connect: Callable[[], sqlite3.Connection]) -> tuple[sqlite3.Connection, StandingFiles]:
        """A connection by *connect*, which opens file and log, and what it has opened.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self._log, self._index = self._beside()
        for _ in range(TRIES):
            self.put_aside()
            before = self.inode()
            if before in _WITHOUT_LOG:
                raise sqlite3.OperationalError("the log of the database was taken away")
            connection = connect()
            found = self.stands()
            if found.file is not None and found.file == before:
                self._close_to_others()
                return connection, found
            connection.close()
        raise sqlite3.OperationalError("the file changes while it is opened")

    def _beside(self) -> tuple[Path, Path]:
        """Its log and the index of that, as SQLite names them: beside the file that a link leads to."""
        real = os.path.realpath(self.path)
        return Path(f"{real}-wal"), Path(f"{real}-shm")

    def put_aside(self) -> None:
        """Put aside a log that is left of a file that is gone: SQLite would read it as the log of the new one.

        It is such a one if this process has it open, and has not the file that stands there. It may hold what was not
        yet in its file, so it is kept.

        Raises:
            LogTaken: it cannot be put aside.
        """
        if _inode(self._log) is None:
            return
        try:
            with _alone(self._log.parent):
                ours = _open_here()
                file, log = self.stands()
                if log is not None and log in ours and file not in ours:
                    self._rename_log(f"{self._log.name}.left-{log[1]}")
                    if _inode(self._index) in ours:
                        self._index.unlink()
        except OSError as error:
            raise LogTaken("the log of a file that is gone cannot be put aside") from error

    def _rename_log(self, name: str) -> None:
        self._log.rename(self._log.with_name(name))
        LOG.error("the file of the database was removed or replaced: what was not yet in it is in %s", name)

    def _close_to_others(self) -> None:
        for path in (self.path, self._log, self._index):
            with suppress(OSError):  # it is not there, or belongs to somebody else
                mode = path.stat().st_mode
                if mode & OTHERS:
                    path.chmod(mode & ~OTHERS & 0o777)


def file_of(url: str) -> DatabaseFile | None:
    """The file of a SQLite database that is in one."""
    chosen = make_url(url)
    name = chosen.database or ""
    in_file = chosen.get_backend_name() == "sqlite" and name not in ("", ":memory:") and not name.startswith("file:")
    return DatabaseFile(Path(name)) if in_file else None


def tokens_beside(url: str) -> str:
    """Where used tokens are kept: beside the file of SQLite that *url* names, or in the same database.

    SQLite lets one write at a time. Each call writes its token before it is let in, and must not stand behind feedback.
    """
    file, chosen = file_of(url), make_url(url)
    if file is None:
        return url
    name = Path(chosen.database or "")
    beside = name.with_name(f"{name.stem}-tokens{name.suffix}")
    return chosen.set(database=str(beside)).render_as_string(hide_password=False)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of all processes of this machine, alone with the files of *folder* until the block ends.

    Raises:
        OSError: another is, for longer than may be waited for.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        _lock(held, WRITE)
        yield
    finally:
        os.close(held)


def _lock(held: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(STEP)
        else:
            return


def _open_here() -> set[Inode]:
    """All that this process has open."""
    found = set()
    for held in Path("/dev/fd").iterdir():
        with suppress(OSError):
            stat = os.fstat(int(held.name))
            found.add((stat.st_dev, stat.st_ino))
    return found


def _inode(path: Path) -> Inode | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
