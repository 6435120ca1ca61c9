from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.evaluation.scored import Scored, ScoredSeason
from model_build.event_probability import fit_at_base_rate, fit_to_streams
from model_build.season.truth import TRUTH_FILE, read_truth
from model_build.season_report.archive import open_archive
from stream_worker.bundle import Calibration
from stream_worker.scoring import Scores


def drawn(shares, n, seed):
    """Scores of yes that tell the classes apart a little: Maybes look more like Yes than Nos do."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=shares)
    log_odds = rng.normal(np.array([1.5, 0.0, -2.0])[labels], 1.0)
    yes = 1 / (1 + np.exp(-log_odds))
    return Scores(yes, np.stack([yes, (1 - yes) / 2, (1 - yes) / 2], axis=1)), labels


@pytest.fixture(scope="module")
def stream_of(stream_archive):
    """Make a scored stream of made-up scores, those of class 0 being of events."""
    record = open_archive(stream_archive).record
    row = read_truth(stream_archive / TRUTH_FILE)[0]

    def made(scores, labels, seed=11):
        rows = tuple(replace(row, kind=("event", "bleed", "quiet", "ghost")[label]) for label in labels)
        candidates = Scored(rows, scores.p_review, scores.class_probabilities, np.ones((labels.size, 3), int))
        natural = replace(record, seed=seed, scale_events=0.1, scale_false=0.1)
        return ScoredSeason(stream_archive, natural, f"{seed:064d}", candidates)

    return made


def said(found, scores):
    calibration = Calibration(**found.in_manifest)
    return np.array([calibration.p_event(value) for value in scores.class_probabilities[:, 0]])


def test_p_event_fitted_to_streams_means_what_it_says_on_another(stream_of):
    shares = [0.02, 0.196, 0.784]
    parts = [drawn(shares, 30_000, seed) for seed in (1, 2)]
    found = fit_to_streams([stream_of(*part, seed=seed) for seed, part in enumerate(parts)])
    scores, truth = drawn(shares, 60_000, 3)
    p = said(found, scores)
    assert p.mean() == pytest.approx((truth == 0).mean(), rel=0.1)
    high = p > np.quantile(p, 0.99)
    assert p[high].mean() == pytest.approx((truth[high] == 0).mean(), rel=0.15)
    assert found.base_rate == pytest.approx(0.02, rel=0.1)
    assert found.streams == (f"{0:064d}", f"{1:064d}")
    events = sum(int((labels == 0).sum()) for _, labels in parts)
    assert (
        f"60,000 candidates of simulated natural streams (seeds 0, 1), {events:,} of them" in found.fitted_to
    )


def test_ghosts_of_one_bright_event_do_not_make_all_events_doubtful(stream_of):
    plain, labels = drawn([0.02, 0.196, 0.784], 30_000, 7)
    sure = Scores(np.full(2_000, 0.99), np.full((2_000, 3), [0.99, 0.005, 0.005]))
    both = Scores(
        np.concatenate([plain.p_review, sure.p_review]),
        np.concatenate([plain.class_probabilities, sure.class_probabilities]),
    )
    found = fit_to_streams([stream_of(both, np.concatenate([labels, np.full(2_000, 3)]))])
    without = fit_to_streams([stream_of(plain, labels)])
    assert found.in_manifest == without.in_manifest
    assert "2,000 of stars that shine with an event's light within 20 arcsec are left out" in found.fitted_to


def test_only_streams_with_events_are_fitted_to(stream_of):
    scores, labels = drawn([0.1, 0.4, 0.5], 200, 4)
    stream = stream_of(scores, labels)
    with pytest.raises(ValueError, match="is no natural stream: it holds labelled stars"):
        fit_to_streams([replace(stream, record=replace(stream.record, contents="labelled"))])
    with pytest.raises(ValueError, match=r"no natural stream: 0\.5 of the survey's events beside 0\.25"):
        fit_to_streams([replace(stream, record=replace(stream.record, scale_events=0.5, scale_false=0.25))])
    with pytest.raises(ValueError, match="got 0 true of 200"):
        fit_to_streams([stream_of(scores, np.full(200, 2))])
    upside_down = Scores(1 - scores.p_review, 1 - scores.class_probabilities)
    with pytest.raises(ValueError, match="p_yes tells no events: the log odds have slope -"):
        fit_to_streams([stream_of(upside_down, labels)])


def test_at_a_base_rate_the_mean_is_that_of_the_weighted_stars():
    scores, labels = drawn([0.36, 0.24, 0.40], 20_000, 5)
    found = fit_at_base_rate(scores, labels, 0.02)
    stream, truth = drawn([0.02, 0.98 * 0.375, 0.98 * 0.625], 60_000, 6)
    assert said(found, stream).mean() == pytest.approx((truth == 0).mean(), rel=0.1)
    assert found.base_rate == 0.02
    with pytest.raises(ValueError, match="got 20 Yes of 20"):
        fit_at_base_rate(*drawn([1, 0, 0], 20, 7), 0.02)
