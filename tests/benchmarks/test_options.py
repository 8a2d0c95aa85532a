"""What the environment changes of `make bench`."""

from __future__ import annotations

import pytest

from benchmarks.bench import ROOT, Wrong, options


def test_usual_options():
    """Five rounds of two seconds with eight connections, everything compared, the kit beside the checkout."""
    usual = options({})

    assert (usual.rounds, usual.seconds, usual.connections) == (5, 2, 8)
    assert usual.sizes == ("small", "typical", "large")
    assert usual.peers == ("bare", "healthchain", "hapi")
    assert usual.kit == ROOT.parent / "shared" / "bench"
    assert usual.work == ROOT / ".cache" / "bench"


def test_chosen_options():
    """Each can be chosen; `none` is no peer at all."""
    chosen = options({"ROUNDS": "1", "SECS": "3", "CONC": "4", "SIZES": "large,small", "PEERS": "none"})

    assert (chosen.rounds, chosen.seconds, chosen.connections) == (1, 3, 4)
    assert (chosen.sizes, chosen.peers) == (("large", "small"), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROUNDS", "0"), ("SECS", "0.5"), ("CONC", "many"), ("SIZES", "huge"), ("SIZES", "none"), ("PEERS", "nginx")],
)
def test_wrong_option_is_named(name: str, value: str):
    """What cannot be is refused in a sentence with the name of the variable."""
    with pytest.raises(Wrong, match=f"{name}={value}: "):
        options({name: value})
