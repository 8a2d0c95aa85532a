"""nginx with the configuration that is shipped, but for ports and files: it runs as whoever asks, in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.support.fixtures import ROOT

FILE = ROOT / "deploy" / "nginx" / "cds-service.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configured(folder: Path, changes: Mapping[str, str]) -> list[str] | None:
    """The command that runs it in *folder*, with *changes* to the shipped file; `None` where there is no nginx.

    Raises:
        ValueError: what is to be changed is not in the file, or more than once.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    text = FILE.read_text(encoding="utf-8")
    for old, new in changes.items():
        if text.count(old) != 1:
            raise ValueError(f"{FILE.name} has no {old!r}, or has it twice")
        text = text.replace(old, new)
    (folder / "cds-service.conf").write_text(text, encoding="utf-8")
    folders = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\ndaemon off;\nworker_processes 2;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\nhttp {{\n{folders}include {folder}/cds-service.conf;\n}}\n",
        encoding="utf-8",
    )
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")] if program else None
