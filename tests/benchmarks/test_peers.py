"""The peers of the comparison kit: whether they can be had, and how they are set up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.servers import Unusable

SCRIPT = """#!/bin/sh
[ -e "$PERF_WORK/.done-go" ] && [ -e "$PERF_WORK/.done-node" ] && [ -e "$PERF_WORK/.done-cql" ] || exit 3
[ -e "$PERF_WORK/.done-hapi" ] || exit 4
touch "$PERF_WORK/.done-venv" "$PERF_WORK/.done-healthchain"
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where peers are installed."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def kit(folder: Path, script: str) -> Path:
    """A kit whose script is *script*."""
    file = folder / "run.sh"
    file.write_text(script, encoding="utf-8")
    file.chmod(0o755)
    return folder


def test_without_the_kit_no_peer_is_there(tmp_path: Path):
    """And the reason names the variable that says where it is."""
    assert {peers.why_not(peer, tmp_path) for peer in peers.NAMES} == {"the comparison kit is not there (BENCH_KIT)"}


def test_hapi_needs_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where no program can be found, HAPI's module alone is out of reach."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert [peers.why_not(peer, kit(tmp_path, "")) for peer in ("bare", "healthchain", "hapi")] == [
        None,
        None,
        "Java and Maven are not there",
    ]


def test_only_wanted_peers_are_set_up(tmp_path: Path, work: Path):
    """The kit's script takes the others for done while it runs; later it can still set them up."""
    peers.set_up(kit(tmp_path, SCRIPT), work, ["bare", "healthchain"])

    assert {file.name for file in work.glob(".done-*")} == {".done-venv", ".done-healthchain"}


def test_peers_are_set_up_once(tmp_path: Path, work: Path):
    """What is there is not set up again: this script would fail."""
    (work / ".done-venv").touch()

    peers.set_up(kit(tmp_path, "#!/bin/sh\nexit 1\n"), work, ["bare"])


def test_failed_set_up_names_its_log(tmp_path: Path, work: Path):
    """So that whoever runs it can see what is lacking."""
    with pytest.raises(Unusable, match=r"could not be set up, see .*set-up\.log"):
        peers.set_up(kit(tmp_path, "#!/bin/sh\nexit 1\n"), work, ["bare"])


@pytest.mark.parametrize("peer", peers.NAMES)
def test_peers_listen_where_they_are_told(peer: str, tmp_path: Path):
    """Each command has the place for the port, and each is called by its name of the table."""
    found = peers.spec(peer, tmp_path, tmp_path)

    assert any("{port}" in part for part in found.command)
    assert found.name == peers.NAMES[peer]
