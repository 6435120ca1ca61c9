from __future__ import annotations

from stream_worker.balance import settle


def entry(partition, offset, outcome="SCORED", reason=None):
    return ((partition, offset), outcome, reason)


def test_one_outcome_each_balances():
    books = settle(
        "score", "c", {(0, 0), (0, 2), (1, 0)}, [entry(0, 0), entry(0, 2), entry(1, 0)], {0: 3, 1: 1}
    )
    assert books.balanced
    assert books.as_json()["outcomes"] == {"SCORED": 3}


def test_missing_double_unknown_and_waiting_are_told_apart():
    source = {(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)}
    outcomes = [entry(0, 0), entry(0, 0), entry(0, 2, "QUARANTINED", "oversize"), entry(7, 7)]
    books = settle("score", "c", source, outcomes, {0: 3})
    assert books.double == [(0, 0)]
    assert books.unknown == [(7, 7)]
    assert books.missing == [(0, 1)]
    assert books.waiting == 2
    assert not books.balanced
    assert books.reasons == {"oversize": 1}


def test_an_empty_stream_balances():
    assert settle("score", "c", set(), [], {}).balanced
