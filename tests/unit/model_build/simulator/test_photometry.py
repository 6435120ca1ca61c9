from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_build.simulator.config import SimulatorConfig
from model_build.simulator.observe import make_star, observe
from model_build.simulator.photometry import flux_of_magnitude, noise_in_sigma, quoted_error, red_noise
from model_build.simulator.scene import draw_places, make_scene
from model_build.simulator.schedule import Epochs, make_schedules, run_dates
from model_build.simulator.signals import in_sky

CONFIG = SimulatorConfig()


def epochs(fwhm: float, sky: float, transparency: float = 1.0) -> Epochs:
    one = np.ones(1)
    return Epochs(
        "CTIO", "BLG01", 9300 * one, one, sky * one, fwhm * one, transparency * one, np.zeros(1, int)
    )


@pytest.mark.parametrize(
    ("mag", "fwhm", "sky", "transparency", "flux_err"),
    [(17.0391, 5.71, 3245, 1.0, 557.7957), (16.7603, 10.54, 1383, 0.86, 774.6577)],  # two public pySIS rows
)
def test_the_quoted_error_is_that_of_real_rows(mag, fwhm, sky, transparency, flux_err):
    error = quoted_error(np.asarray(flux_of_magnitude(mag)), epochs(fwhm, sky, transparency), CONFIG)
    assert error[0] == pytest.approx(flux_err, rel=0.03)


def test_red_noise_has_unit_variance_and_the_correlation_time_asked_for():
    t = np.sort(np.random.default_rng(0).uniform(0.0, 20_000.0, 60_000))
    walk = red_noise(t, 4.0, np.random.default_rng(1))
    assert walk.std() == pytest.approx(1.0, abs=0.05)
    lag = np.interp(t + 4.0, t, walk)[:-200]
    assert np.corrcoef(walk[:-200], lag)[0, 1] == pytest.approx(np.exp(-1.0), abs=0.06)


def test_red_noise_of_no_observations_is_empty():
    assert red_noise(np.zeros(0), 1.0, np.random.default_rng(0)).size == 0


def quiet_scatter(rng: np.random.Generator) -> list[float]:
    schedules = make_schedules(2021, CONFIG, rng)
    clean = replace(CONFIG, bad_flux_err_fraction=0.0)
    ratios = []
    for place in draw_places(60, run_dates(2021, CONFIG)[60:], CONFIG, rng):
        scene = make_scene(place, schedules, clean, rng)
        star = make_star(scene, 19.0, clean)
        for light_curve in observe(scene, star, in_sky(scene, np.zeros_like), clean, rng):
            if light_curve.hjd.size >= 100:
                deviation = light_curve.flux - np.median(light_curve.flux)
                mad = np.median(np.abs(deviation / light_curve.flux_err))
                ratios.append(1.4826 * float(mad))
    return ratios


def test_a_quiet_star_scatters_by_more_than_its_quoted_errors_as_real_files_do():
    ratios = quiet_scatter(np.random.default_rng(5))
    assert len(ratios) > 100
    assert 1.5 < np.median(ratios) < 2.2
    assert np.mean([1.35 < ratio < 2.4 for ratio in ratios]) > 0.9


@pytest.mark.parametrize("ratio", [1.5, 2.2])
def test_noise_has_the_rms_asked_for_and_outliers_on_top(ratio):
    schedule = make_schedules(2021, CONFIG, np.random.default_rng(6))["CTIO", "BLG02"]
    shares = np.array([0.4, 0.2, 0.3, 0.1])
    rng = np.random.default_rng(7)
    without = replace(CONFIG, outlier_fraction=0.0)
    plain = np.array([noise_in_sigma(schedule, ratio, shares, without, rng) for _ in range(40)])
    noise = np.array([noise_in_sigma(schedule, ratio, shares, CONFIG, rng) for _ in range(40)])
    assert np.sqrt(np.mean(plain**2)) == pytest.approx(ratio, rel=0.05)
    added = np.mean(noise**2) - np.mean(plain**2)
    assert added == pytest.approx(CONFIG.outlier_fraction * CONFIG.outlier_sigma**2, abs=0.35)
