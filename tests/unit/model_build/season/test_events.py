"""Priors and magnifications of events, against MulensModel, VBMicrolensing and integrals."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from model_build.season.config import load_config
from model_build.season.events import (
    BinaryLensUnavailable,
    EventParameters,
    EventsConfig,
    delta_flux,
    draw_baseline_magnitude,
    draw_event,
    galactic_longitude,
    magnification,
)
from model_build.season.sections import as_table, read

CONFIG = load_config().events
SEASON = (9264.5, 9515.5)
RA, DEC = 269.3, -29.3
HJD = np.linspace(9265.0, 9515.0, 251)


def draws(n, config=None, i_base=19.0, ra=RA, dec=DEC):
    config = config or CONFIG
    return [draw_event(config, SEASON, i_base, ra, dec, np.random.default_rng([7, k])) for k in range(n)]


def reference(parameters, hjd, method=None):
    """MulensModel's magnification of the same event."""
    mulens = pytest.importorskip("MulensModel", reason="MulensModel is not installed (extra dev)")
    names = ["t_0", "u_0", "t_E"]
    names += ["rho"] if method else []
    names += ["pi_E_N", "pi_E_E"] if parameters.pi_E_N or parameters.pi_E_E else []
    names += ["s", "q", "alpha"] if parameters.q else []
    values = {name: getattr(parameters, name) for name in names}
    values["t_0"] += 2450000.0
    model = mulens.Model(values, coords=f"{RA / 15.0:.9f}h {DEC:.9f}d")
    if method:
        model.set_magnification_methods([hjd[0] + 2449999.0, method, hjd[-1] + 2450001.0])
    return model.get_magnification(hjd + 2450000.0)


@pytest.mark.parametrize("u_0", [0.002, 0.1, 0.9])
def test_point_lens_is_mulensmodels(u_0):
    event = EventParameters(t_0=9400.2, u_0=u_0, t_E=20.0, rho=1e-6)
    assert magnification(event, HJD, RA, DEC) == pytest.approx(reference(event, HJD), rel=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("north", "east"), [(0.3, -0.25), (-0.8, 0.1), (0.0, 0.5)])
def test_annual_parallax_is_mulensmodels(north, east):
    event = EventParameters(t_0=9380.0, u_0=0.1, t_E=60.0, rho=1e-6, pi_E_N=north, pi_E_E=east)
    ours = magnification(event, HJD, RA, DEC)
    assert ours == pytest.approx(reference(event, HJD), rel=2e-4)
    without = magnification(replace(event, pi_E_N=0.0, pi_E_E=0.0), HJD, RA, DEC)
    assert np.abs(ours / without - 1.0).max() > 0.02


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("rho", "u_0"), [(0.01, 0.003), (0.01, 0.01), (0.05, 0.02), (0.05, 0.08)])
def test_finite_source_is_mulensmodels(rho, u_0):
    hjd = np.linspace(9399.0, 9401.0, 201)
    event = EventParameters(t_0=9400.0, u_0=u_0, t_E=20.0, rho=rho)
    expected = reference(event, hjd, "finite_source_uniform_Gould94_direct")
    assert magnification(event, hjd, RA, DEC) == pytest.approx(expected, rel=2e-4)


def mean_over_disc(u_0, rho):
    """A uniform disc's magnification by integrating over circles around the lens: exact at the limb, too."""

    def integrand(u):
        cosine = (u * u + u_0 * u_0 - rho * rho) / (2.0 * u * u_0)
        return (u * u + 2.0) / np.sqrt(u * u + 4.0) * 2.0 * np.arccos(np.clip(cosine, -1.0, 1.0))

    near, far = abs(rho - u_0), rho + u_0
    parts = [(0.0, near), (near, far)] if u_0 < rho else [(near, far)]
    total = sum(quad(integrand, low, high, epsabs=0.0, epsrel=1e-9, limit=200)[0] for low, high in parts)
    return total / (np.pi * rho * rho)


@settings(deadline=None)
@given(st.floats(1e-3, 0.05), st.floats(0.05, 20.0))
@example(rho=0.03125, radii=0.99609375)  # the tables of VBMicrolensing are off by 0.2 % there
def test_finite_source_is_the_mean_over_the_disc(rho, radii):
    event = EventParameters(t_0=0.0, u_0=radii * rho, t_E=1.0, rho=rho)
    ours = float(magnification(event, np.zeros(1), RA, DEC)[0])
    # what Gould (1994) leaves out is at most rho^2 / 8 of it
    assert ours == pytest.approx(mean_over_disc(radii * rho, rho), rel=rho**2 / 7.0 + 1e-8)


def test_disc_on_the_lens_is_finite():
    event = EventParameters(t_0=0.0, u_0=0.0, t_E=1.0, rho=0.02)
    ours = magnification(event, np.array([0.0, 0.02]), RA, DEC)  # centred, and limb on the lens
    assert ours[0] == pytest.approx(np.sqrt(1.0 + 4.0 / 0.02**2), rel=1e-3)  # Witt & Mao 1994
    assert np.isfinite(ours).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("s", "q", "alpha"), [(1.1, 0.2, 40.0), (0.8, 1e-3, 200.0), (2.5, 0.7, 310.0)])
def test_binary_lens_is_mulensmodels(s, q, alpha):
    pytest.importorskip("VBMicrolensing", reason="VBMicrolensing is not installed (extra train)")
    event = EventParameters(t_0=9380.0, u_0=0.1, t_E=30.0, rho=0.005, s=s, q=q, alpha=alpha)
    hjd = np.linspace(9340.0, 9420.0, 161)
    ours = magnification(event, hjd, RA, DEC)
    assert ours == pytest.approx(reference(event, hjd, "VBM"), rel=3e-3)


def test_binary_lens_without_its_library_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "VBMicrolensing", None)
    event = EventParameters(t_0=9380.0, u_0=0.1, t_E=30.0, rho=0.005, q=0.1)
    with pytest.raises(BinaryLensUnavailable, match=r"pip install VBMicrolensing.*binary_fraction"):
        magnification(event, HJD, RA, DEC)


def test_blend_does_not_brighten():
    event = EventParameters(t_0=9400.0, u_0=0.1, t_E=20.0, rho=1e-3)
    whole = delta_flux(event, 4000.0, HJD, RA, DEC)
    assert delta_flux(replace(event, f_s=0.2), 4000.0, HJD, RA, DEC) == pytest.approx(0.2 * whole)


@pytest.mark.parametrize(
    ("ra", "dec", "longitude"),
    [
        (266.40499, -28.93617, 0.0),  # Sgr A*'s neighbourhood: the origin of Galactic longitude
        (83.63308, 22.0145, -175.442),  # the Crab nebula
    ],
)
def test_galactic_longitude(ra, dec, longitude):
    assert galactic_longitude(ra, dec) == pytest.approx(longitude, abs=2e-3)


def test_priors_of_single_quantities():
    events = draws(4000)
    u_0 = np.array([e.u_0 for e in events])
    t_e = np.array([e.t_E for e in events])
    t_0 = np.array([e.t_0 for e in events])
    f_s = np.array([e.f_s for e in events])
    assert np.quantile(u_0, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.03)
    assert np.median(t_e) == pytest.approx(
        CONFIG.t_e_median_d * (1.0 + 0.04 * abs(galactic_longitude(RA, DEC))), rel=0.05
    )
    low, high = np.quantile(np.log(t_e), (0.25, 0.75))
    assert high - low == pytest.approx(1.349 * CONFIG.t_e_sigma, rel=0.06)
    assert t_e.min() >= 1.0
    assert t_e.max() <= 200.0
    assert t_0.min() >= SEASON[0] - 60.0
    assert t_0.max() <= SEASON[1] + 60.0
    assert np.mean((t_0 > SEASON[0]) & (t_0 < SEASON[1])) == pytest.approx(251.0 / 371.0, abs=0.03)
    assert np.mean(f_s == 1.0) == pytest.approx(CONFIG.unblended_fraction, abs=0.03)
    assert np.median(f_s[f_s < 1.0]) == pytest.approx(np.sqrt(CONFIG.blend_range[0]), rel=0.1)


def test_parallax_only_in_long_events_and_in_all_directions():
    events = draws(4000)
    assert all((e.pi_E_N == 0.0 == e.pi_E_E) == (e.t_E <= 25.0) for e in events)
    pi = np.array([(e.pi_E_N, e.pi_E_E) for e in events if e.t_E > 25.0])
    size = np.hypot(*pi.T)
    assert np.median(size) == pytest.approx(0.15, rel=0.1)
    assert np.abs(np.mean(pi / size[:, None], axis=0)).max() < 0.06


def test_companions():
    events = draws(8000)
    binaries = [e for e in events if e.q > 0.0]
    stellar = [e for e in binaries if e.q > 0.1]
    assert len(binaries) / len(events) == pytest.approx(0.1, abs=0.015)
    assert len(stellar) / len(binaries) == pytest.approx(0.5, abs=0.08)
    assert all(1e-4 <= e.q <= 10.0**-1.5 for e in binaries if e.q <= 0.1)
    assert all(e.q <= 1.0 for e in stellar)


def test_bright_sources_are_giants():
    giants = draws(300, i_base=15.0, config=replace(CONFIG, unblended_fraction=1.0))
    dwarfs = draws(300, i_base=19.0)
    assert min(e.rho for e in giants) >= 10.0**-2.3
    assert max(e.rho for e in giants) <= 10.0**-1.3
    assert max(e.rho for e in dwarfs) <= 1e-2


def test_events_away_from_the_centre_are_longer():
    near = np.median([e.t_E for e in draws(2000, ra=266.4, dec=-28.94)])
    far = np.median([e.t_E for e in draws(2000, ra=271.0, dec=-22.0)])  # l = 8
    assert far / near == pytest.approx(1.32, rel=0.1)


def test_draws_depend_on_the_generator_alone():
    first, second = draws(20), draws(20)
    assert first == second
    assert len(set(first)) == 20


def test_baseline_magnitudes_follow_the_slope():
    rng = np.random.default_rng(3)
    i = np.array([draw_baseline_magnitude(CONFIG, rng) for _ in range(5000)])
    assert i.min() >= 14.5
    assert i.max() <= 21.5
    faint, bright = np.mean(i > 20.5), np.mean((i > 19.5) & (i <= 20.5))
    assert np.log10(faint / bright) == pytest.approx(0.3, abs=0.05)


def test_configuration_reads_and_names_every_fault():
    faults: list[str] = []
    assert read(EventsConfig, as_table(CONFIG), "events", faults) == CONFIG
    assert faults == []
    read(
        EventsConfig,
        as_table(CONFIG) | {"t_e_median_d": -1.0, "binary_fraction": 1.5, "blend_range": [0.0, 1.0]},
        "events",
        faults,
    )
    assert len(faults) == 3
