from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.alertfinder import RunDate, scan
from stream_worker.archives.pysis_events import DETECTION
from stream_worker.ingest.pysis import PysisError, PysisName, parse_name, parse_pysis, read_pysis
from stream_worker.preprocessing import clean, trigger

I_FILE = Path("KMTC14_I.pysis")
HEADER = r"# HJD  \Delta_flux flux_err  mag  mag_err  fwhm  sky  secz"
ROW = "8171.20759    -766.0498   397.5728    19.5719  0.201144    9.28   786  1.90"
LATER = "8171.25117    -120.2448   180.9648    19.9206  0.121813    4.31   768  1.42"


def parse(*lines: str, path: Path = I_FILE, end: str = "\n"):
    return parse_pysis(end.join(lines) + end, path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("KMTA12_I.pysis", PysisName("SSO", "BLG12", "I")),
        ("KMTC14_I.pysis", PysisName("CTIO", "BLG14", "I")),
        ("KMTS02_V.pysis", PysisName("SAAO", "BLG02", "V")),
        ("KMTA01_I.pysis.dat", PysisName("SSO", "BLG01", "I")),
        ("KMTA01_I", PysisName("SSO", "BLG01", "I")),
    ],
)
def test_the_name_tells_site_field_and_band(name, expected):
    assert parse_name(Path("some/where") / name) == expected


@pytest.mark.parametrize(
    "name", ["KMTX12_I.pysis", "KMTA1_I.pysis", "KMTA12_R.pysis", "phot.dat", "KMTA12_Ix.pysis"]
)
def test_another_name_is_an_error_that_says_which_names_are_read(name):
    with pytest.raises(PysisError, match="expected KMT") as caught:
        parse_name(Path(name))
    assert caught.value.value == name
    assert caught.value.column == "file name"
    assert caught.value.line is None


def test_all_eight_columns_are_read_and_brightening_is_positive():
    series = parse(HEADER, ROW, LATER)
    curve = series.light_curve
    assert (curve.site, curve.dataset) == ("CTIO", "BLG14")
    np.testing.assert_array_equal(curve.hjd, [8171.20759, 8171.25117])
    np.testing.assert_array_equal(curve.flux, np.array([766.0498, 120.2448], dtype=np.float32))
    np.testing.assert_array_equal(curve.flux_err, np.array([397.5728, 180.9648], dtype=np.float32))
    np.testing.assert_array_equal(curve.fwhm, np.array([9.28, 4.31], dtype=np.float32))
    np.testing.assert_array_equal(curve.sky_background, np.array([786, 768], dtype=np.float32))
    np.testing.assert_array_equal(curve.airmass, np.array([1.90, 1.42], dtype=np.float32))
    assert curve.psf_quality is None
    assert curve.hjd.dtype == np.float64
    assert curve.flux.dtype == np.float32
    np.testing.assert_allclose(series.reference_flux, 10 ** (0.4 * 8.0), rtol=2e-4)  # I = 20


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        HEADER[2:],
        HEADER.replace("# ", "#"),
        HEADER.replace("\\", ""),
        HEADER.upper(),
        "  " + HEADER,
        None,
    ],
)
def test_the_header_may_be_written_in_any_way_or_be_missing(header):
    lines = ([] if header is None else [header]) + [ROW, LATER]
    reference, series = parse(HEADER, ROW, LATER).light_curve, parse(*lines).light_curve
    for name in ("hjd", "flux", "flux_err", "fwhm", "sky_background", "airmass"):
        np.testing.assert_array_equal(getattr(series, name), getattr(reference, name))


def test_the_header_gives_the_order_and_columns_it_adds_are_left_alone():
    series = parse("# HJD flux_err seeing_id \\Delta_flux secz", "8171.2 10.0 abc -5.0 1.3")
    curve = series.light_curve
    assert (curve.flux[0], curve.flux_err[0]) == (5.0, 10.0)
    assert curve.airmass[0] == np.float32(1.3)
    assert curve.fwhm is None
    assert np.isnan(series.reference_flux).all()


def test_the_old_format_has_five_columns_and_no_auxiliaries():
    old = "8171.20494    -1844.8390      413.8464   19.1618  0.139613"
    for lines in ((r"# HJD  \Delta_flux flux_err  mag  mag_err", old), (old,)):
        curve = parse(*lines).light_curve
        assert curve.flux[0] == np.float32(1844.8390)
        assert curve.sky_background is curve.fwhm is curve.airmass is curve.psf_quality is None


def test_v_band_files_have_six_columns_and_no_magnitudes():
    row = "8174.84316      48.8292    65.6021    4.36   194  1.51"
    for lines in ((r"# HJD  \Delta_flux flux_err  fwhm  sky  secz", row), (row,)):
        series = parse(*lines, path=Path("KMTC14_V.pysis"))
        assert series.name.band == "V"
        assert series.light_curve.fwhm[0] == np.float32(4.36)
        assert series.light_curve.airmass[0] == np.float32(1.51)
        assert np.isnan(series.reference_flux).all()


def test_what_was_not_measured_becomes_nan_column_by_column():
    row = "8171.3 -10.0 20.0 nan nan -1.00 786 ___"
    curve = parse(HEADER, ROW, row, "8171.4 nan -nan 19.0 0.1 4.0 -1.00 inf").light_curve
    np.testing.assert_array_equal(curve.fwhm, np.array([9.28, -1, 4], dtype=np.float32))
    np.testing.assert_array_equal(np.isnan(curve.airmass), [False, True, True])
    np.testing.assert_array_equal(np.isnan(curve.flux), [False, False, True])
    np.testing.assert_array_equal(np.isnan(curve.flux_err), [False, False, True])
    np.testing.assert_array_equal(curve.sky_background, np.array([786, 786, -1], dtype=np.float32))


def test_alertfinder_and_the_preprocessing_mask_the_sentinel_of_fwhm():
    t = 8171.0 + np.arange(60)
    quiet = [f"{hjd} {10 * (-1) ** n} 100.0 19.0 0.1 4.0 700 1.2" for n, hjd in enumerate(t[:40])]
    rise = [(hjd, -500.0 * n) for n, hjd in enumerate(t[40:])]
    good, failed = (
        parse(HEADER, *quiet, *(f"{hjd} {df} 100.0 19.0 0.1 {fwhm} 700 1.2" for hjd, df in rise)).light_curve
        for fwhm in ("4.0", "-1.00")
    )
    runs = [RunDate("2018-03-31", t[-1])]
    assert len(scan([good], runs, DETECTION, DETECTION.thresholds(1.0))) == 1
    assert scan([failed], runs, DETECTION, DETECTION.thresholds(1.0)) == []
    assert trigger([failed], t_cut=t[-1]) == replace(
        trigger([parse(HEADER, *quiet).light_curve], t_cut=t[39]), t_cut=t[-1]
    )
    assert clean([failed], t_cut=t[-1]).report.sites[0].removed["fwhm"] == 20


def test_a_column_that_was_never_measured_is_none():
    curve = parse(
        HEADER, "8171.3 -10.0 20.0 nan nan -1.00 nan ___", "8171.4 -10.0 20.0 nan nan -1 ___ ___"
    ).light_curve
    assert curve.fwhm is curve.sky_background is curve.airmass is None
    assert curve.flux.size == 2


def test_unsorted_rows_are_sorted_and_rows_of_one_time_stay_in_order():
    curve = parse(HEADER, LATER, ROW, LATER.replace("-120.2448", "-1.0")).light_curve
    np.testing.assert_array_equal(curve.hjd, [8171.20759, 8171.25117, 8171.25117])
    np.testing.assert_allclose(curve.flux, [766.0498, 120.2448, 1.0], rtol=1e-6)


def test_both_ways_of_writing_the_time_give_the_same_float():
    long, short = parse(HEADER, "245" + ROW).light_curve, parse(HEADER, ROW).light_curve
    assert long.hjd[0] == short.hjd[0] == 8171.20759


def test_blank_lines_comments_and_windows_line_ends_are_accepted():
    lines = (
        "",
        "  ",
        "# reduced 2018-04-01",
        HEADER,
        ROW,
        "",
        "#8172.1 -1.0 2.0 nan nan -1 1 1",
        LATER,
        "\t",
    )
    for end in ("\n", "\r\n"):
        assert parse(*lines, end=end).light_curve.hjd.size == 2


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / I_FILE
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW}\r\n".encode())
    assert read_pysis(path).light_curve.hjd.size == 1


def test_a_file_with_a_header_alone_has_no_observations():
    assert parse(HEADER).light_curve.hjd.size == 0


FAULTS = {
    "letters in the flux": (ROW.replace("-766.0498", "-7x6.0498"), "delta_flux", "-7x6.0498"),
    "two dots": (ROW.replace("397.5728", "397.57.28"), "flux_err", "397.57.28"),
    "an overflown field": (ROW.replace("-766.0498", "*********"), "delta_flux", "*********"),
    "an underscore in a number": (ROW.replace("786", "7_86"), "sky", "7_86"),
    "a word for the seeing": (ROW.replace("9.28", "bad"), "fwhm", "bad"),
    "a value no float holds": (ROW.replace("9.28", "1e39"), "fwhm", "1e39"),
    "a value no double holds": (ROW.replace("1.90", "1e999"), "secz", "1e999"),
    "a time not measured": (ROW.replace("8171.20759", "nan"), "hjd", "nan"),
    "a Modified Julian Date": (ROW.replace("8171.20759", "58170.70759"), "hjd", "58170.70759"),
    "a truncated time": (ROW.replace("8171.20759", "171.20759"), "hjd", "171.20759"),
    "a negative time": (ROW.replace("8171.20759", "-8171.2"), "hjd", "-8171.2"),
    "a column missing": (ROW[: -len("  1.90")], "row", ROW[: -len("  1.90")]),
    "a column too many": (ROW + " 7", "row", ROW + " 7"),
}


@pytest.mark.parametrize(("row", "column", "value"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_file_line_column_and_value(row, column, value):
    with pytest.raises(PysisError) as caught:
        parse(HEADER, LATER, "", row, path=Path("night") / I_FILE)
    error = caught.value
    assert (error.path, error.line, error.column) == (Path("night/KMTC14_I.pysis"), 4, column)
    assert value.startswith(error.value.removesuffix("…"))
    for part in ("night/KMTC14_I.pysis", "line 4", f"column {column}", error.value, "expected "):
        assert part in str(error)


def test_a_header_without_a_needed_column_is_a_fault():
    with pytest.raises(PysisError, match=r"line 1, column flux_err.*names flux_err once"):
        parse("# HJD delta_flux mag", "8171.2 1.0 19.0")


def test_a_row_whose_columns_nothing_explains_is_a_fault():
    with pytest.raises(PysisError, match=r"line 1, column row.*a header, or a row of 5 or 6 or 8 columns"):
        parse("8171.2 1.0 2.0 3.0")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing here\n"])
def test_a_file_with_neither_header_nor_rows_is_a_fault(text):
    with pytest.raises(PysisError, match="expected a header or rows of hjd delta_flux"):
        parse_pysis(text, I_FILE)


def test_a_binary_file_is_a_fault_with_a_short_message(tmp_path):
    path = tmp_path / I_FILE
    path.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(PysisError) as caught:
        read_pysis(path)
    assert len(str(caught.value)) < 500


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(PysisError, match=r"No such file.*expected a readable file"):
        read_pysis(tmp_path / I_FILE)


def number(low: float, high: float, decimals: int):
    return st.floats(low, high).map(lambda value: round(value, decimals))


rows = st.lists(
    st.tuples(
        number(7000, 11000, 5),
        st.one_of(number(-1e6, 1e6, 4), st.just(np.nan)),
        st.one_of(number(-10, 1e5, 4), st.just(np.nan)),
        number(10, 25, 4),
        number(0, 3, 6),
        st.one_of(number(1, 30, 2), st.just(-1.0)),
        st.one_of(number(0, 60_000, 0), st.just(np.nan)),
        st.one_of(number(1, 5, 2), st.just(np.nan)),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[0],
)


@given(rows=rows, long=st.booleans(), header=st.booleans(), crlf=st.booleans())
def test_what_was_written_is_read_back(rows, long, header, crlf):
    formats = ("%.5f", "%.4f", "%.4f", "%.4f", "%.6f", "%.2f", "%.0f", "%.2f")
    lines = [" ".join(f % value for f, value in zip(formats, row, strict=True)) for row in rows]
    if long:
        lines = [
            "245" + line if row[0] < 10_000 else f"24{row[0] + 50_000:.5f} {line.split(' ', 1)[1]}"
            for row, line in zip(rows, lines, strict=True)
        ]
    curve = parse(*([HEADER] if header else []), *lines, end="\r\n" if crlf else "\n").light_curve
    expected = np.array(sorted(rows))
    np.testing.assert_array_equal(curve.hjd, expected[:, 0])
    np.testing.assert_array_equal(curve.flux, (-expected[:, 1]).astype(np.float32))
    np.testing.assert_array_equal(curve.flux_err, expected[:, 2].astype(np.float32))
    fwhm = expected[:, 5] if (expected[:, 5] > 0.0).any() else np.full(len(expected), np.nan)
    for column, values in (
        (curve.fwhm, fwhm),
        (curve.sky_background, expected[:, 6]),
        (curve.airmass, expected[:, 7]),
    ):
        if np.isnan(values).all():
            assert column is None
        else:
            np.testing.assert_array_equal(column, values.astype(np.float32))


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_pysis_error(text):
    with suppress(PysisError):
        assert np.all(np.diff(parse_pysis(text, I_FILE).light_curve.hjd) >= 0)
