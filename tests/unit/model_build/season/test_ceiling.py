from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.season_curves import flat, make_curves

from model_build.season.baselines import (
    AUXILIARY_FEATURES,
    CLASSICAL_FEATURES,
    DATE_AND_COUNT_FEATURES,
    auxiliary_features,
    classical_features,
    date_and_count_features,
)
from model_build.season.ceiling import (
    cross_validate,
    cross_validated,
    oracle_ceiling,
    score,
    truth_features,
)
from model_build.season.truth import TruthRow
from stream_worker.preprocessing import LightCurve

T_BREAK, T_CUT = 9360.0, 9380.0


def truth(number, kind, label, review_score=0.3):
    rng = np.random.default_rng([number, 9])
    event = {"t_0": 9385.0, "u_0": 0.2, "t_E": rng.uniform(5.0, 50.0)} if kind == "event" else {}
    return TruthRow(
        candidate_id=str(number), star_id=str(number), run_id="2021-05-10", t_cut=9344.75, label=label,
        selected=True, first_run_id="2021-05-03", last_run_id="2021-05-10",
        new=True, passed=True, alerted=False, review_score=review_score, rise_snr=20.0,
        event_class=None, kind=kind, parent=None, source=number,
        cluster=number, neighbours=0, field="BLG01", chip="M", x=0.0, y=0.0, ra=268.0, dec=-30.0,
        i_base=rng.uniform(15.0, 21.0), **event,
    )  # fmt: skip


def balanced(n=60):
    return np.array(["yes", "maybe", "no"] * n)


def test_what_the_labels_are_made_of_is_learned_and_noise_is_not():
    labels = balanced()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(labels.size, 4))
    told = noise.copy()
    told[:, 2] += 20.0 * (labels == "yes") + 40.0 * (labels == "no")
    clusters = np.arange(labels.size)
    good, bad = (cross_validate(features, labels, clusters, 1) for features in (told, noise))
    assert good.three_class > 0.95
    assert good.two_class_balanced > 0.95
    assert bad.three_class_balanced < 0.48
    assert bad.two_class_balanced < 0.62


def test_siblings_of_a_cluster_give_nothing_away():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(30), 6)
    labels = balanced(10)[clusters]
    fingerprint = rng.normal(size=(30, 3))[clusters] + rng.normal(scale=0.01, size=(180, 3))
    together = cross_validate(fingerprint, labels, clusters, 1)
    torn = cross_validate(fingerprint, labels, np.arange(180), 1)
    assert torn.three_class > 0.9
    assert together.three_class < 0.6


def test_missing_values_are_allowed_and_results_repeat():
    labels = balanced(20)
    features = np.random.default_rng(2).normal(size=(60, 3))
    features[::3, 1] = np.nan
    first, again = (cross_validate(features, labels, np.arange(60), 5) for _ in range(2))
    assert first == again


def test_probabilities_are_those_of_classifiers_that_saw_nothing_of_the_cluster():
    labels, clusters = balanced(20), np.repeat(np.arange(20), 3)
    features = np.random.default_rng(4).normal(size=(60, 2))
    probability = cross_validated(features, labels, clusters, 1)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    assert cross_validate(features, labels, clusters, 1) == score(probability, labels)
    swapped = labels.copy()
    swapped[:3] = labels[[1, 2, 0]]
    again = cross_validated(features, swapped, clusters, 1)
    np.testing.assert_array_equal(again[:3], probability[:3])
    assert not np.array_equal(again, probability)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="'perhaps'"):
        cross_validate(np.zeros((1, 1)), ["perhaps"], np.zeros(1, dtype=int), 0)
    with pytest.raises(ValueError, match="2 rows, 1 labels"):
        cross_validate(np.zeros((2, 1)), ["yes"], np.zeros(1, dtype=int), 0)
    with pytest.raises(ValueError, match="fewer than 5 clusters of class yes, maybe, no"):
        cross_validate(np.zeros((9, 1)), balanced(3), np.arange(9) % 2, 0)


def test_score_counts_by_hand():
    probability = np.array([[0.6, 0.2, 0.2], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    found = score(probability, ["yes", "maybe", "no", "no"])
    assert found.three_class == 0.5
    assert found.recall == {"yes": 1.0, "maybe": 0.0, "no": 0.5}
    assert found.three_class_balanced == 0.5
    assert found.two_class == 0.75
    assert found.two_class_balanced == 0.75


def test_oracle_errs_only_where_reviewers_do():
    rng = np.random.default_rng(3)
    kinds = [("event", "yes"), ("bleed", "maybe"), ("mira", "no")] * 60
    exact = [truth(i, kind, label, 0.3 if label != "no" else -2.0) for i, (kind, label) in enumerate(kinds)]
    flips = rng.random(len(exact)) < 0.2
    noisy = [replace(row, label="maybe") if flip else row for row, flip in zip(exact, flips, strict=True)]
    assert oracle_ceiling(exact, 1).three_class > 0.98
    assert 0.75 < oracle_ceiling(noisy, 1).three_class < 0.95


def test_truth_features_know_nothing_of_verdicts():
    rows = [truth(0, "event", "yes", -math.inf), truth(1, "mira", "no")]
    told = [
        replace(row, passed=False, alerted=True, label="maybe", event_class="clear", selected=False)
        for row in rows
    ]
    np.testing.assert_array_equal(truth_features(rows), truth_features(told))
    assert np.isnan(truth_features(rows)[0]).sum() >= 1


def with_auxiliaries(follow):
    curves = []
    for curve in make_curves(flat, 4):
        rng = np.random.default_rng(curve.hjd.size)
        fwhm = 4.0 * rng.lognormal(0.0, 0.2, curve.hjd.size)
        flux = curve.flux + follow * 3000.0 * (fwhm - 4.0)
        curves.append(LightCurve(curve.site, curve.dataset, curve.hjd, flux, curve.flux_err, fwhm=fwhm))
    return curves


def test_auxiliary_features_see_a_flux_that_follows_the_seeing():
    index = AUXILIARY_FEATURES.index("CTIO fwhm correlation_before")
    follows, free = (auxiliary_features(with_auxiliaries(f), T_BREAK, T_CUT) for f in (1.0, 0.0))
    assert follows[index] > 0.8
    assert abs(free[index]) < 0.25
    assert np.isnan(follows[AUXILIARY_FEATURES.index("SSO sky_background change")])


def test_classical_features_see_the_slope_in_units_of_scatter():
    rising = make_curves(lambda t: 300.0 * np.maximum(t - T_BREAK, 0.0), 5)
    found, bright = (
        classical_features(rising, T_BREAK, T_CUT),
        classical_features(
            [LightCurve(c.site, c.dataset, c.hjd, 7.0 * c.flux, 7.0 * c.flux_err) for c in rising],
            T_BREAK,
            T_CUT,
        ),
    )
    np.testing.assert_allclose(found, bright, rtol=1e-3)
    assert found[CLASSICAL_FEATURES.index("SAAO slope")] > 5.0
    assert abs(classical_features(make_curves(flat, 5), T_BREAK, T_CUT)[4]) < 1.5


def test_features_have_their_names_and_stop_at_t_cut():
    curves = with_auxiliaries(0.5)
    before = [
        LightCurve(c.site, c.dataset, *(column[c.hjd <= T_CUT] for column in (c.hjd, c.flux, c.flux_err)))
        for c in curves
    ]
    assert date_and_count_features(curves, T_CUT).tolist() == [T_CUT, *(c.hjd.size for c in before)]
    assert len(DATE_AND_COUNT_FEATURES) == 4
    classical = classical_features(curves, T_BREAK, T_CUT)
    np.testing.assert_array_equal(classical, classical_features(before, T_BREAK, T_CUT))
    assert classical.size == len(CLASSICAL_FEATURES)
    assert auxiliary_features(curves, T_BREAK, T_CUT).size == len(AUXILIARY_FEATURES)
    assert np.isnan(classical_features([], T_BREAK, T_CUT)[2:9]).all()
