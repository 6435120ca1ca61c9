from __future__ import annotations

import numpy as np
import pytest
from support.truth_rows import truth_row

from model_build.bootstrap import Resampling
from model_build.evaluation.natural import at_purity, operate
from model_build.evaluation.scored import Scored
from model_build.evaluation.stream_stars import nights_of, stars_of

RUNS = ("2021-06-07", "2021-06-08", "2021-06-09")
T_CUT = dict(zip(RUNS, (9372.75, 9373.75, 9374.75), strict=True))


def stream(*candidates):
    """Scored candidates of (star, run 0-2, p, other truth)."""
    rows = []
    for place, (star, run, _, other) in enumerate(candidates):
        values = {
            "star_id": f"s{star}", "cluster": star, "run_id": RUNS[run], "t_cut": T_CUT[RUNS[run]],
            "first_run_id": RUNS[0], "last_run_id": RUNS[2], "selected": False,
        }  # fmt: skip
        rows.append(truth_row(place, **values | other))
    p = np.array([candidate[2] for candidate in candidates], float)
    classes = np.column_stack([p, np.zeros(p.size), 1.0 - p])
    return Scored(tuple(rows), p, classes, np.ones((p.size, 3), int))


def operation(its, threshold, nights=10):
    stars = stars_of(its)
    resampling, of_stars = Resampling(its.clusters, 1, 100), Resampling(stars.cluster, 1, 100)
    return operate(resampling, of_stars, its, stars, its.p_review, threshold, nights)


EVENT = {"kind": "event", "label": "yes", "t_0": 9380.75}
NO = {"kind": "bleed", "label": "no"}


def test_first_last_and_ever_are_of_the_star_up_to_its_label():
    its = stream(
        (1, 0, 0.2, EVENT | {"last_run_id": RUNS[1]}),
        (1, 1, 0.4, EVENT | {"last_run_id": RUNS[1]}),
        (1, 2, 0.9, EVENT | {"last_run_id": RUNS[1]}),  # after the alert
        (2, 1, 0.9, EVENT | {"label": None}),  # first listed before the stream
        (3, 0, 0.9, EVENT | {"first_run_id": "2021-05-01", "last_run_id": "2021-05-03"}),  # alerted before it
        (4, 0, 0.7, NO),
    )
    stars = stars_of(its)
    assert stars.is_event.tolist() == [True, True, True, False]
    assert stars.is_confirmed.tolist() == [True, False, True, False]
    assert stars.first.tolist() == [0, -1, -1, 5]
    assert stars.last.tolist() == [1, 3, -1, 5]
    found = operation(its, 0.5)
    assert (found.events.n_first, found.events.n_last, found.events.n) == (1, 2, 3)
    assert found.events.first.value == 0.0
    assert found.events.last.value == 0.5
    assert found.events.ever.value == 1.0
    assert found.confirmed.last.value == 0.0
    assert found.false_per_night.value == pytest.approx(0.1)
    assert found.precision.value == pytest.approx(3 / 4)


def test_a_star_counts_once_and_ghosts_apart():
    ghost = {"kind": "ghost", "label": "maybe", "t_0": 9380.75}
    its = stream(
        (1, 0, 0.9, NO), (1, 1, 0.8, NO), (2, 0, 0.1, NO), (3, 0, 0.9, ghost), (4, 0, 0.6, EVENT),
    )  # fmt: skip
    found = operation(its, 0.5, nights=2)
    assert found.false_per_night.value == 0.5
    assert found.ghosts_per_night.value == 0.5
    assert found.precision.value == 0.5
    assert found.precision_with_ghosts.value == pytest.approx(1 / 3)
    assert found.no_accuracy.value == pytest.approx(1 / 3)  # candidates of stars labelled No
    assert found.announced == {"bleed": 1, "ghost": 1, "event": 1}
    assert found.events.n == 1  # the ghost's t_0 makes it no event


def test_lead_time_is_from_the_first_crossing_of_events_first_seen_in_the_stream():
    late = EVENT | {"t_0": 9370.75}
    its = stream(
        (1, 0, 0.2, EVENT), (1, 1, 0.9, EVENT), (1, 2, 0.95, EVENT), (2, 0, 0.9, late), (3, 1, 0.9, EVENT),
        (4, 0, 0.1, EVENT), (5, 0, 0.9, NO),
    )  # fmt: skip
    found = operation(its, 0.5).lead_time
    assert sorted(found.days) == pytest.approx([-2.0, 7.0])
    assert found.n == 2
    assert found.before_peak.value == 0.5
    assert np.isnan(operation(its, 0.99).lead_time.quantiles).all()


def test_the_purest_threshold_turns_down_just_enough_nos():
    rng = np.random.default_rng(5)
    nos = [(star, 0, p, NO) for star, p in enumerate(rng.uniform(0, 0.8, 1000))]
    events = [(2000 + n, 0, p, EVENT) for n, p in enumerate(np.linspace(0.5, 1.0, 101))]
    its = stream(*nos, *events)
    stars = stars_of(its)
    resampling, of_stars = Resampling(its.clusters, 1, 300), Resampling(stars.cluster, 1, 300)
    found = at_purity(resampling, of_stars, its, stars, its.p_review)
    threshold = found.threshold.value
    p = its.p_review[:1000]
    assert np.mean(p < threshold) == found.no_accuracy.value == pytest.approx(0.997)
    assert np.mean(p < np.nextafter(threshold, 0)) < 0.997
    assert found.threshold.low < threshold <= found.threshold.high
    assert found.events_last.value == pytest.approx(np.mean(its.p_review[1000:] >= threshold))
    assert found.events_last.low < found.events_last.value < found.events_last.high
    assert found.n_no == 1000
    assert at_purity(resampling, of_stars, its, stars, its.p_review, 1.0).threshold.value == np.nextafter(
        p.max(), 1
    )


def test_another_score_is_announced_by_its_own_order():
    its = stream(
        (1, 0, 0.9, NO), (2, 0, 0.8, NO), (3, 0, 0.7, EVENT), (4, 0, 0.6, EVENT | {"t_0": 9370.75}),
    )  # fmt: skip
    stars = stars_of(its)
    resampling, of_stars = Resampling(its.clusters, 1, 50), Resampling(stars.cluster, 1, 50)
    other = np.array([0.1, 0.2, 0.5, 0.4])
    by_review = operate(resampling, of_stars, its, stars, its.p_review, 0.65, 1)
    by_other = operate(resampling, of_stars, its, stars, other, 0.45, 1)
    assert (by_review.announced, by_other.announced) == ({"bleed": 2, "event": 1}, {"event": 1})
    assert (by_review.no_accuracy.value, by_other.no_accuracy.value) == (0.0, 1.0)
    assert by_other.events.last.value == 0.5
    assert by_other.lead_time.days == (EVENT["t_0"] - T_CUT[RUNS[0]],)
    assert at_purity(resampling, of_stars, its, stars, its.p_review).events_last.value == 0.0
    assert at_purity(resampling, of_stars, its, stars, other).events_last.value == 1.0


def test_without_nos_there_is_no_purest_threshold():
    its = stream((1, 0, 0.9, EVENT))
    stars = stars_of(its)
    one = Resampling(its.clusters, 1, 10)
    assert at_purity(one, Resampling(stars.cluster, 1, 10), its, stars, its.p_review) is None


def test_nights_without_candidates_count():
    class Run:
        def __init__(self, run_id):
            self.run_id = run_id

    class Record:
        runs = tuple(map(Run, ("2021-06-04", *RUNS, "2021-06-10")))

    assert nights_of(stream((1, 0, 0.9, EVENT), (2, 2, 0.9, NO)), Record()) == 3
