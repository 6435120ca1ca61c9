"""Catalogue, light-curve files and season archive: what is read, and what is said of bad ones."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_build.realism.catalogue import read_catalogue
from model_build.realism.events import of_samples, published, read_detected
from model_build.realism.faults import BadInput
from model_build.realism.real_files import Peak, read_folder

HEADER = "index_year_number,t_0,t_E,u_0,I_base\n"
PYSIS = "# HJD \\Delta_flux flux_err mag mag_err fwhm sky secz\n"


def _folder(tmp_path, rows: str = "2018_0002,8191.5,20.0,0.06,20.0\n"):
    (tmp_path / "KMT_args.csv").write_text(HEADER + rows)
    event = tmp_path / "KMT-2018-BLG-0002"
    event.mkdir()
    return event


def _pysis_row(hjd: float, flux: float, error: float = 150.0, fwhm: float = 4.0) -> str:
    magnitude = 28.0 - 2.5 * math.log10(10.0**3.2 + flux)
    return f"{hjd:.5f} {-flux:.4f} {error:.4f} {magnitude:.6f} 0.1 {fwhm:.2f} 800 1.20\n"


def test_published_quantiles_ascend_and_count_events():
    for part in ("all", "below_20"):
        quantiles = published(part)
        for values in quantiles.values.values():
            assert values.shape == quantiles.probabilities.shape
            assert np.all(np.diff(values) >= 0.0)
    assert published("below_20").values["I"].max() < 20.0
    assert published("all").at("t_E", 0.5) == pytest.approx(25.06)


def test_published_quantiles_are_those_of_the_catalogue(realdata):
    catalogue = read_catalogue(realdata / "kmtnet" / "KMT_args.csv")
    for part, faintest in (("all", math.inf), ("below_20", 20.0)):
        packaged = published(part)
        columns = {"t_E": catalogue.t_E, "u_0": catalogue.u_0, "I": catalogue.i_base}
        chosen = {name: column[catalogue.i_base < faintest] for name, column in columns.items()}
        found = of_samples(chosen, packaged.probabilities)
        assert found.events == packaged.events
        for name, values in packaged.values.items():
            np.testing.assert_allclose(found.values[name], values, rtol=1e-4, err_msg=name)


def test_a_catalogue_is_read_with_its_events_names(tmp_path):
    (tmp_path / "c.csv").write_text(HEADER + "2018_0001,8000,10,0.1,18\n2018_0002,8001,30,0.3,20\n")
    catalogue = read_catalogue(tmp_path / "c.csv")
    assert catalogue.names == ("KMT-2018-BLG-0001", "KMT-2018-BLG-0002")
    assert catalogue.t_E.tolist() == [10.0, 30.0]
    assert catalogue.i_base.tolist() == [18.0, 20.0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("index_year_number,t_0,t_E,u_0\n", "line 1.*I_base too"),
        (HEADER, "no row"),
        (HEADER + "2018_0001,8000,ten,0.1,18\n", "line 2, t_E: 'ten': expected a number"),
        (HEADER + "2018_0001,8000,10,nan,18\n", "line 2, u_0: 'nan'"),
        (
            HEADER + "2018-0001,8000,10,0.1,18\n",
            "index_year_number: '2018-0001': expected YEAR_NUMBER",
        ),
    ],
)
def test_a_bad_catalogue_is_told_precisely(tmp_path, text, wanted):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(BadInput, match=wanted):
        read_catalogue(tmp_path / "c.csv")


def test_a_missing_catalogue_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"KMT_args\.csv: No such file.*catalogue of events"):
        read_folder(tmp_path)


def test_files_are_read_with_their_quiet_rows(tmp_path):
    event = _folder(tmp_path)
    rows = [_pysis_row(8191.5, 5000.0), _pysis_row(8260.0, 10.0, fwhm=-1.0), _pysis_row(8261.0, -20.0)]
    (event / "KMTC14_I.pysis").write_text(PYSIS + "".join([*rows, _pysis_row(8262.0, 0.0, error=-1.0)]))
    (event / "KMTC14_V.pysis").write_text("not read")
    (event / "KSA42I.dat").write_text("8261.5 18.75 0.05\n8260.5 18.65 0.05\n")
    pysis, magnitudes = read_folder(tmp_path)
    assert (pysis.curve.site, pysis.curve.dataset, pysis.raw, pysis.year) == ("CTIO", "BLG14", True, 2018)
    assert pysis.i_base == pytest.approx(20.0, abs=1e-4)
    assert pysis.curve.hjd.tolist() == [8191.5, 8260.0, 8261.0]
    np.testing.assert_allclose(pysis.quiet.flux, [10.0, -20.0])
    np.testing.assert_array_equal(np.isnan(pysis.quiet.fwhm), [True, False])
    assert (magnitudes.curve.site, magnitudes.curve.dataset, magnitudes.raw) == ("SAAO", "BLG42", False)
    assert magnitudes.curve.fwhm is None
    assert magnitudes.quiet.hjd.tolist() == [8260.5, 8261.5]
    assert magnitudes.quiet.flux[0] > 0.0 > magnitudes.quiet.flux[1]
    bright = 10.0 ** (0.4 * (28.0 - 18.65))
    assert magnitudes.quiet.flux_err[0] == pytest.approx(bright * 0.05 / 1.0857, rel=1e-3)


def test_bad_rows_are_told_precisely(tmp_path):
    event = _folder(tmp_path)
    (event / "KCT01I.dat").write_text("7439.8 18.7 0.1\n57439.8 18.7 0.1\n")
    with pytest.raises(BadInput, match=r"KCT01I\.dat, line 2: '57439.8 18.7 0.1': expected HJD - 2450000"):
        read_folder(tmp_path)
    (event / "KCT01I.dat").unlink()
    (event / "KMTC14_I.pysis").write_text(PYSIS + "8260.0 x 1 20 0.1 4 800 1.2\n")
    with pytest.raises(BadInput, match=r"KMTC14_I\.pysis, delta_flux: 'x'"):
        read_folder(tmp_path)


def test_folders_without_quiet_rows_are_told(tmp_path):
    event = _folder(tmp_path)
    with pytest.raises(BadInput, match="no light curve: expected EVENT/"):
        read_folder(tmp_path)
    (event / "KMTC14_I.pysis").write_text(PYSIS + _pysis_row(8191.5, 5000.0))
    with pytest.raises(BadInput, match="1 light curves, none of a star at its baseline"):
        read_folder(tmp_path)


def test_a_star_is_quiet_three_t_e_from_its_peak():
    quiet = Peak(t_0=8200.0, t_e=10.0).quiet(np.array([8169.0, 8171.0, 8229.0, 8231.0]))
    assert quiet.tolist() == [True, False, False, True]


def test_the_public_files_are_read(realdata):
    files = read_folder(realdata / "kmtnet")
    quiet = {file.event for file in files if file.quiet.hjd.size}
    assert quiet == {"KMT-2018-BLG-0002", "OGLE-2016-BLG-1195"}
    assert len(files) == 18
    assert {file.year for file in files} == {2016, 2018}


def _write_events(path, **columns):
    pq.write_table(pa.table(columns), path / "events.parquet")


def test_detected_events_are_clear_or_probable_and_bright(tmp_path):
    _write_events(
        tmp_path, t_E=[10.0, 20.0, 30.0, 40.0], u_0=[0.1, 0.2, 0.3, 0.4], i_base=[18.0, 20.5, 19.0, 17.0],
        event_class=["clear", "clear", "probable", None], source=[1, 2, 3, 4],
    )  # fmt: skip
    found = read_detected(tmp_path)
    assert found["t_E"].tolist() == [10.0, 30.0]
    _write_events(
        tmp_path,
        t_E=[10.0, 10.0],
        u_0=[0.1, 0.1],
        i_base=[18.0] * 2,
        event_class=["clear"] * 2,
        source=[7, 7],
    )
    assert read_detected(tmp_path)["t_E"].tolist() == [10.0]
    found = {"I": np.array([18.0, 19.0]), "t_E": np.array([1.0, 2.0])}
    assert of_samples(found, np.array([0.5])).values["I"] == [18.5]


def test_a_bad_archive_is_told_precisely(tmp_path):
    with pytest.raises(BadInput, match=r"events\.parquet: no such file"):
        read_detected(tmp_path)
    (tmp_path / "events.parquet").write_text("no")
    with pytest.raises(BadInput, match="no Parquet file"):
        read_detected(tmp_path)
    _write_events(tmp_path, t_E=[1.0], u_0=[0.1], i_base=[18.0], source=[1])
    with pytest.raises(BadInput, match="columns: t_E, u_0, i_base, source: expected event_class too"):
        read_detected(tmp_path)
    _write_events(tmp_path, t_E=[1.0], u_0=[0.1], i_base=[18.0], event_class=["possible"], source=[1])
    with pytest.raises(BadInput, match="1 events, none of them: expected some that are clear or probable"):
        read_detected(tmp_path)
