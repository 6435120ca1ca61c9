from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.labels import Label, LabelledStar
from model_build.season.selection import PAPER_COUNTS, NotEnoughStars, affordable_counts, select

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


@settings(deadline=None)
@given(n=st.lists(st.integers(0, 4000), min_size=3, max_size=3))
def test_sizes_are_affordable_and_nos_in_proportion(n):
    found = dict(zip(Label, n, strict=True))
    counts = affordable_counts(season(*n))
    for label, count in counts.items():
        assert count <= min(found[label], PAPER_COUNTS[label])
    positives = counts[Label.YES] + counts[Label.MAYBE]
    assert positives == min(found[Label.YES], 1825) + min(found[Label.MAYBE], 1190)
    assert counts[Label.NO] == min(found[Label.NO], round(2038 / 3015 * positives))


def test_a_season_with_enough_affords_the_papers_sizes():
    assert affordable_counts(season(1900, 1200, 3000)) == PAPER_COUNTS


def test_without_a_yes_nos_are_drawn_all_the_same():
    stars = season(0, 20, 100)
    assert Counter(star.label for star in drawn(stars, affordable_counts(stars)))[Label.NO] == 14


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
    assert drawn(stars, dict.fromkeys(Label, 30), 1) != drawn(stars, dict.fromkeys(Label, 30), 2)


def test_every_short_class_is_named():
    with pytest.raises(NotEnoughStars, match=r"yes: 1825 wanted, 10 found; no: 2038 wanted, 3 found"):
        drawn(season(10, 1190, 3), PAPER_COUNTS)
