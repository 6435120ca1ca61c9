"""Quoted errors and noise: what a star looks like at baseline, also against real pySIS files."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.config import load_config
from model_build.season.epochs import EpochTable
from model_build.season.noise import SystematicsConfig, chip_frames, draw_noise, noise_flux, red_noise
from model_build.season.photometry import PhotometryConfig, flux_of_magnitude, observe
from model_build.season.sections import as_table, read

CONFIG, SYSTEMATICS = load_config().photometry, load_config().systematics
CLEAN = replace(CONFIG, no_fwhm_fraction=0.0, negative_error_fraction=0.0, bad_psf_fraction=0.0)


def a_table(site="SSO", seed=0, nights=180, each=5):
    """Epochs with seeing, sky and airmass like the survey's."""
    rng = np.random.default_rng([seed, 99])
    night = np.repeat(np.arange(nights, dtype=np.int32), each)
    hjd = 9264.6 + night + np.tile(np.linspace(0.0, 0.3, each), nights)
    nightly = np.exp(0.22 * rng.normal(size=nights))[night]
    fwhm = 5.0 * nightly * np.exp(0.12 * rng.normal(size=night.size))
    sky = 900.0 * np.exp(0.5 * np.abs(rng.normal(size=nights)))[night]
    airmass = 1.0 + np.tile(np.linspace(0.8, 0.0, each), nights)
    return EpochTable(site, "BLG14", hjd, night, fwhm, sky, airmass, np.ones(night.size))


TABLE = a_table()
FRAMES = chip_frames(TABLE, "M", 1)
N = TABLE.hjd.size


def quiet(k, magnitude=20.0, frames=FRAMES, config=CLEAN, delta=None):
    """Star ``k`` at baseline."""
    noise = draw_noise(SYSTEMATICS, np.random.default_rng([3, k]))
    delta = np.zeros(frames.epochs.hjd.size) if delta is None else delta
    rng = np.random.default_rng([4, k])
    return observe(delta, flux_of_magnitude(magnitude), None, frames, noise, config, rng)


def quoted(baseline_flux, table=TABLE):
    """Errors of a star at baseline, as the pipeline quotes them where the noise leaves them alone."""
    noise = replace(draw_noise(SYSTEMATICS, np.random.default_rng(3)), error_scale=1.0)
    frames, rng = chip_frames(table, "M", 1), np.random.default_rng(4)
    delta = np.zeros(table.hjd.size)
    return observe(delta, baseline_flux, None, frames, noise, CLEAN, rng).flux_err.astype(np.float64)


def scatter(observed):
    z = observed.flux.astype(float) / observed.flux_err
    return float(z.std())


def test_flux_of_magnitude_has_zero_point_28():
    assert flux_of_magnitude(28.0) == pytest.approx(1.0)
    assert flux_of_magnitude(18.0) == pytest.approx(10000.0)


def test_quoted_error_is_the_formula():
    one = EpochTable(
        "CTIO",
        "BLG01",
        *(np.array([x]) for x in (9300.0, 0)),
        *(np.array([x]) for x in (4.0, 800.0, 1.2, 0.5)),
    )
    expected = np.sqrt(4000.0 / 2.6 + 0.5 * (16.0 + 9.0) * (800.0 + 1030.0) + (0.004 * 4000.0) ** 2) / 0.5
    assert quoted(4000.0, one) == pytest.approx([expected])


@settings(deadline=None)
@given(st.floats(14.5, 21.0), st.floats(0.1, 1.0))
def test_quoted_error_grows_with_flux_and_clouds(magnitude, step):
    faint, bright = (quoted(flux_of_magnitude(i)) for i in (magnitude + step, magnitude))
    assert (bright > faint).all()
    cloudy = replace(TABLE, transparency=np.full(N, 0.5))
    assert quoted(flux_of_magnitude(magnitude), cloudy) == pytest.approx(2.0 * bright)


def test_columns_are_float32_and_what_was_measured():
    observed = quiet(1)
    for column in fields(observed):
        values = getattr(observed, column.name)
        assert values.dtype == np.float32
        assert values.shape == (N,)
    assert observed.fwhm == pytest.approx(TABLE.fwhm, rel=1e-6)
    assert observed.sky_background == pytest.approx(TABLE.sky, rel=1e-6)
    assert observed.airmass == pytest.approx(TABLE.airmass, rel=1e-6)


def test_baseline_scatter_is_one_and_a_half_to_two_point_two_times_the_quoted_error():
    ratios = np.array([scatter(quiet(k)) for k in range(300)])
    low, median, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    assert 1.35 < low < 1.6
    assert 1.7 < median < 2.0
    assert 2.0 < high < 2.4


def test_residuals_of_quiet_stars_follow_the_seeing_of_either_sign():
    correlations = np.array([np.corrcoef(quiet(k).flux, TABLE.fwhm)[0, 1] for k in range(400)])
    assert np.quantile(correlations, 0.99) > 0.3
    assert np.quantile(correlations, 0.01) < -0.3
    assert 0.4 < np.abs(correlations).max() < 0.75
    assert abs(np.median(correlations)) < 0.05


def test_residuals_of_events_follow_the_seeing_as_those_of_quiet_stars_do():
    bump = 3000.0 * np.exp(-0.5 * ((TABLE.hjd - 9350.0) / 10.0) ** 2)
    for k in range(20):
        event, flat = (quiet(k, delta=delta).flux.astype(float) for delta in (bump, np.zeros(N)))
        assert np.corrcoef(event - bump, TABLE.fwhm)[0, 1] == pytest.approx(
            np.corrcoef(flat, TABLE.fwhm)[0, 1], abs=0.1
        )


def test_scatter_over_quoted_error_grows_with_the_fwhm():
    worst, best = [], []
    order = np.argsort(TABLE.fwhm)
    for k in range(60):
        z = (quiet(k).flux / quiet(k).flux_err)[order]
        for part, quarter in ((best, z[: N // 4]), (worst, z[-N // 4 :])):
            part.append(1.4826 * np.median(np.abs(quarter - np.median(quarter))))
    assert 1.0 < np.median(best) < 1.5
    assert np.median(worst) > 1.25 * np.median(best)


def test_stars_of_a_chip_share_their_nights_and_others_do_not():
    def nightly_mean(k, chip):
        noise = replace(draw_noise(SYSTEMATICS, np.random.default_rng([3, k])), night=1.5)
        sigma = np.full(N, 150.0)
        flux = noise_flux(
            sigma, sigma, 150.0, chip_frames(TABLE, chip, 1), noise, np.random.default_rng([8, k])
        )
        return np.bincount(TABLE.night, flux) / np.bincount(TABLE.night)

    same = np.corrcoef(nightly_mean(0, "M"), nightly_mean(1, "M"))[0, 1]
    other = np.corrcoef(nightly_mean(0, "M"), nightly_mean(1, "T"))[0, 1]
    assert same > 0.3
    assert abs(other) < 0.25


def test_reference_is_offset_by_a_few_errors_and_may_hold_the_event():
    bump = np.where(TABLE.hjd > 9350.0, 50000.0, 0.0)
    offsets = np.array([np.median(quiet(k, delta=bump).flux[TABLE.hjd < 9350.0]) for k in range(300)])
    holds = offsets < -10000.0
    assert 0.03 < holds.mean() < 0.12
    error = float(np.median(quoted(flux_of_magnitude(20.0))))
    assert 1.0 < offsets[~holds].std() / error < 4.0


def test_dirt_comes_as_often_as_configured():
    frames = chip_frames(a_table(nights=2000, each=10), "M", 1)
    observed = quiet(1, frames=frames, config=CONFIG)
    assert np.mean(observed.fwhm == -1.0) == pytest.approx(CONFIG.no_fwhm_fraction, rel=0.2)
    assert np.mean(observed.flux_err < 0.0) == pytest.approx(CONFIG.negative_error_fraction, rel=0.8)
    assert np.mean(observed.psf_quality > 100.0) == pytest.approx(CONFIG.bad_psf_fraction, rel=0.5)
    z = quiet(1, frames=frames).flux / quiet(1, frames=frames).flux_err
    deviations = np.abs(z - np.median(z))
    far = np.mean(deviations > 5.0 * 1.4826 * np.median(deviations))
    assert 0.001 < far < 0.012


def test_psf_quality_rises_with_the_misfit():
    noise, rng = draw_noise(SYSTEMATICS, np.random.default_rng(1)), np.random.default_rng
    plain = observe(np.zeros(N), 4000.0, None, FRAMES, noise, CLEAN, rng(2)).psf_quality
    spoilt = observe(np.zeros(N), 4000.0, np.full(N, 2.0), FRAMES, noise, CLEAN, rng(2)).psf_quality
    assert np.median(plain) == pytest.approx(1.0, abs=0.05)
    assert np.log(plain).std() == pytest.approx(0.25, abs=0.02)
    assert spoilt == pytest.approx(3.0 * plain, rel=1e-5)


def test_same_generators_same_light_curve():
    for name in ("flux", "flux_err", "psf_quality", "fwhm"):
        assert np.array_equal(getattr(quiet(5, config=CONFIG), name), getattr(quiet(5, config=CONFIG), name))
        if name in {"flux", "psf_quality"}:
            assert not np.array_equal(getattr(quiet(5), name), getattr(quiet(6), name))


def test_no_epochs_no_light_curve():
    observed = quiet(1, frames=chip_frames(a_table(nights=0), "M", 1), config=CONFIG)
    assert observed.flux.shape == (0,)


@pytest.mark.parametrize("tau", [0.3, 1.5, 20.0])
def test_red_noise_has_unit_variance_and_the_correlation_time(tau):
    t = np.sort(np.random.default_rng(1).uniform(0.0, 300.0, 300))
    walks = np.array([red_noise(t, tau, np.random.default_rng([2, k])) for k in range(2000)])
    assert walks.var(axis=0).mean() == pytest.approx(1.0, abs=0.05)
    correlation = walks.T @ walks / len(walks)
    expected = np.exp(-np.abs(t[:, None] - t) / tau)
    assert np.abs(correlation - expected).max() < 0.15
    assert np.abs(correlation - expected).mean() < 0.03


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1e5), min_size=0, max_size=50), st.floats(1e-3, 100.0))
def test_red_noise_is_finite_at_any_spacing(times, tau):
    t = np.sort(np.array(times))
    walk = red_noise(t, tau, np.random.default_rng(0))
    assert walk.shape == t.shape
    assert np.isfinite(walk).all()
    assert np.abs(walk).max(initial=0.0) < 8.0


def test_configuration_reads_and_names_every_fault():
    faults: list[str] = []
    assert read(PhotometryConfig, as_table(CONFIG), "photometry", faults) == CONFIG
    assert read(SystematicsConfig, as_table(SYSTEMATICS), "systematics", faults) == SYSTEMATICS
    assert faults == []
    read(PhotometryConfig, as_table(CONFIG) | {"gain": 0.0, "no_fwhm_fraction": 1.2}, "photometry", faults)
    assert len(faults) == 2
    read(SystematicsConfig, as_table(SYSTEMATICS) | {"scatter_range": [1.0, 2.0]}, "systematics", faults)
    assert "scatter_range: 1 is below" in faults[-1]


def pysis(path):
    """Times, brightening, error, FWHM, sky, airmass of the rows AlertFinder would use."""
    rows = [
        line.replace("___", "nan").split()
        for line in path.read_text().splitlines()
        if not line.startswith("#")
    ]
    t, flux, error, _, _, fwhm, sky, airmass = np.array(rows, dtype=np.float64).T
    good = (error > 0.0) & (error < 2000.0) & (fwhm > 0.0) & (fwhm < 10.0) & np.isfinite(airmass)
    t, flux, error, fwhm, sky, airmass = (x[good] for x in (t, -flux, error, fwhm, sky, airmass))
    order = np.argsort(t)
    return tuple(x[order] for x in (t, flux, error, fwhm, sky, airmass))


@pytest.mark.parametrize(("site", "letter"), [("CTIO", "C"), ("SAAO", "S"), ("SSO", "A")])
def test_baseline_is_that_of_a_real_faint_star(realdata, site, letter):
    path = realdata / "kmtnet" / "KMT-2018-BLG-0002" / f"KMT{letter}14_I.pysis"
    t, flux, error, fwhm, sky, airmass = (x[np.abs(pysis(path)[0] - 8191.5) > 60.0] for x in pysis(path))
    table = EpochTable(
        site, "BLG14", t, np.floor(t - t[0]).astype(np.int32), fwhm, sky, airmass, np.ones(t.size)
    )
    frames = chip_frames(table, "M", 1)
    simulated = [quiet(k, 20.0, frames) for k in range(100)]

    def between(real, ours):
        low, high = np.quantile([ours(one) for one in simulated], [0.005, 0.995])
        assert low - 0.15 < real < high + 0.15, (real, low, high)

    z = flux / error
    between(z.std(), scatter)
    between(np.log(np.median(error)), lambda one: np.log(np.median(one.flux_err)))
    deviation = np.abs(flux - np.median(flux))
    between(
        np.corrcoef(deviation, fwhm)[0, 1],
        lambda one: np.corrcoef(np.abs(one.flux - np.median(one.flux)), fwhm)[0, 1],
    )
    night = np.diff(t) < 0.5
    between(
        np.corrcoef(z[:-1][night], z[1:][night])[0, 1],
        lambda one: np.corrcoef(*((one.flux / one.flux_err)[k:][: t.size - 1][night] for k in (0, 1)))[0, 1],
    )
