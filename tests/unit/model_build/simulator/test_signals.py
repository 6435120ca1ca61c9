from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.simulator.artefacts import ARTEFACTS
from model_build.simulator.config import KIND_WEIGHTS, LABELS, SimulatorConfig
from model_build.simulator.observe import make_star, observe
from model_build.simulator.scene import Place, fields_at, make_scene
from model_build.simulator.schedule import make_schedules
from model_build.simulator.signals import SIGNALS, draw_magnitude, pspl_magnification

CONFIG = SimulatorConfig()
KINDS = {**SIGNALS, **ARTEFACTS}
PLACE = Place("BLG04", 269.5, -25.2, "M", 4000.0, 3000.0, 9400.75, ("CTIO", "SAAO", "SSO"), 0)


@pytest.fixture(scope="module")
def scene():
    schedules = make_schedules(2021, CONFIG, np.random.default_rng(1))
    return make_scene(PLACE, schedules, CONFIG, np.random.default_rng(2))


@pytest.mark.parametrize("u_0", [1e-3, 0.1, 0.5, 1.0, 2.0])
def test_magnification_is_paczynskis(u_0):
    t = np.linspace(0.0, 100.0, 201)
    u = np.hypot(u_0, (t - 50.0) / 20.0)
    other_form = (1.0 - (2.0 / (u**2 + 2.0)) ** 2) ** -0.5
    np.testing.assert_allclose(pspl_magnification(t, 50.0, u_0, 20.0), other_form, rtol=1e-8)
    assert pspl_magnification(np.zeros(1), 0.0, 1.0, 20.0)[0] == pytest.approx(3.0 / np.sqrt(5.0))


@given(u_0=st.floats(1e-3, 2.0), t_e=st.floats(0.5, 300.0), dt=st.floats(0.0, 500.0))
def test_magnification_is_symmetric_above_one_and_falls_from_the_peak(u_0, t_e, dt):
    before, peak, after = pspl_magnification(np.array([-dt, 0.0, dt]), 0.0, u_0, t_e)
    assert before == after
    assert 1.0 <= before <= peak


def test_every_kind_has_a_label_and_every_label_its_kinds():
    assert tuple(KIND_WEIGHTS) == LABELS
    assert {kind for weights in KIND_WEIGHTS.values() for kind in weights} == set(KINDS)
    for weights in KIND_WEIGHTS.values():
        assert sum(weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_signal_is_finite_and_as_long_as_its_datasets(scene, kind):
    star = make_star(scene, 19.0, CONFIG)
    for seed in range(30):
        signal = KINDS[kind](scene, star, CONFIG, np.random.default_rng(seed))
        assert len(signal.flux) == len(signal.misfit) == len(scene.datasets)
        for dataset, flux, misfit in zip(scene.datasets, signal.flux, signal.misfit, strict=True):
            assert flux.shape == misfit.shape == dataset.epochs.hjd.shape
            assert np.isfinite(flux).all()
            assert (misfit >= 0.0).all()
            assert np.abs(flux).max() > 0.0 or kind in {"step", "flare", "bleed", "spike"}


def test_only_artefacts_that_a_person_would_keep_mark_the_psf(scene):
    star = make_star(scene, 19.0, CONFIG)
    for label, weights in KIND_WEIGHTS.items():
        for kind in weights:
            signal = KINDS[kind](scene, star, CONFIG, np.random.default_rng(3))
            assert any(misfit.any() for misfit in signal.misfit) == (label == "maybe"), kind


def test_an_event_is_the_same_at_all_sites_and_rises_to_its_peak(scene):
    star = make_star(scene, 18.0, CONFIG)
    for seed in range(20):
        signal = SIGNALS["pspl"](scene, star, CONFIG, np.random.default_rng(seed))
        t_0 = signal.parameters["t_0"]
        time = np.concatenate([dataset.epochs.hjd for dataset in scene.datasets])
        flux = np.concatenate(signal.flux)[np.argsort(time)]
        before = np.sort(time) < t_0
        assert np.all(np.diff(flux[before]) >= -1e-6)
        assert (flux > 0).all()


def test_magnitudes_follow_the_luminosity_function():
    rng = np.random.default_rng(4)
    magnitudes = np.array([draw_magnitude(CONFIG, rng) for _ in range(20_000)])
    low, high = CONFIG.i_range
    assert low <= magnitudes.min() < magnitudes.max() <= high
    in_bins, _ = np.histogram(magnitudes, bins=[17.0, 18.0, 19.0, 20.0])
    assert in_bins[1] / in_bins[0] == pytest.approx(10**CONFIG.i_slope, rel=0.2)
    assert in_bins[2] / in_bins[1] == pytest.approx(10**CONFIG.i_slope, rel=0.2)


def test_shifted_fields_give_two_datasets_of_each_site():
    schedules = make_schedules(2021, CONFIG, np.random.default_rng(1))
    place = Place("BLG02", 269.15, -29.25, "K", 500.0, 500.0, 9400.75, ("CTIO", "SSO"), 0)
    assert fields_at(place) == ("BLG02", "BLG42")
    scene = make_scene(place, schedules, CONFIG, np.random.default_rng(2))
    star = make_star(scene, 19.0, CONFIG)
    signal = SIGNALS["pspl"](scene, star, CONFIG, np.random.default_rng(3))
    curves = observe(scene, star, signal, CONFIG, np.random.default_rng(4))
    named = [(curve.site, curve.dataset) for curve in curves]
    assert named == [("CTIO", "BLG02"), ("CTIO", "BLG42"), ("SSO", "BLG02"), ("SSO", "BLG42")]
    assert not np.intersect1d(curves[0].hjd, curves[1].hjd).size
