"""Variable stars: proportions, shapes, reproducibility."""

from __future__ import annotations

import numpy as np
import pytest

from model_build.season.config import load_config
from model_build.season.sections import as_table, read
from model_build.season.variables import (
    KINDS,
    Mode,
    Outbursts,
    Pulsation,
    VariablesConfig,
    draw_kind,
    draw_variable,
    relative_flux,
)

SEASON = (9264.5, 9515.5)
HJD = np.linspace(9264.5, 9515.5, 2511)
CONFIG = load_config().variables


def draws(kind, n=200):
    return [draw_variable(CONFIG, SEASON, np.random.default_rng([5, k]), kind) for k in range(n)]


def test_kinds_come_in_their_natural_shares():
    rng = np.random.default_rng(1)
    kinds = [draw_kind(CONFIG, rng) for _ in range(20000)]
    total = sum(CONFIG.stars.values())
    for kind in KINDS:
        assert kinds.count(kind) / len(kinds) == pytest.approx(CONFIG.stars[kind] / total, abs=0.01)
    assert draw_variable(CONFIG, SEASON, np.random.default_rng(2)).kind in KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_draws_depend_on_the_generator_alone(kind):
    first, second = draws(kind, 10), draws(kind, 10)
    assert first == second
    assert len(set(first)) == 10
    low, high = getattr(CONFIG, kind).i_range
    assert all(low <= star.i_base <= high and star.kind == kind for star in first)


@pytest.mark.parametrize("kind", KINDS)
def test_all_sites_see_the_same_star(kind):
    for star in draws(kind, 20):
        some = np.sort(np.random.default_rng(0).choice(HJD, 100, replace=False))
        assert relative_flux(star, some) == pytest.approx(
            relative_flux(star, HJD)[np.searchsorted(HJD, some)]
        )
        assert relative_flux(star, HJD).min() > -1.0
        assert relative_flux(star, np.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("mira", 0.8, 3.0), ("sr", 0.1, 0.8), ("osarg", 0.006, 0.12)]
)
def test_first_modes_have_the_amplitudes_of_their_class(kind, low, high):
    for star in draws(kind):
        only = Pulsation(star.kind, star.i_base, star.modes[:1], star.asymmetry)
        long = np.linspace(0.0, 20.0 * star.modes[0].period, 4001)
        magnitudes = -2.5 * np.log10(1.0 + relative_flux(only, long))
        assert low * 0.99 <= np.ptp(magnitudes) <= high * 1.01


def test_pulsation_repeats_with_its_period():
    star = Pulsation("sr", 15.0, (Mode(50.0, 0.2, 1.0),), 0.1)
    assert relative_flux(star, HJD + 50.0) == pytest.approx(relative_flux(star, HJD))


def test_miras_rise_faster_than_they_fall():
    for star in draws("mira", 20):
        steady = Pulsation("mira", star.i_base, (Mode(200.0, star.modes[0].amplitude, 0.0),), star.asymmetry)
        cycle = relative_flux(steady, np.linspace(0.0, 200.0, 2001))
        assert np.mean(np.diff(cycle) > 0.0) < 0.45


def test_some_giants_have_long_secondary_periods():
    with_one = [star.modes[-1].period > 200.0 and len(star.modes) > 1 for star in draws("osarg", 1000)]
    assert np.mean(with_one) == pytest.approx(0.3, abs=0.05)


def test_outburst_rises_from_zero_and_falls_to_a_tenth():
    star = Outbursts("cv", 19.0, (9300.0,), (5.0,), 1.0, 10.0)
    at = relative_flux(star, np.array([9298.9, 9299.5, 9300.0, 9310.0, 9400.0]))
    assert at == pytest.approx([0.0, 1.25, 5.0, 0.5, 0.0])


def test_dwarf_novae_and_flares_have_their_durations():
    for kind, rise, decay in (("cv", (0.3, 2.0), (3.0, 15.0)), ("flare", (0.002, 0.02), (0.03, 0.4))):
        stars = draws(kind)
        assert all(rise[0] <= star.rise <= rise[1] and decay[0] <= star.decay <= decay[1] for star in stars)
        counts = [sum(SEASON[0] <= peak < SEASON[1] for peak in star.peaks) for star in stars]
        assert np.mean(np.array(counts) > 0) > 0.6  # most, not all, go off within a season
        assert min(counts) == 0
        assert all(np.all(np.diff(star.peaks) > 0.0) for star in stars)


def test_configuration_reads_and_names_every_fault():
    faults: list[str] = []
    assert read(VariablesConfig, as_table(CONFIG), "variables", faults) == CONFIG
    assert faults == []
    wrong = as_table(CONFIG) | {"stars": {"mira": -1.0}, "interval_scatter": -2.0}
    read(VariablesConfig, wrong, "variables", faults)
    assert len(faults) == 2
