from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import rankdata

import schemas
from model_build.simulator.config import KIND_WEIGHTS, LABELS, SimulatorConfig
from model_build.simulator.scene import draw_places
from model_build.simulator.schedule import run_dates
from model_build.simulator.simulate import simulate_season
from stream_worker.candidate import Tense
from stream_worker.codec import decode_candidate, encode_candidate
from stream_worker.preprocessing import prepare, trigger

N = 300
CONFIG = SimulatorConfig()


@pytest.fixture(scope="module")
def simulated():
    return list(simulate_season(2021, N, 1))


def area_under_curve(values: np.ndarray, positive: np.ndarray) -> float:
    ranks = rankdata(values)
    n_positive = positive.sum()
    return (ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * (~positive).sum())


def test_the_same_seed_gives_the_same_packets_and_another_seed_others(simulated):
    again = simulate_season(2021, N, 1)
    for one, other in zip(simulated[:40], again, strict=False):
        assert encode_candidate(one.candidate) == encode_candidate(other.candidate)
        assert one.truth == other.truth
    different = next(iter(simulate_season(2021, N, 2)))
    assert encode_candidate(different.candidate) != encode_candidate(simulated[0].candidate)


def test_every_packet_decodes_to_a_valid_candidate(simulated):
    writer = schemas.load("candidate", 1).definition
    for one in simulated:
        packet = encode_candidate(one.candidate)
        assert encode_candidate(decode_candidate(packet, writer)) == packet


def test_classes_are_balanced_as_asked_for(simulated):
    assert Counter(one.truth.label for one in simulated) == {"yes": 108, "maybe": 72, "no": 120}
    for one in simulated:
        assert one.truth.kind in KIND_WEIGHTS[one.truth.label]
    assert {one.truth.kind for one in simulated} >= {
        "pspl",
        "bleed",
        "neighbour",
        "spike",
        "sinusoid",
        "step",
    }


def test_every_candidate_meets_alertfinders_criterion(simulated):
    for one in simulated:
        candidate, found = one.candidate, one.candidate.alertfinder
        again = trigger(candidate.light_curves, t_cut=found.t_cut)
        assert again is not None
        assert (again.site, again.t_break, again.delta_chi2) == (found.site, found.t_break, found.delta_chi2)
        assert found.n_high >= 10
        assert found.slope > 0.0
        assert found.delta_chi2 >= min(CONFIG.min_delta_chi2)
        newest = max(curve.hjd.max() for curve in candidate.light_curves if curve.site == found.site)
        assert 0.0 <= found.t_cut - newest < CONFIG.max_age_d


def test_every_candidate_can_be_preprocessed(simulated):
    for one in simulated[:60]:
        candidate, found = one.candidate, one.candidate.alertfinder
        prepare(
            candidate.light_curves,
            t_break=found.t_break,
            t_cut=found.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
        )


def test_the_packet_does_not_tell_the_label(simulated):
    words = [
        word.encode() for word in (*LABELS, *(kind for kinds in KIND_WEIGHTS.values() for kind in kinds))
    ]
    words = [word for word in words if len(word) > 3]  # shorter ones occur in random bytes
    for one in simulated:
        packet = encode_candidate(one.candidate)
        assert not any(word in packet for word in words)


def test_neither_dates_nor_numbers_of_points_tell_the_label(simulated):
    labels = np.array([one.truth.label for one in simulated])
    features = {
        "t_cut": [one.candidate.alertfinder.t_cut for one in simulated],
        "n_points": [sum(curve.hjd.size for curve in one.candidate.light_curves) for one in simulated],
        "n_datasets": [len(one.candidate.light_curves) for one in simulated],
        "produced_at": [one.candidate.produced_at for one in simulated],
        "star_number": [int(one.candidate.star_id.split(".")[1]) for one in simulated],
    }
    for name, values in features.items():
        for label in LABELS:
            area = area_under_curve(np.array(values, dtype=float), labels == label)
            assert area == pytest.approx(0.5, abs=0.09), (name, label)


def test_candidates_come_in_the_order_of_their_runs(simulated):
    runs = [one.run for one in simulated]
    assert runs == sorted(runs)
    dates = run_dates(2021, CONFIG)
    assert all(one.candidate.alertfinder.t_cut == dates[one.run - 1] for one in simulated)
    assert {one.candidate.run_id[-4:] for one in simulated} == {f"{run:04d}" for run in runs}


def test_ids_are_unique_and_look_like_the_surveys(simulated):
    star_ids = [one.candidate.star_id for one in simulated]
    assert len(set(star_ids)) == N
    for star_id in star_ids:
        prefix, _, number = star_id.partition(".")
        assert prefix[:3] == "BLG"
        assert prefix[3:5].isdigit()
        assert prefix[5] in "KMTN"
        assert prefix[6:].isdigit()
        assert len(prefix) == 10
        assert len(number) == 6


def test_sites_datasets_and_auxiliaries_are_missing_as_in_real_data(simulated):
    sites = Counter(len({curve.site for curve in one.candidate.light_curves}) for one in simulated)
    assert sites[3] > 0.75 * N
    assert sites[2] > 0
    assert sites[1] > 0
    per_site = [
        Counter(curve.site for curve in one.candidate.light_curves).most_common(1)[0][1] for one in simulated
    ]
    assert set(per_site) >= {1, 2}
    curves = [curve for one in simulated for curve in one.candidate.light_curves]
    for name in ("sky_background", "fwhm", "airmass", "psf_quality"):
        missing = np.mean([getattr(curve, name) is None for curve in curves])
        assert 0.05 < missing < 0.35, name


def test_some_rows_carry_the_dirt_of_real_files(simulated):
    curves = [curve for one in simulated for curve in one.candidate.light_curves]
    fwhm = np.concatenate([curve.fwhm for curve in curves if curve.fwhm is not None])
    quality = np.concatenate([curve.psf_quality for curve in curves if curve.psf_quality is not None])
    flux_err = np.concatenate([curve.flux_err for curve in curves])
    assert np.mean(fwhm == -1.0) == pytest.approx(CONFIG.bad_fwhm_fraction, rel=0.3)
    assert np.mean(quality > 100.0) == pytest.approx(CONFIG.bad_psf_quality_fraction, rel=0.3)
    assert np.mean(flux_err < 0.0) == pytest.approx(CONFIG.bad_flux_err_fraction, rel=0.4)


def test_no_observation_is_later_than_t_cut_and_none_later_than_the_packet(simulated):
    for one in simulated:
        t_cut = one.candidate.alertfinder.t_cut
        assert all(curve.hjd.max() <= t_cut for curve in one.candidate.light_curves)
        assert one.candidate.produced_at == round(((t_cut - 40587 + 50000 - 0.5) * 24 + 2) * 3_600_000)


def test_neighbours_are_within_the_grouping_radius_and_on_the_same_date():
    places = draw_places(2000, run_dates(2021, CONFIG), CONFIG, np.random.default_rng(1))
    pairs = [(a, b) for a, b in pairwise(places) if a.group == b.group]
    assert len(pairs) == pytest.approx(2000 * CONFIG.neighbour_fraction, rel=0.3)
    for a, b in pairs:
        assert a.t_cut == b.t_cut
        separation = 3600 * np.hypot((a.ra - b.ra) * np.cos(np.radians(a.dec)), a.dec - b.dec)
        assert CONFIG.neighbour_arcsec[0] <= separation + 1e-6
        assert separation <= CONFIG.neighbour_arcsec[1] + 1e-6


def test_positions_are_spread_over_the_fields_and_chips():
    places = draw_places(3000, run_dates(2021, CONFIG), CONFIG, np.random.default_rng(2))
    assert len({place.field for place in places}) == 27
    assert Counter(place.chip for place in places).keys() == set("KMTN")
    assert 260.0 < min(place.ra for place in places) < max(place.ra for place in places) < 275.0
    assert -37.0 < min(place.dec for place in places) < max(place.dec for place in places) < -21.0


def test_events_are_mostly_caught_before_their_peak(simulated):
    events = [one for one in simulated if one.truth.label == "yes"]
    phase = [
        (one.candidate.alertfinder.t_cut - one.truth.parameters["t_0"]) / one.truth.parameters["t_E"]
        for one in events
    ]
    assert max(phase) <= CONFIG.phase_range[1]
    assert np.mean(np.array(phase) < 0) > 0.6


def test_the_tense_and_another_season_are_as_asked_for():
    one = next(iter(simulate_season(2019, 5, 1, tense=Tense.ARCHIVAL)))
    assert one.candidate.tense is Tense.ARCHIVAL
    assert one.candidate.season == 2019
    assert 8560.0 < one.candidate.alertfinder.t_cut < 8790.0
