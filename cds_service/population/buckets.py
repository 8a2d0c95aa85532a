"""Charts on disk: lines are scattered to buckets by their patient, so that one bucket at a time fits into memory.

A bucket that grew too large is scattered once more, by another part of the same checksum. Only lines that some rule
reads are kept. The folder is this user's alone, and whoever made it removes it, however the run ends.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

BUCKET = 2 * 1024 * 1024
"""Bytes of the export for one bucket."""
MOST_BUCKETS = 512
MOST_HELD = 4 * 1024 * 1024
"""Bytes that wait in memory before they are written."""
TOO_LARGE = 8 * BUCKET
AGAIN = 16
"""Buckets that one that is too large is scattered to."""
_HEAD = struct.Struct(">BHI")
_LONGEST_ID = 2**16 - 1

Chart = dict[int, list[bytes]]
"""The lines of one patient, by the number of the key that asks for them."""


class Buckets:
    """Buckets that one worker writes."""

    def __init__(self, folder: Path, number: int, worker: str, before: int = 1) -> None:
        """Write *number* buckets into *folder*, by what is left of the checksum after *before* buckets."""
        self._folder, self._number, self._worker, self._before = folder, number, worker, before
        self._held: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        self._bytes = 0

    def put(self, patient: str, source: int, line: bytes) -> None:
        """Keep one line, without its end."""
        self._held[patient, source].append(line)
        self._bytes += len(line)
        if self._bytes > MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Write what waits. No file stays open: there may be more of them than a process may have."""
        waiting: defaultdict[int, list[bytes]] = defaultdict(list)
        for (patient, source), lines in self._held.items():
            name, text = patient.encode("utf-8", "replace")[:_LONGEST_ID], b"\n".join(lines)
            place = crc32(name) // self._before % self._number
            waiting[place] += (_HEAD.pack(source, len(name), len(text)), name, text)
        for place, kept in waiting.items():
            with (self._folder / f"{place:04}.{self._worker}").open("ab") as file:
                file.write(b"".join(kept))
        self._held.clear()
        self._bytes = 0


def fitting(size: int) -> int:
    """How many buckets *size* bytes of files need."""
    return max(1, min(MOST_BUCKETS, size // BUCKET))


def buckets_in(folder: Path) -> list[tuple[Path, ...]]:
    """The buckets in *folder*, each with the files that the workers wrote of it."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        found.setdefault(file.name.partition(".")[0], []).append(file)
    return [tuple(files) for files in found.values()]


def charts_in(bucket: tuple[Path, ...], number: int) -> Iterator[tuple[str, Chart]]:
    """The charts in *bucket*, one of *number*; its files are removed when they have been read."""
    if sum(file.stat().st_size for file in bucket) <= TOO_LARGE or number == 1:
        yield from _grouped(bucket).items()
        return
    folder = bucket[0].with_name(f"{bucket[0].name}.again")
    folder.mkdir(mode=0o700)
    again = Buckets(folder, AGAIN, "again", before=number)
    for file in bucket:
        for patient, chart in _read(file, {}).items():
            for source, lines in chart.items():
                for line in lines:
                    again.put(patient.decode("utf-8", "replace"), source, line)
        file.unlink()
    again.flush()
    for smaller in buckets_in(folder):
        yield from _grouped(smaller).items()
    folder.rmdir()


def _grouped(bucket: tuple[Path, ...]) -> dict[str, Chart]:
    found: dict[bytes, Chart] = {}
    for file in bucket:
        _read(file, found)
        file.unlink()
    return {patient.decode("utf-8", "replace"): chart for patient, chart in found.items()}


def _read(file: Path, found: dict[bytes, Chart]) -> dict[bytes, Chart]:
    """Put the lines of *file* into the charts that were *found*."""
    kept, place = file.read_bytes(), 0
    while place < len(kept):
        source, name, length = _HEAD.unpack_from(kept, place)
        begin = place + _HEAD.size + name
        place = begin + length
        chart = found.setdefault(kept[begin - name : begin], {})
        chart.setdefault(source, []).extend(kept[begin:place].split(b"\n"))
    return found
