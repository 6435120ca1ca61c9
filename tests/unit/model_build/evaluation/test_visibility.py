from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.candidates import make_candidate

from model_build.evaluation.visibility import VISIBLE, Visible, visibility_curve, visible_parts
from model_build.training_set.crops import Crop, prepare_copies
from stream_worker.candidate import Candidate
from stream_worker.preprocessing import COLUMNS, PreprocessingOptions, prepare

OPTIONS = PreprocessingOptions()


def spoilt_after(candidate: Candidate, t: float, seed: int) -> Candidate:
    """The candidate with everything observed after ``t`` measured otherwise."""
    rng = np.random.default_rng(seed)
    curves = []
    for curve in candidate.light_curves:
        late = curve.hjd > t
        columns = {name: np.array(getattr(curve, name)) for name in COLUMNS}
        for name, column in columns.items():
            if name != "hjd":
                column[late] = rng.uniform(1.0, 9000.0, int(late.sum()))
        curves.append(replace(curve, **columns))
    return replace(candidate, light_curves=tuple(curves))


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one.sites, other.sites, strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), step=st.integers(0, 9))
def test_points_after_the_crop_never_change_an_input(seed, step):
    """The leak test of fig. 11: only t_break knows of what comes later, and it is left as it was."""
    candidate = make_candidate(np.random.default_rng(seed), seed, points=(60, 90))
    t_break, t_cut = candidate.alertfinder.t_break, candidate.alertfinder.t_cut
    seen_until = t_break + VISIBLE[step] * (t_cut - t_break)
    plain = visible_parts(candidate, OPTIONS)
    spoilt = visible_parts(spoilt_after(candidate, seen_until, seed), OPTIONS)
    assert plain is not None
    assert spoilt is not None
    for part in range(step + 1):
        assert same(plain[part], spoilt[part])
    gone = replace(
        candidate,
        light_curves=tuple(
            replace(
                curve,
                **{
                    field.name: value[curve.hjd <= seen_until]
                    for field in fields(curve)
                    if isinstance(value := getattr(curve, field.name), np.ndarray)
                },
            )
            for curve in candidate.light_curves
        ),
    )
    (alone,) = prepare_copies(gone, [Crop(-np.inf, seen_until)], OPTIONS)
    assert same(plain[step], alone)


def test_t_break_alone_knows_of_what_comes_later():
    """Found with all of the light curve, it moves the fit line of what was seen before."""
    candidate = make_candidate(np.random.default_rng(1), 1, points=(60, 90))
    earlier = replace(candidate.alertfinder, t_break=candidate.alertfinder.t_break - 5.0)
    crop = [Crop(-np.inf, candidate.alertfinder.t_break)]
    (one,) = prepare_copies(candidate, crop, OPTIONS)
    (other,) = prepare_copies(replace(candidate, alertfinder=earlier), crop, OPTIONS)
    assert not same(one, other)


def test_all_of_the_alert_is_what_the_worker_sees():
    candidate = make_candidate(np.random.default_rng(2), 2, points=(60, 90))
    parts = visible_parts(candidate, OPTIONS)
    whole = prepare(
        candidate.light_curves,
        t_break=candidate.alertfinder.t_break,
        t_cut=candidate.alertfinder.t_cut,
        ra=candidate.ra,
        dec=candidate.dec,
        options=OPTIONS,
    )
    assert same(parts[-1], whole)
    lengths = [sum(map(len, part.sites)) for part in parts]
    assert lengths[0] < lengths[-1]


def test_too_little_before_the_break_is_left_out():
    candidate = make_candidate(np.random.default_rng(3), 3, points=(60, 90))
    early = replace(candidate.alertfinder, t_break=candidate.alertfinder.t_cut - 59.0)
    assert visible_parts(replace(candidate, alertfinder=early), OPTIONS) is None


def test_the_curve_rises_from_chance_and_shuffled_labels_stay_there():
    """A network that is right for a share of the stars that grows with what it sees."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], 200)
    knows = rng.random(labels.size)[:, np.newaxis] < np.array(VISIBLE)
    said = np.where(knows, labels[:, np.newaxis], rng.integers(0, 3, (labels.size, len(VISIBLE))))
    guess = rng.random((labels.size, len(VISIBLE)))
    p = np.where(knows, np.where(labels[:, np.newaxis] == 2, 0.1, 0.9), guess)
    curve = visibility_curve(Visible(p, np.eye(3)[said], labels, np.arange(labels.size), 7), 0.5, 1)
    assert (curve.n, curve.left_out) == (600, 7)
    for values, chance, shuffled in (
        (curve.binary, 0.5, curve.shuffled_binary),
        (curve.multiclass, 1 / 3, curve.shuffled_multiclass),
    ):
        assert values[0].low < chance < values[0].high
        assert values[-1].value == 1.0
        assert all(one.value == pytest.approx(chance, abs=0.02) for one in shuffled)
        assert shuffled[-1].high < 0.65
    assert curve.of["no"][-1] == curve.of["named_maybe"][-1] == 1.0
