from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.training_set.crops import (
    MIN_AFTER,
    MIN_BEFORE,
    Crop,
    offer,
    prepare_copies,
    share_out,
)
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense
from stream_worker.preprocessing import (
    SITES,
    LightCurve,
    PreprocessingOptions,
    TooFewObservations,
    prepare,
    standardise,
)
from stream_worker.preprocessing.standardise import Standardisation

OPTIONS = PreprocessingOptions()
T_CUT = 9400.0
PLAIN = Standardisation(np.zeros((3, 12)), np.ones((3, 12)))


def light_curve(site, hjd, seed=0, dataset="BLG01"):
    rng = np.random.default_rng(seed)
    n = hjd.size
    return LightCurve(
        site=site,
        dataset=dataset,
        hjd=hjd,
        flux=rng.normal(1000.0, 50.0, n),
        flux_err=rng.uniform(40.0, 60.0, n),
        sky_background=rng.uniform(500.0, 600.0, n),
        fwhm=rng.uniform(4.0, 6.0, n),
        airmass=rng.uniform(1.0, 2.0, n),
        psf_quality=rng.uniform(0.8, 1.2, n),
    )


def candidate(light_curves, t_break):
    return Candidate(
        candidate_id="0b2ff5e0-0000-5000-8000-000000000000",
        survey="KMTNet",
        season=2021,
        run_id="2021-07-05",
        tense=Tense.TEST,
        replay_id=None,
        star_id="BLG01K0101.1",
        field="BLG01",
        chip="K",
        x=None,
        y=None,
        ra=268.0,
        dec=-29.0,
        baseline_mag=18.0,
        alertfinder=AlertFinderDetection("CTIO", "BLG01", 10, t_break, T_CUT, 5.0, 900.0),
        light_curves=tuple(light_curves),
        produced_at=0,
    )


@st.composite
def made(draw):
    """Candidates of one to three sites, two fields overlapping now and then, broken anywhere."""
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    curves = []
    for site in SITES:
        for dataset in ("BLG01", "BLG41")[: draw(st.integers(0, 2))]:
            hjd = np.sort(rng.uniform(T_CUT - 90.0, T_CUT, draw(st.integers(1, 60))))
            curves.append(light_curve(site, hjd, seed + len(curves), dataset))
    return candidate(curves, T_CUT - draw(st.floats(-1.0, 95.0))), seed


@settings(max_examples=40, deadline=None)
@given(made(), st.integers(0, 7))
def test_crops_keep_enough_and_stay_within_their_cuts(case, most):
    star, seed = case
    found = offer(star, most, np.random.default_rng(seed), OPTIONS)
    assert len(found.crops) <= most
    if not found.usable:
        assert found.crops == ()
        with pytest.raises(TooFewObservations):
            prepare_copies(star, [None], OPTIONS)
        return
    hjd = np.concatenate([curve.hjd for curve in star.light_curves])
    t_break = star.alertfinder.t_break
    (whole,) = prepare_copies(star, [None], OPTIONS)
    cut_on_left = any(before > MIN_BEFORE and after >= MIN_AFTER for before, after in numbers(whole))
    for part, prepared in zip(found.crops, prepare_copies(star, found.crops, OPTIONS), strict=True):
        assert hjd.min() <= part.t_first <= hjd.min() + 0.9 * max(t_break - hjd.min(), 0.0) + 1e-9
        assert hjd.max() - 0.5 * (hjd.max() - t_break) - 1e-9 <= part.t_last <= hjd.max()
        enough = [
            before >= MIN_BEFORE * cut_on_left and after >= MIN_AFTER for before, after in numbers(prepared)
        ]
        assert any(enough)
        assert cut_on_left or part.t_first == hjd.min()


def numbers(prepared):
    """Observations of each site before the break and since."""
    return [
        (np.count_nonzero(site[:, 0] < prepared.t_break), np.count_nonzero(site[:, 0] >= prepared.t_break))
        for site in prepared.sites
    ]


@settings(max_examples=40, deadline=None)
@given(made(), st.floats(0.0, 60.0), st.floats(0.0, 30.0))
def test_all_sites_are_cut_at_the_same_times_and_order_is_kept(case, after_first, before_last):
    star, _ = case
    part = Crop(T_CUT - 90.0 + after_first, T_CUT - before_last)
    try:
        (prepared,) = prepare_copies(star, [part], OPTIONS)
    except TooFewObservations:
        return
    for site, rows in zip(SITES, prepared.sites, strict=True):
        kept = rows[:, 0] + prepared.t_last
        assert (np.diff(kept) > 0).all()
        observed = [curve.hjd for curve in star.light_curves if curve.site == site]
        inside = np.unique(np.concatenate([*observed, np.empty(0)]))
        inside = inside[(inside >= part.t_first) & (inside <= part.t_last)]
        np.testing.assert_allclose(kept, inside[np.isin(inside.round(6), kept.round(6))], atol=1e-8)
        assert kept.size >= 0.95 * inside.size - 1  # all but outliers


def spoilt(curve, t_last, seed):
    """The light curve with everything after ``t_last`` changed, and more of it, in another order."""
    rng = np.random.default_rng(seed)
    late = curve.hjd > t_last
    columns = {}
    for name in ("flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality"):
        column = getattr(curve, name)
        if column is not None:
            column = np.array(column, np.float64)
            column[late] = rng.choice([np.nan, -1.0, 1e9, 3.0], int(late.sum()))
            columns[name] = np.concatenate([column, rng.uniform(0.5, 9.0, 20)])
    hjd = np.concatenate([curve.hjd, t_last + rng.uniform(1e-6, 50.0, 20)])
    order = rng.permutation(hjd.size)
    return replace(curve, hjd=hjd[order], **{name: column[order] for name, column in columns.items()})


@settings(max_examples=40, deadline=None)
@given(made())
def test_nothing_after_a_right_crop_alters_the_inputs(case):
    star, seed = case
    found = offer(star, 1, np.random.default_rng(seed), OPTIONS)
    if found.crops:
        assert_blind_after(star, found.crops[0], seed)


def test_nothing_after_a_right_crop_alters_the_inputs_of_a_simulated_season(candidates):
    looked_at = 0
    for n, star in enumerate(list(candidates.values())[::9]):
        for part in offer(star, 1, np.random.default_rng(n), OPTIONS).crops:
            assert_blind_after(star, part, n)
            looked_at += 1
    assert looked_at > 5


def assert_blind_after(star, part, seed):
    other = replace(star, light_curves=tuple(spoilt(curve, part.t_last, seed) for curve in star.light_curves))
    (expected,), (found,) = (prepare_copies(one, [part], OPTIONS) for one in (star, other))
    assert found.t_last == expected.t_last <= part.t_last
    for one, site in zip(standardise(found, PLAIN), standardise(expected, PLAIN), strict=True):
        np.testing.assert_array_equal(one, site)


def test_the_break_is_what_a_crop_still_owes_to_the_whole_light_curve(candidates):
    star = max(candidates.values(), key=lambda one: len(one.light_curves[0].hjd))
    (part,) = offer(star, 1, np.random.default_rng(0), OPTIONS).crops
    moved = replace(star, alertfinder=replace(star.alertfinder, t_break=star.alertfinder.t_break + 1.0))
    (one,), (other,) = (prepare_copies(which, [part], OPTIONS) for which in (star, moved))
    assert other.t_break == pytest.approx(one.t_break + 1.0)
    assert any((a != b).any() for a, b in zip(one.sites, other.sites, strict=True) if a.shape == b.shape)


def test_a_right_crop_is_what_an_earlier_run_would_have_prepared(candidates):
    star = next(iter(candidates.values()))
    t_last = star.alertfinder.t_cut - 3.0
    (found,) = prepare_copies(star, [Crop(0.0, t_last)], OPTIONS)
    expected = prepare(
        star.light_curves, t_break=star.alertfinder.t_break, t_cut=t_last, ra=star.ra, dec=star.dec
    )
    for one, site in zip(found.sites, expected.sites, strict=True):
        np.testing.assert_array_equal(one, site)


def observed_around(before, after):
    """A candidate that one site saw so often before and since its break, another only before."""
    t_break = T_CUT - 20.0
    hjd = np.concatenate([t_break - before + np.arange(before), t_break + 0.2 * np.arange(after)])
    elsewhere = light_curve("SSO", t_break - 30.0 + np.arange(30.0))
    return candidate([light_curve("SAAO", hjd), elsewhere], t_break)


def crops_of(star):
    """Crops, and for each SAAO's observations before the break and since, and SSO's before."""
    crops = offer(star, 6, np.random.default_rng(1), OPTIONS).crops
    kept = [numbers(prepared) for prepared in prepare_copies(star, crops, OPTIONS)]
    return crops, [(*of_site[1], of_site[2][0]) for of_site in kept]


@pytest.mark.parametrize(("before", "after"), [(60, 40), (12, 40), (60, 6)])
def test_crops_leave_enough_at_one_site(before, after):
    crops, kept = crops_of(observed_around(before, after))
    assert len(crops) == 6
    assert min(n for n, *_ in kept) >= MIN_BEFORE
    assert min(n for _, n, _ in kept) >= MIN_AFTER
    assert min(part.t_first for part in crops) > T_CUT - 20.0 - max(before, 30)
    assert len(set(kept)) > 1


@pytest.mark.parametrize("before", [0, 3, 10])
def test_what_hardly_precedes_the_break_is_not_cut(before):
    crops, kept = crops_of(observed_around(before, 40))
    assert len(crops) == 6
    assert {(n, elsewhere) for n, _, elsewhere in kept} == {(before, 30)}
    assert len({n for _, n, _ in kept}) > 1


def test_without_enough_since_the_break_there_are_no_crops():
    assert crops_of(observed_around(60, 4)) == ((), [])


@given(
    st.lists(st.integers(0, 7), max_size=60).map(np.array),
    st.integers(0, 400),
    st.integers(0, 5),
)
def test_crops_are_shared_out_evenly(available, total, seed):
    available = available.astype(np.int64)
    given_out = share_out(available, total, np.random.default_rng(seed))
    assert (given_out <= available).all()
    assert given_out.sum() == min(total, available.sum())
    able = given_out < available
    if able.any():
        assert given_out.max() <= given_out[able].min() + 1
