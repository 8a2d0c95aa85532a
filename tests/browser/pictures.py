"""Take the pictures of the tutorial anew: `python -m tests.browser.pictures`, where the browser tests run."""

from __future__ import annotations

import struct
import sys
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ADAM, FLAGS, program, put_patients_of_tutorial
from tests.browser.test_sandbox import MAGNESIUM, VITAMIN_D
from tests.support import fhir_peers
from tests.support import sandbox as sandboxes
from tests.support.fixtures import ROOT
from tests.support.sandbox import Sandbox
from tests.support.serving import serving
from tests.web.calls import DISCOVERY, PATIENCE, TODAY

FOLDER = ROOT / "docs" / "images"
LARGEST = 120_000
"""Bytes of one picture."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def main() -> None:
    """Take both pictures of the sandbox.

    Raises:
        SystemExit: something that it takes is not there, or a picture is too large.
    """
    folder, found = sandboxes.built(), program()
    reason = fhir_peers.missing("java", "javac", "mvn")
    if folder is None or found is None or reason is not None:
        sys.exit(reason or "Chromium and a built sandbox are needed (`make sandbox`).")
    with ExitStack() as stack:
        fhir = stack.enter_context(fhir_peers.hapi())
        place = stack.enter_context(tempfile.TemporaryDirectory())
        database = f"sqlite:///{place}/feedback.sqlite3"
        served = stack.enter_context(serving(as_of=TODAY, feedback=True, database_url=database, **PATIENCE))
        url = stack.enter_context(sandboxes.serving(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, sandboxes.OFFLINE])
        stack.callback(browser.close)
        page = browser.new_context(viewport={"width": 1100, "height": 800}, locale="en-GB").new_page()
        sandbox = Sandbox(page, url, fhir)
        put_patients_of_tutorial(fhir)
        sandbox.open(ADAM.id, served.url + DISCOVERY)
        sandbox.shows(MAGNESIUM, VITAMIN_D)
        sandbox.hide_panel()
        take(page, FOLDER / "sandbox-cards.png")
        sandbox.reasons(VITAMIN_D)
        take(page, FOLDER / "sandbox-reasons.png")


def take(page: Page, file: Path) -> None:
    """Take a picture of what is on the screen, without its fine shades of colour."""
    page.mouse.move(0, 0)
    picture = smaller(page.screenshot(animations="disabled", caret="hide"))
    if len(picture) > LARGEST:
        sys.exit(f"{file.name} has {len(picture)} bytes, more than {LARGEST}")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(picture)
    sys.stdout.write(f"{file.relative_to(ROOT)}: {len(picture)} bytes\n")


def smaller(picture: bytes) -> bytes:
    """The PNG of a screen with the lowest three bits of each colour rounded, which packs into far fewer bytes."""
    chunks, at = [], len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        chunks.append((picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]))
        at += length + 12
    head = chunks[0][1]
    width, height, depth, kind = struct.unpack_from(">IIBB", head)
    if (depth, kind) != (8, 2):
        sys.exit("The browser's picture is not in colours of three bytes.")
    rows = unfiltered(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width * 3, height)
    rounded = bytes(min(255, (value + 4) // 8 * 8) for value in range(256))
    packed = b"".join(b"\0" + row.translate(rounded) for row in rows)
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(packed, 9)), (b"IEND", b""))
    )


def unfiltered(data: bytes, length: int, height: int) -> list[bytes]:
    """The rows of a picture of three bytes a pixel, with the filters of PNG (section 9 of its specification) undone."""
    rows, above = [], bytes(length)
    for start in range(0, height * (length + 1), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for place in range(length):
            left = row[place - 3] if place >= 3 else 0
            corner = above[place - 3] if place >= 3 else 0
            guesses = (0, left, above[place], (left + above[place]) // 2, paeth(left, above[place], corner))
            row[place] = (row[place] + guesses[kind]) & 255
        above = bytes(row)
        rows.append(above)
    return rows


def paeth(left: int, above: int, corner: int) -> int:
    """Whichever of the three is nearest to left + above - corner."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


if __name__ == "__main__":
    main()
