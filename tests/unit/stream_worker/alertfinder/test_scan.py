from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.sections import as_table, read
from stream_worker.alertfinder import DetectionConfig, RunDate, Thresholds, scan
from stream_worker.preprocessing import SITES, LightCurve, trigger

HIGH, LOW = Thresholds(10, 400.0), Thresholds(5, 250.0)
CONFIG = DetectionConfig(
    max_flux_err=2000.0,
    max_fwhm=10.0,
    max_psf_quality=20.0,
    high_sigma=3.0,
    n_more=10,
    max_age_days=3.5,
    consecutive=False,
    high_cadence_from=1.0,
    high_cadence=HIGH,
    low_cadence=LOW,
)
SEASON = [RunDate(f"day {n}", 9310.25 + n) for n in range(170) if n % 7 < 5]


def curve(site, dataset, hjd, flux, err, **auxiliaries):
    return LightCurve(site, dataset, hjd, flux, err, **auxiliaries)


def rising(site="CTIO", dataset="BLG01", *, slope=150.0, t_break=9330.0, n=200, seed=0, until=9350.0):
    """White noise of 100 with a rise."""
    rng = np.random.default_rng(seed)
    hjd = np.sort(rng.uniform(9265.0, until, n))
    flux = rng.normal(0.0, 100.0, n) + slope * np.maximum(hjd - t_break, 0.0)
    return curve(site, dataset, hjd, flux, np.full(n, 100.0))


# --- The reference: every run, every combination, every break, each by least squares.


def line_by_least_squares(t, f, err):
    """(delta_chi2, slope, t_break) of the best rising line."""
    flat = np.sum(((f - np.average(f, weights=err**-2)) / err) ** 2)
    found = (0.0, 0.0, t[-1])
    for t_break in t[:-1]:
        design = np.stack([np.ones_like(t), np.maximum(t - t_break, 0.0)], axis=1) / err[:, None]
        if np.ptp(design[:, 1] * err) == 0:
            continue
        solution, *_ = np.linalg.lstsq(design, f / err)
        gain = flat - np.sum((f / err - design @ solution) ** 2)
        if solution[1] > 0 and gain > found[0] + 1e-10 * flat:
            found = (gain, solution[1], t_break)
    return found


def in_time_order(lc):
    order = np.argsort(lc.hjd)
    columns = ("hjd", "flux", "flux_err", "fwhm", "psf_quality")
    return replace(lc, **{name: getattr(lc, name)[order] for name in columns})


def reference(curves, dates, config, thresholds):
    found = []
    for date in dates:
        merged = {}
        for lc in (in_time_order(lc) for lc in curves):
            keep = (
                (lc.hjd <= date.t_cut)
                & (lc.flux_err > 0)
                & (lc.flux_err <= config.max_flux_err)
                & ~((lc.fwhm < 0) | (lc.fwhm > config.max_fwhm))
                & ~((lc.psf_quality < 0) | (lc.psf_quality > config.max_psf_quality))
            )
            if keep.any():
                flux = lc.flux[keep] - np.median(lc.flux[keep])
                merged.setdefault(lc.site, []).append(
                    (lc.dataset, np.stack([lc.hjd[keep], flux, lc.flux_err[keep]]))
                )
        fits, flagged = {}, {}
        for size in (1, 2, 3):
            for subset in combinations([site for site in SITES if site in merged], size):
                rows = np.concatenate([part for site in subset for _, part in merged[site]], axis=1)
                t, f, err = rows[:, np.argsort(rows[0], kind="stable")]
                high = (f >= config.high_sigma * err)[-thresholds.n_high - config.n_more :]
                run = max(len(r) for r in "".join("x" if h else " " for h in high).split(" "))
                enough = (run if config.consecutive else high.sum()) >= thresholds.n_high
                fresh = date.t_cut - t[-1] < config.max_age_days
                fits[subset] = (fresh, high.sum(), *line_by_least_squares(t, f, err), t.size)
                tried = size > 1 or t.size >= 3
                if tried and enough and fresh and fits[subset][2] > thresholds.delta_chi2:
                    flagged[subset] = fits[subset][2]
        singles = [s for s in fits if len(s) == 1 and fits[s][-1] >= 3]
        if not flagged or not singles:
            continue
        order = sorted(flagged, key=lambda s: {1: 0, 3: 1, 2: 2}[len(s)])
        alone = [s for s in order if len(s) == 1]
        best = max(singles, key=lambda s: (fits[s][0], fits[s][2]))
        gains = [(-line_by_least_squares(*part)[0], name) for name, part in merged[best[0]]]
        found.append(
            {
                "run_id": date.run_id,
                "site": best[0],
                "dataset": min(gains)[1],
                "n_high": fits[best][1],
                "delta_chi2": fits[best][2],
                "slope": fits[best][3],
                "t_break": fits[best][4],
                "subset": max(alone, key=flagged.get) if alone else order[0],
            }
        )
    return found


@st.composite
def stars(draw):
    """Rising, noisy, gappy light curves of up to five datasets with dirt."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(
        st.lists(
            st.sampled_from([(s, d) for s in SITES for d in ("A", "B")]), min_size=1, max_size=5, unique=True
        )
    )
    slope = draw(st.sampled_from([0.0, 20.0, 40.0, 80.0, 300.0]))
    t_break = draw(st.floats(0.0, 35.0))
    curves = []
    for site, dataset in names:
        n = draw(st.integers(1, 25) | st.just(15))
        hjd = np.sort(rng.uniform(draw(st.sampled_from([0.0, 20.0])), draw(st.sampled_from([35.0, 50.0])), n))
        err = rng.lognormal(np.log(100.0), 0.4, n)
        flux = rng.normal(0.0, err) + slope * np.maximum(hjd - t_break, 0.0) + rng.normal(0.0, 1000.0)
        fwhm, psf_quality = rng.uniform(2.0, 6.0, n), rng.lognormal(0.0, 0.2, n)
        for column, values in ((err, (-1.0, 2500.0)), (fwhm, (-1.0, 11.0)), (psf_quality, (-1.0, 30.0))):
            bad = rng.random(n) < 0.05
            column[bad] = rng.choice(values, bad.sum())
        order = rng.permutation(n)
        columns = {"fwhm": fwhm[order], "psf_quality": psf_quality[order]}
        curves.append(curve(site, dataset, hjd[order], flux[order], err[order], **columns))
    return curves


DATES = [RunDate(f"day {t}", float(t)) for t in (3, 12, 22, 30, 36, 41, 47)]


@settings(max_examples=60, deadline=None)
@given(star=stars(), n_high=st.integers(1, 4), consecutive=st.booleans(), n_more=st.integers(1, 6))
def test_scan_is_the_naive_search(star, n_high, consecutive, n_more):
    config = replace(CONFIG, consecutive=consecutive, n_more=n_more)
    thresholds = Thresholds(n_high, 12.0)
    expected = reference(star, DATES, config, thresholds)
    found = scan(star, DATES, config, thresholds)
    assert [one.run_id for one in found] == [one["run_id"] for one in expected]
    for one, naive in zip(found, expected, strict=True):
        assert one.site == naive["site"]
        assert one.n_high == naive["n_high"]
        assert one.subset == naive["subset"]
        assert one.dataset == naive["dataset"]
        assert one.delta_chi2 == pytest.approx(naive["delta_chi2"], rel=1e-6, abs=1e-6)
        if naive["delta_chi2"] > 1e-3:
            assert one.t_break == naive["t_break"]
            assert one.slope == pytest.approx(naive["slope"], rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(star=stars(), known=st.integers(1, len(DATES)), future=st.floats(-1e5, 1e5))
def test_no_run_knows_what_comes_after(star, known, future):
    thresholds = Thresholds(2, 10.0)
    t_last = DATES[known - 1].t_cut
    changed = [
        replace(
            lc, flux=np.where(lc.hjd > t_last, future, lc.flux), hjd=np.where(lc.hjd > t_last, 60.0, lc.hjd)
        )
        for lc in star
    ]
    before = scan(star, DATES, CONFIG, thresholds)
    wanted = [one for one in before if one.t_cut <= t_last]
    assert [one for one in scan(changed, DATES, CONFIG, thresholds) if one.t_cut <= t_last] == wanted
    assert scan(star, DATES[:known], CONFIG, thresholds) == wanted


@settings(max_examples=30, deadline=None)
@given(star=stars(), seed=st.integers(0, 1000))
def test_order_of_datasets_and_rows_does_not_matter(star, seed):
    rng = np.random.default_rng(seed)
    shuffled = []
    for i in rng.permutation(len(star)):
        order = rng.permutation(star[i].hjd.size)
        columns = ("hjd", "flux", "flux_err", "fwhm", "psf_quality")
        shuffled.append(replace(star[i], **{name: getattr(star[i], name)[order] for name in columns}))
    thresholds = Thresholds(2, 10.0)
    assert scan(shuffled, DATES, CONFIG, thresholds) == scan(star, DATES, CONFIG, thresholds)


# --- Against the preprocessing's trigger, which raw light curves get.


def test_a_detection_is_what_the_trigger_finds_in_the_same_data():
    star = [
        rising(site, seed=seed, slope=slope)
        for seed, (site, slope) in enumerate(zip(SITES, (90, 60, 20), strict=True))
    ]
    found = scan(star, SEASON, CONFIG, HIGH)
    assert len(found) > 10
    for one in found:
        same = trigger(star, t_cut=one.t_cut)
        assert (one.site, one.dataset, one.n_high) == (same.site, same.dataset, same.n_high)
        assert one.t_break == same.t_break
        assert one.slope == pytest.approx(same.slope, rel=1e-8)
        assert one.delta_chi2 == pytest.approx(same.delta_chi2, rel=1e-8)


def test_breaks_minutes_before_the_newest_point_keep_their_digits():
    lc = rising(slope=0.0, n=2000, until=9349.0)
    late = 9349.1 + np.arange(3) / 1440.0
    lc = replace(
        lc,
        hjd=np.append(lc.hjd, late),
        flux=np.append(lc.flux, [0.0, 3000.0, 6000.0]),
        flux_err=np.full(lc.hjd.size + 3, 100.0),
    )
    (found,) = scan([lc], [RunDate("run", 9350.0)], CONFIG, Thresholds(2, 400.0))
    same = trigger([lc], t_cut=9350.0)
    assert found.t_break == same.t_break == late[0]
    assert found.slope == pytest.approx(same.slope, rel=1e-5)
    assert found.delta_chi2 == pytest.approx(same.delta_chi2, rel=1e-5)


# --- The rules, one at a time.


def test_a_rise_is_found_while_it_is_fresh():
    found = scan([rising()], SEASON, CONFIG, HIGH)
    assert found[0].t_cut > 9331.0
    assert all(one.site == "CTIO" and one.subset == ("CTIO",) and one.dataset == "BLG01" for one in found)
    last = rising().hjd[-1]
    assert max(one.t_cut for one in found) == max(d.t_cut for d in SEASON if d.t_cut - last < 3.5)


def test_a_fall_is_no_rise():
    falling = rising()
    falling = replace(falling, flux=-falling.flux)
    assert scan([falling], SEASON, CONFIG, HIGH) == []


def test_two_sites_together_see_what_neither_does():
    star = [rising(site, slope=35.0, n=90, seed=seed) for seed, site in enumerate(("SAAO", "SSO"))]
    run = [RunDate("run", 9350.5)]
    alone = [scan([lc], run, CONFIG, HIGH) for lc in star]
    (together,) = scan(star, run, CONFIG, HIGH)
    assert alone == [[], []]
    assert together.subset == ("SAAO", "SSO")
    assert together.site in together.subset
    assert together.delta_chi2 < HIGH.delta_chi2


def test_offsets_of_datasets_do_not_matter():
    fields = [rising(dataset=name, seed=seed) for seed, name in enumerate(("BLG01", "BLG41"))]
    moved = [fields[0], replace(fields[1], flux=fields[1].flux + 5e4)]
    found, same = (scan(star, SEASON, CONFIG, HIGH) for star in (fields, moved))
    assert len(found) == len(same) > 0
    for one, other in zip(found, same, strict=True):
        assert (one.run_id, one.dataset, one.t_break) == (other.run_id, other.dataset, other.t_break)
        assert one.delta_chi2 == pytest.approx(other.delta_chi2, rel=1e-7)


def test_high_points_must_follow_one_another_only_if_asked():
    lc = rising()
    newest = np.arange(lc.hjd.size) >= lc.hjd.size - 20
    flux = np.where(newest & (np.arange(lc.hjd.size) % 2 == 0), 4000.0, 0.0)
    star, run = [replace(lc, flux=flux)], [RunDate("run", lc.hjd[-1] + 1.0)]
    (found,) = scan(star, run, CONFIG, HIGH)
    assert found.n_high == 10
    assert scan(star, run, replace(CONFIG, consecutive=True), HIGH) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("flux_err", -1.0),
        ("flux_err", 2001.0),
        ("fwhm", -1.0),
        ("fwhm", 10.1),
        ("psf_quality", -0.1),
        ("psf_quality", 20.1),
    ],
)
def test_masked_rows_flag_nothing(column, value):
    lc = rising()
    columns = {"flux_err": lc.flux_err, "fwhm": np.full(200, 4.0), "psf_quality": np.ones(200)}
    assert scan([replace(lc, **columns)], SEASON, CONFIG, HIGH)
    columns[column] = np.where(lc.hjd > 9330.0, value, columns[column])
    assert scan([replace(lc, **columns)], SEASON, CONFIG, HIGH) == []


def test_low_cadences_need_fewer_points():
    assert CONFIG.thresholds(1.0) is HIGH
    assert CONFIG.thresholds(4.0) is HIGH
    assert CONFIG.thresholds(0.4) is LOW


def test_nothing_to_look_at():
    empty = curve("CTIO", "BLG01", np.empty(0), np.empty(0), np.empty(0))
    assert scan([], SEASON, CONFIG, HIGH) == []
    assert scan([empty], SEASON, CONFIG, HIGH) == []
    assert scan([rising()], [], CONFIG, HIGH) == []


def test_runs_must_ascend():
    with pytest.raises(ValueError, match=r"dates must ascend.*9311\.0, 9310\.0"):
        scan([rising()], [RunDate("b", 9311.0), RunDate("a", 9310.0)], CONFIG, HIGH)


def test_the_section_of_a_configuration_file():
    table = as_table(CONFIG)
    faults: list[str] = []
    assert read(DetectionConfig, table, "detection", faults) == CONFIG
    assert faults == []
    table |= {"high_sigma": -3.0, "consecutive": 1, "low_cadence": {"n_high": 0, "delta_chi2": -1.0}}
    read(DetectionConfig, table, "detection", faults)
    assert len(faults) == 4


# --- Quiet stars.


def quiet(seed):
    """A constant star: scatter 1.5-2.2 quoted errors, up to a tenth of its variance red."""
    rng = np.random.default_rng([7, seed])
    per_night = rng.choice([2, 4, 9, 30])
    nights = np.arange(9265, 9512)
    curves = []
    for site in SITES:
        if curves and rng.random() < 0.1:
            continue
        open_nights = nights[rng.random(nights.size) < rng.uniform(0.5, 0.8)]
        hjd = np.sort((open_nights[:, None] + rng.uniform(0.0, 0.35, (open_nights.size, per_night))).ravel())
        err = rng.uniform(100.0, 800.0) * rng.lognormal(0.0, 0.3, hjd.size)
        scatter, red = rng.uniform(1.5, 2.2), rng.uniform(0.0, 0.1)
        noise = np.sqrt(1.0 - red) * rng.normal(size=hjd.size)
        noise += np.sqrt(red) * ornstein_uhlenbeck(rng, hjd, 1.5)
        outlier = rng.random(hjd.size) < 0.01
        noise[outlier] += rng.normal(0.0, 4.0, outlier.sum())
        curves.append(curve(site, "BLG01", hjd, err * scatter * noise + rng.normal(0.0, 1000.0), err))
    return curves, LOW if per_night < 9 else HIGH


def ornstein_uhlenbeck(rng, t, tau):
    decay = np.exp(-np.diff(t, prepend=-np.inf) / tau)
    values, last = np.empty(t.size), 0.0
    for i, kick in enumerate(rng.normal(size=t.size) * np.sqrt(1.0 - decay**2)):
        last = values[i] = decay[i] * last + kick
    return values


def test_no_quiet_star_of_500_is_ever_flagged():
    flagged = []
    for seed in range(500):
        star, thresholds = quiet(seed)
        flagged += [(seed, one) for one in scan(star, SEASON, CONFIG, thresholds)]
    assert flagged == []
