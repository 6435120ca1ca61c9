from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.dataset import DatasetError
from model_build.release import StreamMix, _calibration, mix_of
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from stream_worker.bundle import Calibration
from stream_worker.scoring import Scores


def test_a_stream_is_counted(stream_archive, tmp_path):
    kinds = ["event", "bleed", "quiet", "bleed", "ghost"]
    labels = ["yes", "maybe", "no", "maybe", None]
    rows = read_truth(stream_archive / TRUTH_FILE)[:50]
    made = [replace(row, kind=kinds[n % 5], label=labels[n % 5]) for n, row in enumerate(rows)]
    write_truth(tmp_path / TRUTH_FILE, made)
    mix = mix_of(tmp_path)
    assert mix.events == pytest.approx(0.2)
    assert mix.maybe_of_rest == pytest.approx(2 / 3)


def test_a_folder_that_is_no_stream_is_named(stream_archive, tmp_path):
    with pytest.raises(DatasetError, match=r"truth\.parquet"):
        mix_of(tmp_path)
    rows = [replace(row, kind="quiet") for row in read_truth(stream_archive / TRUTH_FILE)]
    write_truth(tmp_path / TRUTH_FILE, rows)
    with pytest.raises(DatasetError, match=r"0 of its .* are of events"):
        mix_of(tmp_path)


def drawn(shares, n, seed):
    """Scores of yes that tell the classes apart a little: Maybes look more like Yes than Nos do."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=shares)
    log_odds = rng.normal(np.array([1.5, 0.0, -2.0])[labels], 1.0)
    yes = 1 / (1 + np.exp(-log_odds))
    return Scores(yes, np.stack([yes, (1 - yes) / 2, (1 - yes) / 2], axis=1)), labels


def test_p_event_means_what_it_says_at_the_streams_shares():
    scores, labels = drawn([0.36, 0.24, 0.40], 20_000, 1)
    found = Calibration(**_calibration(scores, labels, StreamMix(0.02, 0.2)))
    stream, truth = drawn([0.02, 0.196, 0.784], 60_000, 2)
    p = np.array([found.p_event(value) for value in stream.class_probabilities[:, 0]])
    assert p.mean() == pytest.approx((truth == 0).mean(), rel=0.1)
    assert found.base_rate == 0.02


def test_without_shares_of_maybes_validations_own_count():
    scores, labels = drawn([0.3, 0.3, 0.4], 5_000, 3)
    own = float((labels == 1).sum() / (labels != 0).sum())
    assert _calibration(scores, labels, StreamMix(0.01)) == _calibration(scores, labels, StreamMix(0.01, own))
