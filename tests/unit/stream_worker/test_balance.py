from __future__ import annotations

import pytest

from stream_worker.books import Entry, Window, settle


def entry(partition, offset, outcome="SCORED", reason=None):
    return Entry((partition, offset), outcome, reason)


def at(*positions, timestamp=None):
    return dict.fromkeys(positions, timestamp)


def test_one_outcome_each_balances():
    books = settle(
        "score", "c", at((0, 0), (0, 2), (1, 0)), [entry(0, 0), entry(0, 2), entry(1, 0)], {0: 3, 1: 1}
    )
    assert books.balanced
    assert books.as_json()["outcomes"] == {"SCORED": 3}
    assert books.as_json()["complete_since"] is None


def test_missing_double_unknown_and_waiting_are_told_apart():
    source = at((0, 0), (0, 1), (0, 2), (0, 3), (1, 0))
    outcomes = [entry(0, 0), entry(0, 0), entry(0, 2, "QUARANTINED", "oversize"), entry(7, 7)]
    books = settle("score", "c", source, outcomes, {0: 3})
    assert books.double == [(0, 0)]
    assert books.unknown == [(7, 7)]
    assert books.missing == [(0, 1)]
    assert books.waiting == 2
    assert not books.balanced
    assert not books.clean
    assert books.reasons == {"oversize": 1}


def test_an_empty_stream_balances():
    assert settle("score", "c", {}, [], {}).balanced


def test_waiting_records_are_clean_but_not_balanced():
    books = settle("score", "c", at((0, 0), (0, 1)), [entry(0, 0)], {0: 1})
    assert books.clean
    assert not books.balanced


def test_outcomes_below_what_the_source_keeps_are_expired():
    outcomes = [entry(0, 3), entry(0, 4), entry(0, 5), entry(1, 0)]
    books = settle("score", "c", at((0, 5)), outcomes, {0: 6}, first_kept={0: 4, 1: 0})
    assert books.expired == 1
    assert sorted(books.unknown) == [(0, 4), (1, 0)]
    assert books.as_json()["expired"] == 1


@pytest.mark.parametrize(("timestamp", "missing"), [(999, []), (1000, [(0, 0)]), (None, [])])
def test_records_older_than_the_kept_outcomes_are_not_missing(timestamp, missing):
    books = settle("score", "c", at((0, 0), timestamp=timestamp), [], {0: 1}, complete_since=1000)
    assert books.missing == missing
    assert books.as_json()["complete_since"] == "1970-01-01T00:00:01+00:00"


def test_held_records_are_clean_but_not_balanced():
    books = settle("deduplicate", "s", at((0, 0), (0, 1)), [entry(0, 0)], {0: 2}, held={(0, 1)})
    assert books.held == 1
    assert books.clean
    assert not books.balanced
    assert books.as_json()["held"] == 1


def test_a_window_looks_at_nothing_else():
    source = {(0, n): 1000 + n for n in range(10)}
    outcomes = [entry(0, n) for n in range(10) if n not in (2, 7)] + [entry(0, 5), entry(3, 1)]
    by_offset = settle("score", "c", source, outcomes, {0: 10}, window=Window(since_offset=4, until_offset=8))
    assert (by_offset.source_records, by_offset.missing, by_offset.double) == (4, [(0, 7)], [(0, 5)])
    assert by_offset.unknown == []
    by_time = settle("score", "c", source, outcomes, {0: 10}, window=Window(since_ms=1001, until_ms=1003))
    assert (by_time.source_records, by_time.missing, by_time.unknown) == (2, [(0, 2)], [])
    assert [e.position for e in by_time.entries] == [(0, 1)]


def test_what_the_source_dropped_before_it_was_read_is_lost():
    source, outcomes = at((0, 31), (1, 5), (2, 9)), [entry(1, 4)]
    committed, kept = {0: 14, 1: 5}, {0: 31, 1: 5, 2: 9}  # nobody has begun with partition 2
    books = settle("score", "c", source, outcomes, committed, first_kept=kept, kept_before=kept)
    assert books.lost == [(0, 14, 30)]
    assert (books.clean, books.balanced, books.waiting) == (False, False, 3)
    assert books.as_json()["lost"] == [[0, 14, 30]]


def test_records_dropped_after_the_committed_offsets_were_looked_up_may_have_been_read():
    books = settle("score", "c", {}, [], {0: 14}, first_kept={0: 31}, kept_before={0: 14})
    assert (books.lost, books.clean) == ([], True)


@pytest.mark.parametrize(
    ("window", "lost"),
    [
        (Window(since_offset=20, until_offset=25), [(0, 20, 24)]),
        (Window(since_offset=31), []),
        (Window(since_ms=1), []),
    ],
)
def test_a_window_looks_at_lost_offsets_inside_it(window, lost):
    assert settle("score", "c", {}, [], {0: 14}, kept_before={0: 31}, window=window).lost == lost
