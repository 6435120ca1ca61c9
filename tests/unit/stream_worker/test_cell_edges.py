"""The grouping stage where a star's position crosses the edge of a sky cell."""

from __future__ import annotations

from support.grouping_bench import TOPICS, Bench, alerts, decoder, read, star
from support.sky import offset_by, sighting


def across_an_edge(bench):
    """Records of X beside the edge of a cell, of X beyond it, and of a brighter Y known only there."""
    for east in range(0, 6000, 3):
        before, moved, brighter = (
            bench.records(star(name, east + more, 400, t_cut=t_cut, delta_chi2=delta_chi2))
            for name, more, t_cut, delta_chi2 in (
                ("X", 0, 9300.75, 500.0),
                ("X", 16, 9301.75, 2000.0),
                ("Y", 34, 9301.75, 9000.0),
            )
        )
        in_cells = [len(records) for records in (before, moved, brighter)]
        if in_cells == [2, 2, 1] and before[0].key != moved[0].key == brighter[0].key:
            return before, moved, brighter
    raise AssertionError("no edge found")


def test_a_star_whose_position_crosses_the_edge_of_a_cell_is_one_there_too():
    """Its copy in the cell next door, where it now belongs, must be taken back as any star."""
    bench, told = Bench(), []
    for records in across_an_edge(bench):
        told += alerts(bench.run(records)) + alerts(bench.run(after_ms=2_000))
    assert [alert[:2] for alert in told[-2:]] == [("RETRACTION", "X"), ("INITIAL", "Y")]


def test_a_star_that_crossed_an_edge_has_one_verdict_and_one_voice():
    """The cell it left must judge it no more, nor tell of a candidate before the last alert's."""
    bench = Bench()
    before, moved, brighter = across_an_edge(bench)
    for records in (before, moved):
        bench.run(records)
        bench.run(after_ms=2_000)
    moved_to = decoder("score")(moved[0].value)
    ring = [
        sighting(
            f"R{n:02d}", *offset_by(moved_to["ra"], moved_to["dec"], 0, 3 * n - 16.5), 9301.75, 100.0 + n
        )
        for n in range(11)
    ]
    outputs = bench.run(bench.records(*ring))
    assert [a["candidate_id"] for a in read(outputs, TOPICS.scored, "alert")] == [moved_to["candidate_id"]]
    bench.run(brighter)
    verdicts = [(k.star_id, v.strongest) for k, v in bench.stage._groupings[0].verdicts() if k.star_id == "X"]
    assert verdicts == [("X", "Y")]


def test_the_cell_that_a_star_left_still_takes_back_what_it_told():
    """Where the star now is nothing was published yet, so nobody else would."""
    bench = Bench()
    before, moved, _ = across_an_edge(bench)
    bench.run(before)
    assert [alert[:2] for alert in alerts(bench.run(after_ms=2_000))] == [("INITIAL", "X")]
    bench.run(moved)
    at = decoder("score")(moved[0].value)
    brighter = sighting("Z", at["ra"], at["dec"], 9301.75, 9000.0)
    assert [alert[:2] for alert in alerts(bench.run(bench.records(brighter)))] == [("RETRACTION", "X")]
    assert [alert[:2] for alert in alerts(bench.run(after_ms=2_000))] == [("INITIAL", "Z")]


def test_an_older_candidate_that_comes_late_moves_no_star():
    bench = Bench()
    before, moved, _ = across_an_edge(bench)
    for records in (moved, before):
        bench.run(records)
        bench.run(after_ms=2_000)
    homes = [key.cell for key, found in bench.stage._groupings[0].stars() if found.home]
    assert homes == [decoder("score")(moved[0].value)["home_cell"]]
