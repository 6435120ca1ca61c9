from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.labels import Label, LabelledStar
from model_build.season.selection import PAPER_COUNTS, NotEnoughStars, counts_at, largest_counts, select

DATES = [f"2021-{month:02d}-{day:02d}" for month in range(4, 10) for day in range(1, 29, 7)]


def stars_of(label, dates):
    return [
        LabelledStar(f"{label.value}{i:05d}", label, 268.0, -30.0, i, run_id, 9300.0, run_id, 9300.0)
        for i, run_id in enumerate(dates)
    ]


def season(n_yes, n_maybe, n_no, seed=0):
    rng = np.random.default_rng(seed)
    numbers = {Label.YES: n_yes, Label.MAYBE: n_maybe, Label.NO: n_no}
    return [star for label, n in numbers.items() for star in stars_of(label, rng.choice(DATES, n).tolist())]


def drawn(stars, counts, seed=1):
    return select(stars, counts, np.random.default_rng(seed))


def of(stars, label):
    return [star for star in stars if star.label is label]


def test_the_papers_sizes_come_out_exactly():
    found = drawn(season(2000, 1300, 12_000), PAPER_COUNTS)
    assert Counter(star.label for star in found) == {Label.YES: 1825, Label.MAYBE: 1190, Label.NO: 2038}
    assert len({star.star_id for star in found}) == 5053


def test_sizes_scale_in_proportion():
    assert sum(counts_at(600 / 5053).values()) == pytest.approx(600, abs=1)
    assert counts_at(1.0) == PAPER_COUNTS
    assert min(counts_at(1e-6).values()) == 1
    with pytest.raises(ValueError, match="above 0"):
        counts_at(0.0)


@settings(deadline=None)
@given(n=st.lists(st.integers(1, 4000), min_size=3, max_size=3))
def test_largest_sizes_are_affordable_and_in_proportion(n):
    found = dict(zip(Label, n, strict=True))
    counts = largest_counts(season(*n))
    scale = min(1.0, *(found[label] / count for label, count in PAPER_COUNTS.items()))
    for label, count in counts.items():
        assert count <= min(found[label], PAPER_COUNTS[label])
        assert count == pytest.approx(PAPER_COUNTS[label] * scale, abs=1)


def test_largest_sizes_name_missing_classes():
    with pytest.raises(NotEnoughStars, match="maybe, no"):
        largest_counts(season(5, 0, 0))


def test_nos_have_the_dates_of_the_yes_stars():
    yes = stars_of(Label.YES, ["2021-05-03"] * 30 + ["2021-06-07"] * 10)
    no = stars_of(Label.NO, ["2021-05-03"] * 500 + ["2021-06-07"] * 500 + ["2021-08-02"] * 5000)
    found = drawn([*yes, *no], {Label.YES: 40, Label.MAYBE: 0, Label.NO: 60})
    assert Counter(star.run_id for star in of(found, Label.NO)) == {"2021-05-03": 45, "2021-06-07": 15}


def test_nearest_dates_stand_in_where_nos_are_few():
    yes = stars_of(Label.YES, ["2021-05-03"] * 10)
    no = stars_of(Label.NO, ["2021-05-03"] * 4 + ["2021-05-05"] * 3 + ["2021-04-30"] * 20)
    found = drawn([*yes, *no], {Label.YES: 10, Label.MAYBE: 0, Label.NO: 10})
    dates = Counter(star.run_id for star in of(found, Label.NO))
    assert dates == {"2021-05-03": 4, "2021-05-05": 3, "2021-04-30": 3}


@settings(deadline=None)
@given(
    n=st.lists(st.integers(1, 60), min_size=3, max_size=3),
    share=st.floats(0.1, 1.0),
    seed=st.integers(0, 1000),
)
def test_any_selection_is_a_subset_of_the_right_size_whatever_the_order(n, share, seed):
    stars = season(*n, seed)
    counts = {label: max(int(number * share), 1) for label, number in zip(Label, n, strict=True)}
    found = drawn(stars, counts, seed)
    assert Counter(star.label for star in found) == counts
    assert set(found) <= set(stars)
    assert len(set(found)) == len(found)
    order = np.random.default_rng(seed).permutation(len(stars))
    assert drawn([stars[i] for i in order], counts, seed) == found


def test_another_seed_draws_others():
    stars = season(100, 100, 1000)
    assert drawn(stars, counts_at(0.02), 1) != drawn(stars, counts_at(0.02), 2)


def test_every_short_class_is_named():
    with pytest.raises(NotEnoughStars, match=r"yes: 1825 wanted, 10 found; no: 2038 wanted, 3 found"):
        drawn(season(10, 1190, 3), PAPER_COUNTS)
