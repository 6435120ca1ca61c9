from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import schemas
from stream_worker.candidate import Candidate, Tense, candidate_id
from stream_worker.codec import decode_candidate, encode_candidate, write_candidates
from stream_worker.ingest.build import NoCandidate, Star, build_candidate, until
from stream_worker.ingest.pysis import read_pysis
from stream_worker.ingest.report import archive_json, archive_text, pysis_json, pysis_text
from stream_worker.ingest.run import run_ingest_archive, run_ingest_pysis
from stream_worker.preprocessing import LightCurve, prepare

STAR = Star("KMT-2018-BLG-0003", 264.6, -28.4)
NOW_MS = 1_600_000_000_000  # September 2020
HEADER = r"# HJD  \Delta_flux flux_err  mag  mag_err  fwhm  sky  secz"


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[Candidate, bytes]] = []
        self.flushed = 0

    def send(self, candidate: Candidate, packet: bytes) -> None:
        self.sent.append((candidate, packet))

    def flush(self) -> None:
        self.flushed = len(self.sent)


def write_rise(folder: Path, name: str, *, seed: int = 0, slope: float = 40.0, end: float = 8210.0) -> Path:
    """Forty days of a flat star that brightens from HJD - 2450000 = 8190."""
    rng = np.random.default_rng(seed)
    hjd = np.sort(rng.uniform(8170.0, end, 120))
    flux = slope * np.maximum(hjd - 8190.0, 0.0) + rng.normal(0.0, 20.0, hjd.size)
    lines = [f"{t:.5f} {-f:.4f} 20.0 19.0 0.1 4.00 800 1.20" for t, f in zip(hjd, flux, strict=True)]
    path = folder / name
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def ingest(*paths: Path, **options):
    sink = Collected()
    report = run_ingest_pysis(paths, STAR, sink, encode=encode_candidate, now_ms=NOW_MS, **options)
    return report, sink


def test_a_rising_star_becomes_one_packet_that_decodes_to_the_candidate(tmp_path):
    paths = [write_rise(tmp_path, "KMTC14_I.pysis"), write_rise(tmp_path, "KMTA12_I.pysis", seed=1)]
    report, sink = ingest(*paths)
    assert report.ok
    assert sink.flushed == len(sink.sent) == 1
    candidate, packet = sink.sent[0]
    assert report.candidate is candidate
    decoded = decode_candidate(packet, schemas.load("candidate", 1).definition)
    assert encode_candidate(decoded) == packet
    found = candidate.alertfinder
    assert 8185.0 < found.t_break < 8195.0
    assert found.slope == pytest.approx(40.0, rel=0.15)
    assert found.delta_chi2 > 400.0
    assert found.n_high == 20
    assert candidate.survey == "KMTNet"
    assert candidate.season == 2018
    assert candidate.tense is Tense.CURRENT
    assert candidate.produced_at == NOW_MS
    assert candidate.field == found.dataset
    assert candidate.run_id == f"pysis-{found.t_cut:.5f}"
    assert candidate.candidate_id == candidate_id("KMTNet", STAR.star_id, found.t_cut)
    prepare(
        candidate.light_curves, t_break=found.t_break, t_cut=found.t_cut, ra=candidate.ra, dec=candidate.dec
    )


def test_without_t_cut_the_newest_observation_of_all_files_counts(tmp_path):
    early = write_rise(tmp_path, "KMTC14_I.pysis", end=8205.0)
    late = write_rise(tmp_path, "KMTA12_I.pysis", seed=1)
    report, _ = ingest(early, late)
    assert report.t_cut == read_pysis(late).light_curve.hjd[-1]


def test_nothing_after_t_cut_is_in_the_packet_and_t_cut_itself_is(tmp_path):
    path = write_rise(tmp_path, "KMTC14_I.pysis")
    hjd = read_pysis(path).light_curve.hjd
    t_cut = float(hjd[90])
    report, sink = ingest(path, t_cut=t_cut)
    np.testing.assert_array_equal(sink.sent[0][0].light_curves[0].hjd, hjd[:91])
    assert (report.read[0].rows, report.read[0].rows_used) == (120, 91)


def test_what_comes_after_t_cut_changes_nothing(tmp_path):
    full = write_rise(tmp_path, "KMTC14_I.pysis")
    (tmp_path / "short").mkdir()
    short = tmp_path / "short" / full.name
    lines = full.read_text(encoding="utf-8").splitlines()
    short.write_text("\n".join(line for line in lines if line[0] == "#" or float(line.split()[0]) <= 8205.0))
    _, with_later = ingest(full, t_cut=8205.0)
    _, without = ingest(short, t_cut=8205.0)
    assert with_later.sent[0][1] == without.sent[0][1]


def test_overlapping_fields_stay_apart(tmp_path):
    paths = [write_rise(tmp_path, f"KMTC{field}_I.pysis", seed=field) for field in (12, 14)]
    _, sink = ingest(*paths)
    curves = sink.sent[0][0].light_curves
    assert [(curve.site, curve.dataset) for curve in curves] == [("CTIO", "BLG12"), ("CTIO", "BLG14")]


def test_the_v_band_is_left_out_with_a_notice_and_not_even_read(tmp_path):
    bad = tmp_path / "KMTC14_V.pysis"
    bad.write_text("not a light curve\n", encoding="utf-8")
    report, sink = ingest(write_rise(tmp_path, "KMTC14_I.pysis"), bad)
    assert report.ok
    assert [one.path for one in report.left_out] == [bad]
    assert "V band: only I is scored" in pysis_text(report)
    assert len(sink.sent[0][0].light_curves) == 1


def test_a_malformed_file_is_named_and_the_others_go_through(tmp_path):
    bad = write_rise(tmp_path, "KMTS14_I.pysis")
    bad.write_text(bad.read_text(encoding="utf-8").replace("20.0 19.0", "20,0 19.0", 1), encoding="utf-8")
    report, sink = ingest(bad, write_rise(tmp_path, "KMTC14_I.pysis"))
    assert not report.ok
    assert [curve.site for curve in sink.sent[0][0].light_curves] == ["CTIO"]
    fault = pysis_json(report)["faults"][0]
    assert (fault["path"], fault["line"], fault["column"], fault["value"]) == (
        str(bad),
        2,
        "flux_err",
        "20,0",
    )
    text = pysis_text(report)
    for part in (str(bad), "line 2", "column flux_err", "'20,0'", "expected a number", "file not used"):
        assert part in text


def test_a_dataset_given_twice_is_a_fault_of_the_second_file(tmp_path):
    (tmp_path / "again").mkdir()
    first, second = write_rise(tmp_path, "KMTC14_I.pysis"), write_rise(tmp_path / "again", "KMTC14_I.pysis")
    report, _ = ingest(first, second)
    assert [fault.path for fault in report.faults] == [second]
    assert f"was read from {first}" in str(report.faults[0])


def test_a_file_without_observations_is_left_out(tmp_path):
    empty = tmp_path / "KMTA14_I.pysis"
    empty.write_text(HEADER + "\n", encoding="utf-8")
    report, _ = ingest(write_rise(tmp_path, "KMTC14_I.pysis"), empty)
    assert report.ok
    assert report.left_out[0].reason == "no observations"


@pytest.mark.parametrize(
    ("slope", "options", "failure"),
    [
        (-40.0, {}, "nothing rises up to t_cut"),
        (40.0, {"t_cut": 8100.0}, "no observation at or before t_cut 8100.00000"),
        (40.0, {"t_cut": 19_000.0}, "t_cut 19000.00000 (HJD - 2450000) is in the future"),
    ],
)
def test_what_makes_no_candidate_says_why_and_sends_nothing(tmp_path, slope, options, failure):
    path = tmp_path / "KMTC14_I.pysis"
    hjd = np.arange(8170.0, 8210.0, 0.5)
    lines = [f"{t:.5f} {-slope * (t - 8170.0):.4f} 20.0 19.0 0.1" for t in hjd]
    path.write_text("\n".join(lines), encoding="utf-8")
    report, sink = ingest(path, **options)
    assert not report.ok
    assert sink.sent == []
    assert report.failure is not None
    assert failure in report.failure
    assert f"no candidate: {report.failure}" in pysis_text(report)
    assert pysis_json(report)["candidate"] is None


def test_more_datasets_than_a_packet_may_hold_make_no_candidate(tmp_path):
    series = [read_pysis(write_rise(tmp_path, "KMTC14_I.pysis"))] * 65
    with pytest.raises(NoCandidate, match=r"65 datasets have observations .* holds at most 64"):
        build_candidate(STAR, series, t_cut=8210.0, tense=Tense.TEST, produced_at=NOW_MS)
    build_candidate(STAR, series[:64], t_cut=8210.0, tense=Tense.TEST, produced_at=NOW_MS)


def test_too_few_usable_observations_say_how_many_there_were(tmp_path):
    path = tmp_path / "KMTC14_I.pysis"
    path.write_text("8170.1 -1.0 2.0 19.0 0.1\n8171.1 -9.0 -2.0 19.0 0.1\n8172.1 nan 2.0 nan nan\n")
    report, _ = ingest(path)
    assert report.failure is not None
    assert "three usable observations" in report.failure
    assert "CTIO BLG14: 3" in report.failure


def test_no_readable_file_at_all_is_a_failure(tmp_path):
    report, sink = ingest(tmp_path / "KMTC14_I.pysis")
    assert report.failure == "the files hold no I-band observation"
    assert len(report.faults) == 1
    assert sink.sent == []


def test_a_weak_or_old_rise_is_sent_with_a_notice(tmp_path):
    weak, _ = ingest(write_rise(tmp_path, "KMTC14_I.pysis", slope=2.0))
    assert weak.ok
    assert any("AlertFinder would not have flagged this star" in notice for notice in weak.notices)
    old, _ = ingest(write_rise(tmp_path, "KMTC14_I.pysis"), t_cut=8250.0)
    assert old.ok
    assert any("d older than t_cut" in notice for notice in old.notices)
    good, _ = ingest(write_rise(tmp_path, "KMTC14_I.pysis"))
    assert good.notices == ()


def test_a_column_measured_only_after_t_cut_counts_as_not_measured():
    values = np.array([1.0, 2.0, 3.0])
    fwhm = np.array([np.nan, np.nan, 4.0])
    cut = until(LightCurve("CTIO", "BLG14", values, values, values, fwhm=fwhm, airmass=values), 2.0)
    assert cut.fwhm is None
    np.testing.assert_array_equal(cut.airmass, [1.0, 2.0])


def test_the_baseline_is_the_reference_magnitude_of_the_strongest_dataset(tmp_path):
    path = tmp_path / "KMTC14_I.pysis"
    hjd = np.arange(8170.0, 8210.0, 0.5)
    flux = 40.0 * np.maximum(hjd - 8190.0, 0.0)
    mag = 28.0 - 2.5 * np.log10(10.0 ** (0.4 * (28.0 - 18.7)) + flux)
    lines = [f"{t:.5f} {-f:.4f} 20.0 {m:.4f} 0.1" for t, f, m in zip(hjd, flux, mag, strict=True)]
    path.write_text("\n".join(lines), encoding="utf-8")
    report, _ = ingest(path)
    assert report.candidate is not None
    assert report.candidate.baseline_mag == pytest.approx(18.7, abs=1e-3)


def test_reports_are_json_that_scripts_can_read(tmp_path):
    report, _ = ingest(write_rise(tmp_path, "KMTC14_I.pysis"))
    read = json.loads(json.dumps(pysis_json(report)))
    assert read["ok"] is True
    assert read["read"][0]["dataset"] == "BLG14"
    assert read["candidate"]["candidate_id"] == report.candidate.candidate_id
    assert read["packet_bytes"] == report.packet_bytes > 1000


def archive(tmp_path: Path, n: int) -> tuple[Path, list[Candidate]]:
    series = [read_pysis(write_rise(tmp_path, "KMTC14_I.pysis"))]
    cuts = [8205.0 + k / 10 for k in range(n)]
    made = [
        build_candidate(STAR, series, t_cut=t_cut, tense=Tense.ARCHIVAL, produced_at=NOW_MS) for t_cut in cuts
    ]
    path = tmp_path / "run-0001.avro"
    write_candidates(path, made, block_bytes=8192)
    return path, made


def test_an_archive_is_sent_in_order_with_its_progress(tmp_path):
    path, made = archive(tmp_path, 12)
    sink, seen = Collected(), []
    report = run_ingest_archive([path, path], sink, encode=encode_candidate, progress=seen.append)
    assert report.ok
    assert [packet for _, packet in sink.sent] == [encode_candidate(one) for one in made] * 2
    assert sink.flushed == 24
    assert seen == list(range(1, 25))
    assert (report.files, report.candidates) == (2, 24)
    assert report.packet_bytes == sum(len(packet) for _, packet in sink.sent)
    assert "sent 24 candidates of 2 archives" in archive_text(report)


def test_a_broken_archive_is_named_and_the_others_go_through(tmp_path):
    path, _ = archive(tmp_path, 12)
    cut = tmp_path / "cut.avro"
    cut.write_bytes(path.read_bytes()[:-100])
    junk = tmp_path / "junk.avro"
    junk.write_bytes(b"no container")
    sink = Collected()
    report = run_ingest_archive([cut, tmp_path / "absent.avro", junk, path], sink, encode=encode_candidate)
    assert not report.ok
    assert [fault.path.name for fault in report.faults] == ["cut.avro", "absent.avro", "junk.avro"]
    before = report.faults[0].sent_before
    assert 0 < before < 12
    assert report.candidates == len(sink.sent) == sink.flushed == before + 12
    said = archive_text(report).splitlines()
    assert [line.count(str(tmp_path)) for line in said] == [1, 1, 1, 0]
    assert "damaged or cut off" in said[0]
    assert report.faults[0].reason.startswith("block ")
    assert "no Avro container file: expected it to begin with Obj 01 (after" in said[2]
    assert json.loads(json.dumps(archive_json(report)))["faults"][1]["path"].endswith("absent.avro")


def test_building_from_no_series_is_refused():
    with pytest.raises(NoCandidate, match="no observation"):
        build_candidate(replace(STAR, star_id="x"), [], t_cut=8200.0, tense=Tense.TEST, produced_at=NOW_MS)
