"""Alert packets of other surveys: real ones of ZTF, LSST's fakes, and what they become."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_worker.archives import open_archives
from stream_worker.archives.lsst import history_of as lsst_history
from stream_worker.archives.ztf import history_of as ztf_history
from stream_worker.candidate import Candidate, candidate_id
from stream_worker.codec import BadPacket, decode_candidate, encode_candidate
from stream_worker.codec.candidates import CANDIDATE
from stream_worker.preprocessing import TooFewObservations, prepare


def read(archives):
    return [one.content for archive in archives for piece in archive.pieces for one in archive.read(piece)]


def test_every_real_ztf_packet_becomes_a_candidate_that_the_stream_accepts(realdata):
    opened = open_archives(
        [realdata / "packets" / "ztf", realdata / "packets" / "ztf-kowalski" / "ztf_alerts"]
    )
    assert opened.faults == ()
    found = read(opened.archives)
    assert len(found) == 38
    scored = 0
    for one in found:
        assert isinstance(one, Candidate), one
        again = decode_candidate(encode_candidate(one), CANDIDATE.definition)
        assert again.candidate_id == candidate_id("ZTF", one.star_id, one.alertfinder.t_cut)
        (curve,) = again.light_curves
        assert curve.site == "CTIO"
        assert float(curve.hjd[-1]) == one.alertfinder.t_cut
        assert curve.psf_quality is None
        assert (curve.airmass >= 1).all()
        try:
            prepared = prepare(
                again.light_curves,
                t_break=again.alertfinder.t_break,
                t_cut=again.alertfinder.t_cut,
                ra=again.ra,
                dec=again.dec,
            )
            scored += 1
            assert prepared.report.sites[0].rows_kept >= 10
        except TooFewObservations:
            assert len(curve.hjd) < 40
    assert scored >= 4


def test_a_real_alert_in_numbers(realdata):
    (found,) = read(
        open_archives([realdata / "packets" / "ztf" / "2019_01_10_739260766315010006.avro"]).archives
    )
    curve = found.light_curves[0]
    # magpsf 15.3711, isdiffpos f, jd 2458493.7607639; Earth is nearer to the star than the Sun in January
    assert curve.flux[-1] == pytest.approx(-(10 ** (0.4 * (28 - 15.371133804))), rel=1e-6)
    assert curve.flux_err[-1] == pytest.approx(-curve.flux[-1] * 0.04449302 * math.log(10) / 2.5, rel=1e-5)
    assert 0 < found.alertfinder.t_cut - 8493.7607639 < 8.4 / 1440
    assert found.field == "ZTF658r"
    assert found.baseline_mag == pytest.approx(14.319, abs=1e-3)


def test_lsst_fakes_are_read_and_say_that_they_are_too_few(realdata):
    opened = open_archives([realdata / "packets" / "lsst"])
    assert opened.faults == ()
    for one in read(opened.archives):
        assert one.survey == "LSST"
        (curve,) = one.light_curves
        assert len(curve.hjd) == 3
        assert curve.flux == pytest.approx(1241 * 10 ** (0.4 * (28 - 31.4)), rel=1e-6)
        assert curve.fwhm is None
        assert curve.sky_background is None
        # MJD 60902.9933 TAI
        assert one.alertfinder.t_cut == pytest.approx(60902.993305 - 37 / 86400 + 0.5 - 50_000, abs=0.006)


def test_other_surveys_are_refused_by_name(realdata):
    folder = realdata / "packets" / "ztf-kowalski"
    opened = open_archives([folder / "pgir_alerts", folder / "wntr_alerts"])
    assert opened.archives == ()
    assert sorted({str(f).split("the writer has record ")[1].split(",")[0] for f in opened.faults}) == [
        "pgir.alert",
        "winter.alert",
    ]


def ztf_detection(jd, mag, *, band=1, positive="t", **extra):
    return {
        "jd": jd,
        "fid": band,
        "magpsf": mag,
        "sigmapsf": 0.1,
        "isdiffpos": positive,
        "fwhm": 2.5,
        **extra,
    }


def ztf_alert(**changes):
    found = ztf_detection(
        2459000.5, 18.0, nid=5, field=600, rcid=3, ra=270.0, dec=-10.0, distnr=0.2, magnr=17.5
    )
    return {
        "objectId": "ZTF20abc",
        "candidate": found,
        "prv_candidates": [
            ztf_detection(2458999.5, 18.5),
            ztf_detection(2458998.5, 18.5, band=2),
            {**ztf_detection(2458997.5, None), "isdiffpos": None},
            ztf_detection(2458996.5, 19.0, positive="f"),
        ],
        **changes,
    }


def test_ztf_other_bands_and_limits_are_left_out():
    history = ztf_history(ztf_alert())
    assert history.jd.tolist() == [8999.5, 8996.5, 9000.5]
    assert (history.flux > 0).tolist() == [True, False, True]
    assert np.isnan(history.sky_background).all()


def test_ztf_forced_photometry_wins_over_detections_of_the_same_exposure():
    forced = {
        "fid": 1,
        "jd": 2458999.5,
        "forcediffimflux": 100.0,
        "forcediffimfluxunc": 5.0,
        "magzpsci": 26.0,
        "sciinpseeing": 3.0,
        "scibckgnd": 200.0,
    }
    missing = {**forced, "jd": 2458995.5, "forcediffimflux": -99999.0}
    history = ztf_history(ztf_alert(fp_hists=[forced, missing]))
    assert sorted(history.jd.tolist()) == [8996.5, 8999.5, 9000.5]
    place = history.jd.tolist().index(8999.5)
    assert history.flux[place] == pytest.approx(100 * 10**0.8)
    assert history.fwhm[place] == 3.0
    assert history.sky_background[place] == 200.0


@pytest.mark.parametrize(
    ("adapter", "alert"),
    [
        (ztf_history, ztf_alert(objectId=None)),
        (ztf_history, ztf_alert(candidate={**ztf_alert()["candidate"], "fid": 9})),
        (lsst_history, {"diaSource": {"band": "r", "diaObjectId": None}, "diaObject": None}),
    ],
)
def test_an_alert_that_lacks_what_is_needed_says_what(adapter, alert):
    with pytest.raises(BadPacket, match="expected"):
        adapter(alert)
