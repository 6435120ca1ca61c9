"""Raw KMTNet light curves (pySIS), dirt and overlapping fields included."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from stream_worker.preprocessing import (
    FEATURES,
    LightCurve,
    PreprocessingOptions,
    fit_standardisation,
    prepare,
    standardise,
    trigger,
)

SITE_OF = {"A": "SSO", "C": "CTIO", "S": "SAAO"}
NAMES = ("hjd", "flux", "flux_err", "mag", "mag_err", "fwhm", "sky_background", "airmass")


def read_pysis(path: Path) -> LightCurve:
    """Read one file as it is; its difference flux is reference minus image, so brightening negative."""
    rows = [
        [float(word) if re.fullmatch(r"[-+.\deE]+", word) else np.nan for word in line.split()]
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    columns = dict(zip(NAMES, np.array(rows).T, strict=False))
    site, field = re.match(r"KMT([ACS])(\d\d)", path.name).groups()
    columns["flux"] = -columns["flux"]
    return LightCurve(SITE_OF[site], f"BLG{field}", **{k: v for k, v in columns.items() if "mag" not in k})


@pytest.fixture
def event(realdata):
    def read(name: str) -> list[LightCurve]:
        paths = sorted((realdata / "kmtnet" / name).glob("*_I.pysis"))
        assert paths, f"no light curves of {name} in {realdata}"
        return [read_pysis(path) for path in paths]

    return read


@pytest.mark.parametrize("mode", ["default", "paper"])
def test_the_rise_of_kmt_2018_blg_0003_is_kept(event, mode):
    light_curves = event("KMT-2018-BLG-0003")
    found = trigger(light_curves, t_cut=8210.0)
    assert (found.site, found.dataset, found.n_high) == ("CTIO", "BLG14", 20)
    assert found.delta_chi2 > 2000
    result = prepare(
        light_curves,
        t_break=found.t_break,
        t_cut=8210.0,
        ra=264.6,
        dec=-28.4,
        options=PreprocessingOptions(mode=mode),
    )
    after = sum(int(np.sum((c.hjd > found.t_break) & (c.hjd <= 8210.0))) for c in light_curves)
    assert sum(int(np.sum(matrix[:, 0] > result.t_break)) for matrix in result.sites) >= after - 3
    for site, rise, matrix in zip(result.report.sites, result.rises, result.sites, strict=True):
        assert {dataset.dataset for dataset in site.datasets} == {"BLG12", "BLG14"}
        assert [dataset.method for dataset in site.datasets] == ["reference", "common_nights"]
        assert abs(site.datasets[1].offset) < 300
        assert site.rows_in - site.rows_kept <= 3
        assert site.auxiliaries == ()
        assert rise.slope > 40
        assert np.isnan(matrix[:, [3, 4, 6]]).all()
        assert np.all((matrix[:, FEATURES.index("airmass")] >= 1.0) & (matrix[:, 5] < 3.0))
    inputs = standardise(result, fit_standardisation([result]))
    assert all(np.isfinite(values).all() for values in inputs)


@pytest.mark.parametrize(
    ("site", "hjd", "flux"),
    [(0, 8195.75312, 2.3e6), (0, 8201.73471, 3.3e5), (1, 8183.52933, 5.0e3), (1, 8198.49931, 1.9e7)],
)
def test_lone_glitches_vanish_and_nothing_around_them(event, site, hjd, flux):
    light_curves = event("KMT-2018-BLG-0003")
    mine = [c for c in light_curves if c.site == ("CTIO", "SAAO", "SSO")[site]]
    glitch = [np.flatnonzero(np.abs(c.hjd - hjd) < 1e-6) for c in mine]
    (height,) = (c.flux[at[0]] for c, at in zip(mine, glitch, strict=True) if at.size)
    assert height == pytest.approx(flux, rel=0.05)
    result = prepare(light_curves, t_break=8195.75, t_cut=8210.0, ra=264.6, dec=-28.4)
    near = result.sites[site][:, 0] + result.t_last
    expected = np.concatenate([c.hjd for c in mine])
    expected = np.sort(expected[(np.abs(expected - hjd) < 1.0) & (np.abs(expected - hjd) > 1e-6)])
    np.testing.assert_allclose(near[np.abs(near - hjd) < 1.0], expected, rtol=0.0, atol=1e-6)


def test_the_sentinels_of_kmt_2018_blg_0002_go_and_its_columns_stay(event):
    light_curves = event("KMT-2018-BLG-0002")
    result = prepare(light_curves, t_break=8397.5, t_cut=8400.0, ra=264.6, dec=-28.4)
    for site, matrix in zip(result.report.sites, result.sites, strict=True):
        assert site.removed["fwhm"] > 0
        assert site.auxiliaries == ("sky_background", "fwhm", "airmass")
        assert site.rows_kept > 0.9 * site.rows_in
        assert not np.isnan(np.delete(matrix, 6, axis=1)).any()


def test_the_computed_airmass_is_that_of_the_files(event):
    # the position is that of the field's centre, a degree off at most
    curve = next(c for c in event("KMT-2018-BLG-0002") if c.site == "CTIO")
    result = prepare(
        [LightCurve(curve.site, curve.dataset, curve.hjd, curve.flux, curve.flux_err)],
        t_break=8300.0,
        t_cut=8500.0,
        ra=264.6,
        dec=-28.4,
    )
    hjd = result.sites[0][:, 0] + result.t_last
    quoted = curve.airmass[np.searchsorted(curve.hjd, hjd - 1e-6)]
    known = np.isfinite(quoted)
    assert known.sum() > 1000
    assert np.median(np.abs(result.sites[0][known, 5] - quoted[known])) < 0.02
