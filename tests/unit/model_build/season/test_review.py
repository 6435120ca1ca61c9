from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.season_curves import FIRST, flat, make_curves, point_lens

from model_build.season.config import load_config
from model_build.season.features import Impression, look
from model_build.season.nightly import bin_nights
from model_build.season.review import ARTEFACTS, Doubt, doubts, stage1, stage2
from model_build.season.review_rates import review_rates
from stream_worker.preprocessing import LightCurve, fit_broken_line

CONFIG = load_config().review
T_CUT = 9380.0
ERROR = 300.0
PERFECT = Impression(
    snr=60.0, sites=3, misfit=0.0, scatter=0.0, disagreement=0.0, earlier=0.0, wave=-30.0, burst=-20.0,
    fading=0.0, suddenness=0.0, haste=0.0, no_baseline=0.2,
)  # fmt: skip
DOUBTFUL = st.sampled_from(
    [
        "misfit",
        "scatter",
        "disagreement",
        "earlier",
        "wave",
        "burst",
        "fading",
        "suddenness",
        "haste",
        "no_baseline",
    ]
)


class FluxOnly:
    """A dataset whose auxiliary columns must not be touched."""

    FORBIDDEN = ("sky_background", "fwhm", "airmass", "psf_quality")

    def __init__(self, curve):
        self._curve = curve

    def __getattr__(self, name):
        if name in self.FORBIDDEN:
            pytest.fail(f"auxiliary column {name} was read")
        return getattr(self._curve, name)


def rng_of(*key):
    return np.random.default_rng(key)


def break_of(curves, t_cut=T_CUT):
    """Of the single site with the strongest rise, as AlertFinder names it."""
    lines = []
    for curve in curves:
        seen = curve.hjd <= t_cut
        lines.append(fit_broken_line(curve.hjd[seen], curve.flux[seen], curve.flux_err[seen]))
    return max(lines, key=lambda line: line.delta_chi2).t_break


def event(rng, height=None):
    """A point lens on its rise at T_CUT, ``height`` in errors there."""
    t_e, u_0 = rng.uniform(8.0, 40.0), rng.uniform(0.05, 0.8)
    t_0 = T_CUT + rng.uniform(-0.1, 0.5) * t_e
    flux = ERROR * (height or rng.uniform(4.0, 40.0)) / point_lens(np.array([T_CUT]), t_0, u_0, t_e)[0]
    return lambda t: flux * point_lens(t, t_0, u_0, t_e)


def wave(rng):
    period, phase = rng.uniform(15.0, 50.0), rng.uniform(0.0, 2.0 * np.pi)
    return lambda t: ERROR * 8.0 * np.sin(2.0 * np.pi * t / period + phase)


def outbursts(rng):
    interval, decay = rng.uniform(20.0, 40.0), rng.uniform(2.0, 6.0)
    peaks = T_CUT - rng.uniform(1.0, 5.0) - interval * np.arange(4)

    def at(t):
        after = t[:, None] - peaks
        return ERROR * 20.0 * np.where(after > 0.0, np.exp(-np.maximum(after, 0.0) / decay), 0.0).sum(axis=1)

    return at


def step(rng):
    start = T_CUT - rng.uniform(5.0, 20.0)
    return [lambda t: ERROR * 12.0 * (t > start), flat, flat]


def verdict(signal, seed, config=CONFIG):
    curves = make_curves(signal, seed, last=T_CUT + 20.0, error=ERROR)
    return stage1(curves, break_of(curves), T_CUT, rng_of(seed, 1), config)


@pytest.fixture(scope="module")
def reviewed():
    """Kinds, verdicts and signal-to-noise of a mixed sample."""
    kinds, verdicts = [], []
    for kind, signal, number in (
        ("event", event, 160), ("mira", wave, 90), ("cv", outbursts, 60), ("moonlight", step, 60),
        ("quiet", lambda _: flat, 60),
    ):  # fmt: skip
        for seed in range(number):
            kinds.append(kind)
            verdicts.append(verdict(signal(rng_of(seed, 2)), seed))
    return kinds, verdicts


def test_errors_of_a_mixed_sample_are_rare(reviewed):
    kinds, verdicts = reviewed
    rates = review_rates(kinds, [v.passed for v in verdicts], [v.snr for v in verdicts])
    assert rates.miss < 0.15
    assert rates.false_pass <= 0.01
    assert sum(v.passed for k, v in zip(kinds, verdicts, strict=True) if k == "moonlight") <= 2


def test_faint_events_are_missed_more_often_than_bright_ones():
    missed = {
        height: sum(not verdict(event(rng_of(seed, 3), height), seed).passed for seed in range(60))
        for height in (2.0, 20.0)
    }
    assert missed[2.0] > missed[20.0] + 10


def test_auxiliary_columns_are_never_read():
    curves = make_curves(event(rng_of(4), 20.0), 4, error=ERROR)
    t_break = break_of(curves)
    guarded = [FluxOnly(curve) for curve in curves]
    assert stage1(guarded, t_break, T_CUT, rng_of(0), CONFIG) == stage1(
        curves, t_break, T_CUT, rng_of(0), CONFIG
    )


def test_later_observations_change_nothing():
    curves = make_curves(event(rng_of(5), 15.0), 5, error=ERROR)
    cut = [
        LightCurve(
            c.site, c.dataset, c.hjd[c.hjd <= T_CUT], c.flux[c.hjd <= T_CUT], c.flux_err[c.hjd <= T_CUT]
        )
        for c in curves
    ]
    assert any(c.hjd[-1] > T_CUT for c in curves)
    assert look(curves, T_CUT - 20.0, T_CUT) == look(cut, T_CUT - 20.0, T_CUT)


@settings(deadline=None)
@given(offset=st.floats(-1e4, 1e4), seed=st.integers(0, 20))
def test_reference_offset_and_order_of_rows_do_not_matter(offset, seed):
    curves = make_curves(event(rng_of(6), 15.0), 6, error=ERROR)
    moved = []
    for curve in curves:
        order = rng_of(seed).permutation(curve.hjd.size)
        flux = (curve.flux.astype(np.float64) + offset)[order]
        moved.append(LightCurve(curve.site, curve.dataset, curve.hjd[order], flux, curve.flux_err[order]))
    seen, again = look(curves, T_CUT - 20.0, T_CUT), look(moved, T_CUT - 20.0, T_CUT)
    for name in Impression.__slots__:
        assert getattr(again, name) == pytest.approx(getattr(seen, name), rel=1e-3, abs=1e-3), name


def test_what_is_noticed():
    clear = event(rng_of(7), 25.0)
    good = look(make_curves(clear, 7, error=ERROR), T_CUT - 25.0, T_CUT)
    one_site = look(make_curves([clear, flat, flat], 7, error=ERROR), T_CUT - 25.0, T_CUT)
    variable = look(make_curves(wave(rng_of(8)), 7, error=ERROR), T_CUT - 10.0, T_CUT)
    burst = look(make_curves(lambda t: 6000.0 * (t > T_CUT - 12.3), 7, error=ERROR), T_CUT - 12.3, T_CUT)
    faded = look(make_curves(lambda t: 9000.0 * point_lens(t, 9345.0, 0.3, 15.0), 7), 9330.0, T_CUT)
    assert good.sites == 3
    assert good.snr > 25.0
    assert one_site.sites == 1
    assert one_site.disagreement > 5.0 > good.disagreement
    assert variable.wave > 5.0 > 0.0 > good.wave
    assert variable.earlier > 0.3 > good.earlier
    assert burst.burst > 0.0 > good.burst
    assert faded.fading > 0.5 > 0.1 > good.fading


def test_too_little_to_see_fails():
    curves = make_curves(flat, 9, last=FIRST + 1.5)
    result = stage1(curves, FIRST + 1.0, FIRST + 1.5, rng_of(0), CONFIG)
    assert (result.passed, result.impression, result.snr) == (False, None, 0.0)
    assert not stage1([], FIRST, T_CUT, rng_of(0), CONFIG).passed


def test_perfect_impression_raises_no_doubt():
    assert doubts(PERFECT, CONFIG) == 0.0


@settings(deadline=None)
@given(name=DOUBTFUL, more=st.floats(0.0, 50.0), other=st.floats(0.0, 50.0))
def test_doubts_never_fall_as_something_gets_worse(name, more, other):
    low, high = sorted((more, other))
    worse = [doubts(replace(PERFECT, **{name: value}), CONFIG) for value in (low, high)]
    assert 0.0 <= worse[0] <= worse[1]


@settings(deadline=None)
@given(snr=st.floats(0.0, 100.0), sites=st.integers(0, 3))
def test_faint_or_unconfirmed_rises_raise_doubt(snr, sites):
    doubt = doubts(replace(PERFECT, snr=snr, sites=sites), CONFIG)
    assert doubt >= doubts(replace(PERFECT, snr=snr + 1.0, sites=sites), CONFIG)
    assert doubt >= doubts(replace(PERFECT, snr=snr, sites=min(sites + 1, 3)), CONFIG)


def test_doubt_starts_where_it_should():
    assert [Doubt(1.0, 2.0).of(value) for value in (0.5, 1.0, 3.0)] == [0.0, 0.0, 1.0]


def test_slips_come_at_their_rates():
    curves = make_curves(event(rng_of(10), 20.0), 10, error=ERROR)
    hopeless = make_curves(wave(rng_of(11)), 11, error=ERROR)
    careless = replace(CONFIG, miss_rate=1.0, miss_snr=1e9, judgement_sigma=0.0)
    eager = replace(CONFIG, false_pass_rate=1.0)
    good, bad = (stage1(curves, break_of(curves), T_CUT, rng_of(0), c) for c in (CONFIG, careless))
    assert (good.passed, good.slip) == (True, False)
    assert (bad.passed, bad.slip) == (False, True)
    assert good.score == bad.score > 0.0
    wrong = stage1(hopeless, break_of(hopeless), T_CUT, rng_of(0), eager)
    assert (wrong.passed, wrong.slip) == (True, True)
    assert wrong.score < 0.0


def test_one_review_is_deterministic_and_its_judgement_varies():
    curves = make_curves(event(rng_of(12), 12.0), 12, error=ERROR)
    t_break = break_of(curves)
    score = stage1(curves, t_break, T_CUT, rng_of(0), CONFIG).score
    torn = replace(CONFIG, limit=CONFIG.limit - score, miss_rate=0.0, false_pass_rate=0.0)
    first = [stage1(curves, t_break, T_CUT, rng_of(seed), torn) for seed in range(30)]
    assert first == [stage1(curves, t_break, T_CUT, rng_of(seed), torn) for seed in range(30)]
    assert 5 <= sum(one.passed for one in first) <= 25


@pytest.mark.parametrize("kind", sorted(ARTEFACTS))
def test_images_give_artefacts_away(kind):
    alerted = np.mean([stage2(kind, rng_of(seed, 20), CONFIG) for seed in range(2000)])
    assert alerted == pytest.approx(0.03, abs=0.012)


def test_images_keep_events():
    kept = np.mean([stage2("event", rng_of(seed, 21), CONFIG) for seed in range(2000)])
    assert kept == pytest.approx(0.97, abs=0.012)


@pytest.mark.parametrize("kind", ["mira", "sr", "osarg", "dwarf_nova", "flare", "quiet"])
def test_isolated_variables_are_never_alerted(kind):
    assert not any(stage2(kind, rng_of(seed, 22), CONFIG) for seed in range(500))


def test_nightly_means_have_honest_errors():
    pulls = []
    for seed in range(12):
        nights = bin_nights(make_curves(flat, seed))
        for dataset in range(3):
            f = nights.flux[nights.dataset == dataset]
            pulls.append((f - np.median(f)) / nights.error[nights.dataset == dataset])
    assert 0.7 < np.std(np.concatenate(pulls)) < 1.3


def test_stray_points_and_bad_errors_do_not_reach_the_means():
    clean = make_curves(flat, 30)
    dirty = []
    for curve in clean:
        flux, error = curve.flux.copy(), curve.flux_err.copy()
        flux[7] += 1e5
        error[20], flux[25] = -1.0, np.nan
        dirty.append(LightCurve(curve.site, curve.dataset, curve.hjd, flux, error))
    a, b = bin_nights(clean), bin_nights(dirty)
    np.testing.assert_allclose(a.flux, b.flux, atol=4.0 * np.max(a.error))
    assert np.isfinite(b.flux).all()


def test_a_stray_point_is_no_sudden_rise_but_a_jump_that_lasts_is():
    t_break = T_CUT - 20.0
    gentle = lambda t: 60.0 * ERROR * point_lens(t, T_CUT + 5.0, 0.5, 25.0)
    strayed = make_curves(gentle, 13, error=ERROR)
    for curve in strayed:
        curve.flux[np.searchsorted(curve.hjd, T_CUT - 4.0)] += 40.0 * ERROR
    jumped = make_curves(lambda t: 30.0 * ERROR * (t > T_CUT - 5.0), 13, error=ERROR)
    assert look(strayed, t_break, T_CUT).suddenness == pytest.approx(0.0, abs=0.05)
    assert look(jumped, t_break, T_CUT).suddenness > 0.5
