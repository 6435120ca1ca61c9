"""Windows of quiet curves: their features say what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from model_build.realism.nights import clipped, lag_of_nights, lag_within_night, night_of, residuals
from model_build.realism.quiet_stars import QuietCurve, exposures_per_hour, field_like
from model_build.realism.window_features import FAMILIES, FEATURES, window_features
from model_build.realism.windows import cut_windows
from model_build.season.config import load_config
from stream_worker.preprocessing import LightCurve

NIGHT = 8300.65  # local evening at CTIO


def _curve(nights: int = 40, per_night: int = 12, seed: int = 1, **changes) -> LightCurve:
    rng = np.random.default_rng(seed)
    step = 0.5 / 24.0
    hjd = (NIGHT + np.arange(nights)[:, None] + step * np.arange(per_night)).ravel()
    error = np.full(hjd.size, 100.0)
    fwhm = 4.0 * np.exp(rng.normal(0.0, 0.2, hjd.size))
    columns = {
        "flux": 2.0 * error * rng.normal(size=hjd.size), "flux_err": error, "fwhm": fwhm,
        "sky_background": np.full(hjd.size, 800.0), "airmass": rng.uniform(1.0, 2.0, hjd.size),
    }  # fmt: skip
    return LightCurve(site="CTIO", dataset="BLG01", hjd=hjd, psf_quality=None, **(columns | changes))


def _quiet(curve: LightCurve, *, raw: bool = True) -> QuietCurve:
    return QuietCurve("event", "file", 1, raw, float(curve.hjd[0]), curve)


def _feature(curve: LightCurve, name: str) -> float:
    return float(window_features(curve)[FEATURES.index(name)])


def test_every_feature_has_one_family_and_one_value():
    assert sorted(FEATURES) == sorted(name for names in FAMILIES.values() for name in names)
    assert len(set(FEATURES)) == len(FEATURES)
    assert window_features(_curve()).shape == (len(FEATURES),)


def test_features_say_what_was_put_in():
    curve = _curve()
    assert _feature(curve, "scatter over error") == pytest.approx(2.0, rel=0.15)
    assert _feature(curve, "log error") == pytest.approx(2.0)
    assert _feature(curve, "fwhm 50 %") == pytest.approx(np.log10(4.0), abs=0.02)
    assert _feature(curve, "step 50 %") == pytest.approx(30.0)
    assert _feature(curve, "step jitter") == pytest.approx(0.0, abs=1e-3)
    assert _feature(curve, "rows per night") == 12.0
    assert _feature(curve, "nights with data") == 40.0
    assert _feature(curve, "hours per night") == pytest.approx(5.5)
    assert abs(_feature(curve, "lag within night")) < 0.15


def test_residuals_that_follow_the_seeing_are_seen():
    curve = _curve()
    follows = 300.0 * (curve.fwhm / 4.0 - 1.0)
    assert _feature(_curve(flux=follows), "residual-fwhm") == pytest.approx(1.0)
    assert abs(_feature(curve, "residual-fwhm")) < 0.15


def test_nights_that_share_an_offset_correlate_within_not_between():
    rng = np.random.default_rng(2)
    curve = _curve(flux=np.repeat(rng.normal(size=40), 12) * 300.0)
    z = clipped(residuals(curve))
    assert lag_within_night(z, curve) == pytest.approx(1.0)
    assert abs(lag_of_nights(z, curve, 1)) < 0.4


def test_a_night_at_a_site_has_one_number():
    curve = _curve(nights=3)
    assert np.unique(night_of(curve)).size == 3


def test_columns_that_were_not_measured_are_nan():
    curve = _curve(fwhm=None, sky_background=None, airmass=None)
    values = dict(zip(FEATURES, window_features(curve), strict=True))
    assert all(np.isnan(values[name]) for name in FAMILIES["conditions"])
    assert np.isfinite(values["scatter over error"])


def test_windows_are_adjacent_and_thin_ones_left_out():
    curve = _curve(nights=43)
    windows = cut_windows([_quiet(curve)], days=20.0)
    assert [window.start for window in windows] == pytest.approx([curve.hjd[0], curve.hjd[0] + 20.0])
    assert windows[0].features[FEATURES.index("nights with data")] == 20.0
    assert cut_windows([_quiet(_curve(per_night=1, nights=15))]) == ()


def test_published_magnitudes_say_nothing_of_their_error_scale():
    raw, published = (cut_windows([_quiet(_curve(), raw=raw)])[0].features for raw in (True, False))
    lost = {
        name for name, a, b in zip(FEATURES, raw, published, strict=True) if np.isfinite(a) and np.isnan(b)
    }
    assert lost == {
        "scatter over error", "rms over error", "beyond 3 sigma", "log error", "error 90 %", "error 10 %",
    }  # fmt: skip


def test_a_field_of_like_cadence_is_found():
    config = load_config()
    curve = _curve()
    assert exposures_per_hour(curve.hjd) == pytest.approx(2.0)
    assert field_like(curve, config) == "BLG01"
    hourly = _curve(per_night=1)
    assert config.fields[field_like(hourly, config)].cadence == 0.2
