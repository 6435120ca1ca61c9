"""Files of real light curves: what is read, in which units, and what is said of bad ones."""

from __future__ import annotations

import gzip
import math
from itertools import islice

import numpy as np
import pytest

from model_build.real_curves.events import read_kmtnet, read_ogle_ii, read_ogle_iv
from model_build.real_curves.groups import read_stars
from model_build.real_curves.pspl import fit_pspl, magnification
from model_build.real_curves.star import exposures_per_hour, from_magnitudes, position_by_nights
from model_build.real_curves.variables import read_eros, read_ogle_variables, read_rr_lyrae, read_supernovae
from model_build.realism.faults import BadInput
from model_build.season.config import load_config
from stream_worker.preprocessing import SITE_POSITIONS, airmass

FIELDS = load_config().fields
PARAMETERS = "event\tRA\tDec\tTmax\ttau\n"


def silent(*_):
    """Hear of progress."""


def columns(hjd, mag, mag_err):
    return {"hjd": np.array(hjd), "mag": np.array(mag), "mag_err": np.array(mag_err)}


def test_magnitudes_become_flux_at_zero_point_28_in_order_without_bad_rows():
    curve = from_magnitudes(
        "X", columns([3.0, 1.0, 2.0, 4.0, 5.0], [18.0, 19.0, 19.0, math.nan, 18.0], [0.1, 0.1, 0.2, 0.1, 0.0])
    )
    assert curve.site == "CTIO"
    assert curve.hjd.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(curve.flux, [0.0, 0.0, 10.0**4.0 - 10.0**3.6], rtol=1e-12, atol=1e-9)
    relative = np.log(10.0) / 2.5
    expected = relative * np.array([0.1 * 10**3.6, 0.2 * 10**3.6, 0.1 * 10**4.0])
    np.testing.assert_allclose(curve.flux_err, expected)
    assert curve.fwhm is None
    assert curve.sky_background is None


def test_a_shift_changes_flux_and_error_by_one_factor():
    bright = columns([1.0, 2.0, 3.0], [14.0, 13.5, 15.0], [0.1, 0.1, 0.1])
    plain, shifted = from_magnitudes("X", bright), from_magnitudes("X", bright, to_median=19.0)
    factor = 10.0**-2.0
    np.testing.assert_allclose(shifted.flux, plain.flux * factor)
    np.testing.assert_allclose(shifted.flux_err, plain.flux_err * factor)


def test_cadence_counts_exposures_of_a_local_night():
    night = np.array([0.6, 0.7, 0.9, 1.0, 1.1])  # one night in Chile, two days in Greenwich
    hjd = np.concatenate([night + day for day in range(8000, 8010)])
    curve = from_magnitudes("X", columns(hjd, np.full(hjd.size, 18.0), np.full(hjd.size, 0.1)))
    assert exposures_per_hour(curve) == pytest.approx(5 / 8)
    assert exposures_per_hour(from_magnitudes("X", columns([], [], []))) == 0.0


def test_a_star_without_position_passes_the_zenith_in_its_own_nights():
    hjd = np.arange(8000.7, 8020.0)
    ra, dec = position_by_nights(
        [from_magnitudes("X", columns(hjd, np.full(hjd.size, 18.0), np.full(hjd.size, 0.1)))]
    )
    sec_z = airmass(hjd, SITE_POSITIONS["CTIO"], ra, dec)
    assert sec_z.max() < 1.06
    assert sec_z.min() == pytest.approx(1.0, abs=1e-3)


def lensed(t_0, t_e, u_0, seed=1):
    rng = np.random.default_rng(seed)
    hjd = np.sort(np.concatenate([year * 365.25 + rng.uniform(0, 240, 90) for year in range(3)])) + 700.0
    flux = 3000.0 + 2000.0 * magnification(hjd, t_0, t_e, u_0)
    mag = 28.0 - 2.5 * np.log10(flux) + rng.normal(0.0, 0.02, hjd.size)
    return columns(hjd, mag, np.full(hjd.size, 0.02))


def test_a_point_lens_is_found_in_a_light_curve_of_years():
    peak = fit_pspl(from_magnitudes("X", lensed(1200.0, 22.0, 0.2)))
    assert peak is not None
    assert peak.t_0 == pytest.approx(1200.0, abs=0.5)
    assert peak.t_e == pytest.approx(22.0, rel=0.25)


def test_a_flat_or_short_light_curve_has_no_peak():
    rising = columns(np.arange(100.0), 18.0 - 0.02 * np.arange(100.0), np.full(100, 0.01))
    assert fit_pspl(from_magnitudes("X", rising)) is None
    assert fit_pspl(from_magnitudes("X", columns([1.0], [18.0], [0.1]))) is None


def ogle_iv(tmp_path, parameters):
    folder = tmp_path / "photometry"
    folder.mkdir()
    text = "2460700.50000 18.000 0.010 5.0 400.0\n2460701.50000 17.000 0.010 -1 500.0\n"
    (folder / "blg-0007_phot.dat.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "params_all.tsv").write_text(PARAMETERS + parameters)
    return tmp_path


def test_ogle_iv_events_come_with_peak_position_and_on_demand_auxiliaries(tmp_path):
    folder = ogle_iv(tmp_path, "blg-0007\t18:00:00.00\t-30:30:00.0\t2460746.661\t28.568\n")
    (star,) = read_ogle_iv(folder, with_auxiliaries=False)
    assert star.is_event
    assert star.peak is not None
    assert (star.ra, star.dec) == (pytest.approx(270.0), pytest.approx(-30.5))
    assert (star.peak.t_0, star.peak.t_e) == (pytest.approx(10746.661), 28.568)
    assert star.curves[0].hjd.tolist() == [10700.5, 10701.5]
    assert star.curves[0].fwhm is None
    (with_all,) = read_ogle_iv(folder, with_auxiliaries=True)
    fwhm, sky = with_all.curves[0].fwhm, with_all.curves[0].sky_background
    assert fwhm is not None
    assert sky is not None
    np.testing.assert_allclose(fwhm, [5.0 * 0.26 / 0.40, math.nan])
    assert sky.tolist() == [400.0, 500.0]
    assert with_all.group != star.group


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("blg-0008\t18:00:00\t-30:30:00\t2460746.6\t28.5\n", "no blg-0007"),
        ("blg-0007\t18:00:00\t-30:30:00\tsoon\t28.5\n", "column Tmax: 'soon'"),
        ("blg-0007\tnorth\t-30:30:00\t2460746.6\t28.5\n", "north"),
    ],
)
def test_bad_parameters_are_named(tmp_path, row, says):
    with pytest.raises(BadInput, match=says):
        list(read_ogle_iv(ogle_iv(tmp_path, row), with_auxiliaries=False))


def test_a_bad_row_of_photometry_is_named(tmp_path):
    (tmp_path / "1.2.dat").write_text("550.8 15.4 0.017\n551.9 faint 0.02\n")
    with pytest.raises(BadInput, match=r"1\.2\.dat, line 2: '551\.9 faint 0\.02'"):
        list(read_ogle_ii(tmp_path, silent))


def test_ogle_ii_events_are_fitted(tmp_path):
    given = lensed(1200.0, 22.0, 0.2)
    rows = zip(*given.values(), strict=True)
    (tmp_path / "1.2.dat").write_text("".join(f"{t:.5f} {m:.3f} {e:.3f}\n" for t, m, e in rows))
    heard = []
    (star,) = read_ogle_ii(tmp_path, lambda done, total: heard.append((done, total)))
    assert star.name == "1.2"
    assert star.peak is not None
    assert star.peak.t_0 == pytest.approx(1200.0, abs=0.5)
    assert heard == [(1, 1)]


def eros(tmp_path, kind="4.0", errors="[0.1, 0.1]"):
    header = "Unnamed: 0,asc_d,asc_m,asc_s,dec_d,dec_m,dec_s,type\n"
    (tmp_path / "train.csv").write_text(f"{header}271_4304,5.0,40.0,0.0,-70.0,30.0,0.0,{kind}\n")
    series = ",time_points_r,light_points_r,error_points_r\n"
    series += f'271_4304,"[290.3, 291.3]","[15.0, 15.5]","{errors}"\n'
    (tmp_path / "train_varlength_features.csv.gz").write_bytes(gzip.compress(series.encode()))
    return tmp_path


def test_eros_stars_come_with_type_position_and_shifted_magnitudes(tmp_path):
    (star,) = read_eros(eros(tmp_path))
    assert (star.group, star.name, star.is_event) == ("EROS-1 Miras", "271_4304", False)
    assert (star.ra, star.dec) == (pytest.approx(85.0), pytest.approx(-70.5))
    assert 28.0 - 2.5 * np.log10(star.curves[0].flux_err.max() * 2.5 / np.log(10) / 0.1) == pytest.approx(
        18.75
    )


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"kind": "9.0"}, "column type: 9.0"),
        ({"errors": "[0.1]"}, "expected as many"),
        ({"errors": "nothing"}, "column error_points_r: 'nothing'"),
    ],
)
def test_bad_eros_files_are_named(tmp_path, bad, says):
    with pytest.raises(BadInput, match=says):
        list(read_eros(eros(tmp_path, **bad)))


def test_one_band_of_each_star_is_read(tmp_path):
    (tmp_path / "a.csv").write_text(
        "time,mag,magerr,band\n53000.0,17.0,0.01,i\n53000.0,18.0,0.01,g\n53000.0,16.0,0.01,R\n"
    )
    (rr_lyrae,), (supernova,) = read_rr_lyrae(tmp_path), read_supernovae(tmp_path)
    assert rr_lyrae.curves[0].hjd.tolist() == supernova.curves[0].hjd.tolist() == [3000.5]
    (tmp_path / "b.csv").write_text("time,mag\n1,2\n")
    with pytest.raises(BadInput, match=r"b\.csv, header: no magerr, band"):
        list(read_rr_lyrae(tmp_path))


def test_a_folder_without_any_source_says_what_was_expected(tmp_path):
    with pytest.raises(BadInput, match="some of kmtnet, ogle-iv-2025, ogle-ii"):
        read_stars(tmp_path, FIELDS, silent)


def test_every_source_of_the_real_data_is_read(realdata):
    kmtnet = {star.name: star for star in read_kmtnet(realdata / "kmtnet", FIELDS)}
    assert set(kmtnet) == {"KMT-2018-BLG-0002", "KMT-2018-BLG-0003", "OGLE-2016-BLG-1195"}
    assert {name: len(star.curves) for name, star in kmtnet.items()} == {
        "KMT-2018-BLG-0002": 3,
        "KMT-2018-BLG-0003": 6,
        "OGLE-2016-BLG-1195": 9,
    }
    assert kmtnet["OGLE-2016-BLG-1195"].cadence == 2.0
    variables = realdata / "variables"
    for stars in (
        read_ogle_iv(realdata / "ogle-iv-2025", with_auxiliaries=True),
        read_eros(variables / "eros1"),
        read_rr_lyrae(variables / "rrlyrae"),
        read_supernovae(variables / "snia"),
        read_ogle_variables(variables / "microlia" / "variables"),
    ):
        read = list(islice(stars, 5))
        assert len(read) == 5
        assert all(star.curves[0].hjd.size > 3 for star in read)
        assert all(np.isfinite(star.curves[0].flux).all() for star in read)
