from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import schemas
from stream_worker.codec import decode_candidate, encode_candidate
from stream_worker.ingest.build import Star
from stream_worker.ingest.pysis import read_pysis
from stream_worker.ingest.run import run_ingest_pysis
from stream_worker.preprocessing import prepare

NOW_MS = 1_700_000_000_000


class Kept(list):
    def send(self, candidate, packet):
        self.append(packet)

    def flush(self):
        pass


@pytest.fixture(scope="module")
def kb180003() -> list[Path]:
    """KMT-2018-BLG-0003, six raw files in two overlapping fields, inside the MulensModel package."""
    spec = find_spec("MulensModel")  # importing it takes seconds
    if spec is None or spec.origin is None:
        pytest.skip("MulensModel is not installed: no real survey files here")
    folder = Path(spec.origin).parent / "data" / "photometry_files" / "KB180003"
    return sorted(folder.glob("*.pysis"))


def ingest(paths, **options):
    sink = Kept()
    star = Star("KMT-2018-BLG-0003", 264.6, -28.4)
    return run_ingest_pysis(paths, star, sink, encode=encode_candidate, now_ms=NOW_MS, **options), sink


def test_every_row_of_the_rising_event_is_read(kb180003):
    rows = {path.name: read_pysis(path).light_curve.hjd.size for path in kb180003}
    assert rows == {
        "KMTA12_I.pysis": 296,  # and five rows commented out
        "KMTA14_I.pysis": 67,
        "KMTC12_I.pysis": 77,
        "KMTC14_I.pysis": 169,
        "KMTS12_I.pysis": 37,
        "KMTS14_I.pysis": 56,
    }


def test_the_rising_event_becomes_a_candidate_at_8210(kb180003):
    report, sink = ingest(kb180003, t_cut=8210.0)
    assert report.ok
    assert report.notices == ()
    candidate = decode_candidate(sink[0], schemas.load("candidate", 1).definition)
    found = candidate.alertfinder
    assert found.delta_chi2 > 400.0
    assert found.n_high >= 10
    assert found.slope > 0.0
    assert candidate.season == 2018
    assert len(candidate.light_curves) == 6
    assert max(curve.hjd.max() for curve in candidate.light_curves) <= 8210.0
    for curve in candidate.light_curves:
        assert curve.fwhm is curve.sky_background is curve.airmass is curve.psf_quality is None
    prepared = prepare(
        candidate.light_curves, t_break=found.t_break, t_cut=found.t_cut, ra=candidate.ra, dec=candidate.dec
    )
    assert sum(len(site) for site in prepared.sites) > 400


def test_the_unsorted_file_is_sorted_and_runs_on_after_the_peak(kb180003):
    curve = read_pysis(next(path for path in kb180003 if path.name == "KMTA12_I.pysis")).light_curve
    assert np.all(np.diff(curve.hjd) >= 0)
    assert curve.hjd[-1] == 8398.90722
    assert curve.flux[0] == np.float32(1844.8390)


def weighted_mean(curve, rows) -> float:
    return float(np.average(curve.flux[rows], weights=curve.flux_err[rows] ** -2.0))


def test_the_brightening_is_positive(kb180003):
    for path in kb180003:
        if path.name == "KMTA12_I.pysis":
            continue  # its first nights are too bad to tell
        curve = read_pysis(path).light_curve
        early, late = curve.hjd < 8180.0, (curve.hjd > 8200.0) & (curve.hjd <= 8210.0)
        assert weighted_mean(curve, late) > weighted_mean(curve, early), path.name


FILES_2018_0002 = {
    # name: rows, nan magnitudes, fwhm -1
    "KMTA14_I.pysis": (889, 15, 55),
    "KMTC14_I.pysis": (1220, 13, 42),
    "KMTC14_V.pysis": (104, 0, 16),
    "KMTS14_I.pysis": (714, 11, 32),
    "KMTS14_V.pysis": (59, 0, 7),
}


def test_the_survey_files_of_another_event_are_read_with_all_their_dirt(realdata):
    folder = realdata / "kmtnet" / "KMT-2018-BLG-0002"
    rows = sentinels = 0
    for name, (n, _, n_sentinels) in FILES_2018_0002.items():
        curve = read_pysis(folder / name).light_curve
        assert curve.hjd.size == n
        assert int((curve.fwhm == -1.0).sum()) == n_sentinels
        assert np.isfinite(curve.flux).all()
        assert curve.sky_background is not None
        rows, sentinels = rows + n, sentinels + (n_sentinels if "_I" in name else 0)
    assert rows == 2986
    assert sentinels == 129


def test_nan_magnitudes_do_not_cost_rows(realdata):
    folder = realdata / "kmtnet" / "KMT-2018-BLG-0002"
    total = 0
    for name, (n, n_nan, _) in FILES_2018_0002.items():
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        assert sum("nan" in line.split() for line in lines) == n_nan
        total += n_nan
        assert len(lines) - 1 == n == read_pysis(folder / name).light_curve.hjd.size
    assert total == 39


def test_the_other_event_becomes_a_candidate_and_its_v_band_is_left_out(realdata):
    folder = realdata / "kmtnet" / "KMT-2018-BLG-0002"
    report, sink = ingest(sorted(folder.glob("*.pysis")), t_cut=8189.0)  # its peak is at 8191.5
    assert report.ok
    assert [one.path.name for one in report.left_out] == ["KMTC14_V.pysis", "KMTS14_V.pysis"]
    candidate = decode_candidate(sink[0], schemas.load("candidate", 1).definition)
    assert {curve.site for curve in candidate.light_curves} == {"CTIO", "SAAO", "SSO"}
    assert candidate.baseline_mag == pytest.approx(20.0, abs=0.01)
    assert candidate.alertfinder.slope > 0.0
    assert all(curve.fwhm is not None and curve.airmass is not None for curve in candidate.light_curves)


def test_both_copies_of_the_rising_event_give_the_same_packet(realdata, kb180003):
    copies = [realdata / "kmtnet" / "KMT-2018-BLG-0003" / path.name for path in kb180003]
    _, from_package = ingest(kb180003, t_cut=8210.0)
    _, from_copies = ingest(copies, t_cut=8210.0)
    assert from_package[0] == from_copies[0]
