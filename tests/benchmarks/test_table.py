"""The page that `make bench` prints."""

from __future__ import annotations

from benchmarks.figures import HAPI, OURS, Measured, Point
from benchmarks.inside import Inside
from benchmarks.load import Sample
from benchmarks.table import Report, Use, by_ring, side_by_side, straight_line, where_it_goes, written

INSIDE = Inside(
    stages={"decode": 0.001, "logic": 0.002},
    engine=0.004,
    application=0.005,
    background=0.0005,
    rings={"clinical": 0.75, "flask": 0.25},
    line=[],
)
MINE = Sample(rate=200, p50=4, p99=10, cpu=8, failed=0)
THEIRS = Sample(rate=50, p50=20, p99=30, cpu=16, failed=2)


def cells(table: str) -> list[list[str]]:
    """The rows of a table under its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]


def test_servers_stand_side_by_side():
    """Ours is four times as fast for half the CPU; what failed is counted."""
    assert cells(side_by_side({"typical": {OURS: [MINE], HAPI: [THEIRS]}})) == [
        ["typical", OURS, "200", "4", "10", "2.5 (2.5..2.5)", "8 (8..8)", "0", "1", "1"],
        ["typical", HAPI, "50", "20", "30", "1.5 (1.5..1.5)", "16 (16..16)", "2", "4 (4..4)x", "0.5 (0.5..0.5)x"],
    ]


def test_parts_of_a_request_add_up():
    """Each part is what it has beyond the one inside it: 3 ms of stages in 4 of engine, 5, 0.5 beside, 10 over HTTP."""
    rows = cells(where_it_goes(INSIDE, [MINE._replace(cpu=10)]))

    assert [row[1:] for row in rows] == [
        ["1", "10%"], ["2", "20%"], ["1", "10%"], ["1", "10%"], ["0.5", "5%"], ["4.5", "45%"], ["10", "100%"],
    ]  # fmt: skip


def test_server_is_not_told_from_runs_that_differ_more():
    """Over HTTP 5 ms where the same took 5.5 in a process: no part is negative, and the sum leaves the server out."""
    rows = cells(where_it_goes(INSIDE, [MINE._replace(cpu=5)]))

    assert [row[1] for row in rows] == ["1", "2", "1", "1", "0.5", "5.5"]
    assert rows[-1][0] == "**all**, without the server"


def test_rings_have_their_share():
    """In percent."""
    assert cells(by_ring(INSIDE.rings)) == [["clinical", "75%"], ["flask", "25%"]]


def test_line_tells_what_each_more_costs():
    """Ten more for 0.2 ms more are 20 microseconds each."""
    line = [Point(1, 1_000, 0.0010), Point(11, 12_000, 0.0012)]

    assert cells(straight_line(line)) == [["1", "1,000", "1", "-"], ["11", "12,000", "1.2", "20"]]


def test_page_tells_what_is_lacking():
    """What was left out stands on the page with the reason; goals that need it are not measured."""
    uses = {OURS: Use(first=80, worker=85, started=0.5, cpu=0.4)}
    note = "HealthChain was left out: the comparison kit is not there (BENCH_KIT)"

    page = written(Report({"machine": "2 cores"}, Measured({"typical": {OURS: [MINE]}}), uses, None, [note]))

    assert "- machine: 2 cores\n" in page
    assert f"- {note}\n" in page
    assert "| typical: throughput, to HealthChain's | at least 15x | - | not measured |" in page
    assert "| typical: p99 to p50 under load | at most 4x | 2.5 (2.5..2.5)x | met |" in page
    assert f"| {OURS} | 0.5 | 0.4 | 80 | 85 |" in page
