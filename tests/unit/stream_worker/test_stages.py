"""Both stages on real packets, with a hand-written network and no broker."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.candidates import T_CUT, make_candidate

import schemas
from stream_worker.candidate import candidate_id
from stream_worker.codec import (
    CANDIDATE,
    RegistryUnavailable,
    SchemaResolver,
    decode,
    decode_candidate,
    encode_candidate,
)
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.loop import RetryLater
from stream_worker.outputs import OutputWriter
from stream_worker.preprocessing import LightCurve, Standardisation, prepare, standardise
from stream_worker.quarantine import Quarantine
from stream_worker.rule_settings import RuleSettings
from stream_worker.score_record import ModelIdentity, current_magnitude
from stream_worker.score_stage import ScoreStage
from stream_worker.scoring import Score
from stream_worker.settings import TopicSettings
from stream_worker.sky import SkyCells
from stream_worker.watched_rules import WatchedRules

TOPICS, RULES = TopicSettings(), RuleSettings()
WRITER = OutputWriter(single_object)
NOW = 1_620_640_000_000


class Steps:
    """Real decoding and preprocessing; the score is told by the star's number."""

    def __init__(self, p_review=lambda branches: 0.5, decode_error=None):
        self.p_review, self.decode_error, self.batches = p_review, decode_error, []

    def decode(self, packet):
        if self.decode_error:
            raise self.decode_error
        writer, body = SchemaResolver("candidate").resolve(packet or None)
        return decode_candidate(body, writer)

    def prepare(self, candidate):
        found = candidate.alertfinder
        prepared = prepare(
            candidate.light_curves,
            t_break=found.t_break,
            t_cut=found.t_cut,
            ra=candidate.ra,
            dec=candidate.dec,
        )
        return prepared.report, standardise(prepared, Standardisation(np.zeros((3, 12)), np.ones((3, 12))))

    def infer(self, batch):
        self.batches.append(len(batch))
        return [
            value
            if isinstance(value := self.p_review(b), Exception)
            else Score(value, (value, 0.0, 1 - value))
            for b in batch
        ]


def score_stage(steps, **changes):
    stage = ScoreStage(
        steps=steps,
        model=ModelIdentity("m", "1", "ab", "1", provisional=True),
        sky=SkyCells(20),
        writer=WRITER,
        quarantine=Quarantine(WRITER, TOPICS.quarantine, "score", "w", "0", 2**21),
        topics=TOPICS,
        rules=WatchedRules(RULES),
        max_batch=4,
        clock=lambda: NOW,
    )
    return replace(stage, **changes)


def candidates(n, seed=0):
    rng = np.random.default_rng(seed)
    return [make_candidate(rng, number) for number in range(n)]


def packet(candidate):
    return single_object(CANDIDATE, encode_candidate(candidate))


def records(values):
    return [SourceRecord(TOPICS.candidates, i % 3, i, None, value) for i, value in enumerate(values)]


def read(outputs, topic, name):
    resolver, schema = SchemaResolver(name, max_packet_bytes=2**26), schemas.load(name, 1)
    found = []
    for output in outputs:
        if output.topic == topic:
            writer, body = resolver.resolve(output.value)
            found.append(decode(body, writer, schema))
    return found


def test_every_record_has_exactly_one_outcome_whatever_it_is():
    good = candidates(9)
    few = replace(
        good[0], light_curves=(replace(good[0].light_curves[0], flux=good[0].light_curves[0].flux * np.nan),)
    )
    values = [*map(packet, good), b"", b"junk", packet(good[1])[:-3], packet(few)]
    outputs = score_stage(Steps()).process(records(values))
    outcomes = read(outputs, TOPICS.outcomes, "outcome")
    assert sorted((o["partition"], o["offset"]) for o in outcomes) == sorted(
        (i % 3, i) for i in range(len(values))
    )
    assert Counter(o["outcome"] for o in outcomes) == {
        "SCORED": 9,
        "QUARANTINED": 3,
        "TOO_FEW_OBSERVATIONS": 1,
    }
    reasons = [q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")]
    assert reasons == ["no_value", "not_framed", "truncated"]
    assert {o["settings_hash"] for o in outcomes} == {RULES.hash}


def test_scores_say_where_the_candidate_is_and_what_was_used():
    (candidate,) = candidates(1)
    outputs = score_stage(Steps(lambda _: 0.97)).process(records([packet(candidate)]))
    score = next(s for s in read(outputs, TOPICS.scores, "score") if not s["halo"])
    assert (score["candidate_topic"], score["candidate_partition"], score["candidate_offset"]) == (
        TOPICS.candidates,
        0,
        0,
    )
    assert score["p_review"] == 0.97
    assert score["p_event"] is None
    assert [d["passed"] for d in score["decisions"]] == [True, True]
    assert score["cell"] == score["home_cell"]
    assert score["light_curve_id"] == candidate.candidate_id
    assert [s["site"] for s in score["sites"]] == ["CTIO", "SAAO", "SSO"]
    assert all(s["n_used"] + sum(s["removed"].values()) == s["n_received"] for s in score["sites"])
    assert score["data_age_days"] == pytest.approx(
        NOW / 86_400_000 + 2_440_587.5 - 2_450_000 - score["hjd_last"]
    )
    (light_curve,) = [o for o in outputs if o.topic == TOPICS.lightcurves]
    assert light_curve.value == packet(candidate)
    assert light_curve.key == candidate.candidate_id.encode()


def test_light_curves_travel_only_above_the_publishing_threshold():
    outputs = score_stage(Steps(lambda _: 0.44)).process(records(map(packet, candidates(3))))
    assert not [o for o in outputs if o.topic == TOPICS.lightcurves]
    assert all(s["light_curve_id"] is None for s in read(outputs, TOPICS.scores, "score"))


def test_halo_copies_go_to_the_touching_cells():
    (candidate,) = candidates(1)
    cells = SkyCells(20)
    lon, lat = cells._healpix.boundaries_lonlat(cells._cell(np.array([268.0]), np.array([-30.0])), step=1)
    edge = replace(
        candidate, ra=float(lon[0, 0].to_value("deg")), dec=float(lat[0, 0].to_value("deg")) - 0.0001
    )
    outputs = score_stage(Steps()).process(records([packet(edge)]))
    scores = read(outputs, TOPICS.scores, "score")
    assert len(scores) >= 3
    assert sum(not s["halo"] for s in scores) == 1
    assert len({s["cell"] for s in scores}) == len(scores)
    keys = {o.key for o in outputs if o.topic == TOPICS.scores}
    assert keys == {str(s["cell"]).encode() for s in scores}


def test_halo_copies_follow_a_radius_that_changes_while_the_stage_runs():
    (candidate,) = candidates(1)
    narrow, wide = SkyCells(20), SkyCells(60)
    lon, lat = narrow._healpix.boundaries_lonlat(narrow._cell(np.array([268.0]), np.array([-30.0])), step=1)
    inside = replace(
        candidate, ra=float(lon[0, 0].to_value("deg")), dec=float(lat[0, 0].to_value("deg")) - 50 / 3600
    )
    place = np.array([inside.ra]), np.array([inside.dec])
    (alone,), (spread,) = narrow.cells(*place), wide.cells(*place)
    assert len(alone) == 1 < len(spread)
    assert alone[0] == spread[0]
    rules = WatchedRules(RULES)
    stage = score_stage(Steps(), rules=rules)
    for radius, expected in ((20, alone), (60, spread), (20, alone)):
        rules.current = RuleSettings(neighbour_radius_arcsec=radius)
        scores = read(stage.process(records([packet(inside)])), TOPICS.scores, "score")
        assert tuple(s["cell"] for s in scores) == expected
        assert {s["settings_hash"] for s in scores} == {rules.hash}


def test_one_culprit_in_inference_does_not_take_the_others_along():
    outputs = score_stage(Steps(lambda b: ValueError("boom") if len(b[0]) % 7 == 0 else 0.5)).process(
        records(map(packet, candidates(30)))
    )
    counts = Counter(o["outcome"] for o in read(outputs, TOPICS.outcomes, "outcome"))
    assert counts["QUARANTINED"] > 0
    assert counts["SCORED"] + counts["QUARANTINED"] == 30
    assert {q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")} == {"inference_failed"}


def test_an_unforeseen_error_of_one_packet_is_quarantined():
    outputs = score_stage(Steps(decode_error=ZeroDivisionError("x"))).process(records([b"1", b"2"]))
    assert [q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")] == ["decoder_failed"] * 2


def test_a_registry_out_of_reach_quarantines_nothing():
    with pytest.raises(RetryLater, match="down"):
        score_stage(Steps(decode_error=RegistryUnavailable("down"))).process(records([b"1"]))


def test_batches_keep_their_limit():
    steps = Steps()
    score_stage(steps).process(records(map(packet, candidates(11))))
    assert steps.batches == [4, 4, 3]


def test_headers_follow_the_candidate():
    (candidate,) = candidates(1)
    source = SourceRecord(TOPICS.candidates, 0, 0, None, packet(candidate), (("trace-id", b"t-1"),))
    score = next(o for o in score_stage(Steps()).process([source]) if o.topic == TOPICS.scores)
    headers = dict(score.headers)
    assert headers["trace-id"] == b"t-1"
    assert headers["candidate-id"] == candidate.candidate_id.encode()
    assert headers["tense"] == b"TEST"
    assert headers["lensnet-schema"] == b"score/1"


def test_a_redriven_packet_is_linked_to_its_original():
    (candidate,) = candidates(1)
    headers = (("redriven-from", b'["lensnet.candidates", 4, 17]'),)
    source = SourceRecord(TOPICS.candidates, 0, 0, None, packet(candidate), headers)
    (outcome,) = read(score_stage(Steps()).process([source]), TOPICS.outcomes, "outcome")
    assert outcome["redriven_from"] == {"topic": "lensnet.candidates", "partition": 4, "offset": 17}


def unusable_after(candidate, t, **columns):
    """The candidate with columns of its light curves replaced from t on."""
    curves = [
        replace(
            curve,
            **{
                name: np.where(curve.hjd >= t, value, getattr(curve, name)).astype(np.float32)
                for name, value in columns.items()
            },
        )
        for curve in candidate.light_curves
    ]
    return replace(candidate, light_curves=tuple(curves))


@pytest.mark.parametrize(
    "columns",
    [{"flux": np.nan}, {"flux_err": 0.0}, {"fwhm": -1.0}, {"psf_quality": 101.0}, {"sky_background": np.nan}],
    ids=lambda columns: next(iter(columns)),
)
def test_what_cleaning_removed_is_no_newest_point(columns):
    (fresh,) = candidates(1)
    old = unusable_after(fresh, T_CUT - 10, **columns)
    outputs = score_stage(Steps()).process(records([packet(fresh), packet(old)]))
    used, stale = [score for score in read(outputs, TOPICS.scores, "score") if not score["halo"]]
    assert used["hjd_last"] == max(curve.hjd.max() for curve in fresh.light_curves)
    assert stale["hjd_last"] == max(curve.hjd[curve.hjd < T_CUT - 10].max() for curve in old.light_curves)
    assert stale["data_age_days"] > 10
    assert (used["stale"], stale["stale"]) == (False, True)


def test_the_current_magnitude_is_of_the_newest_point_used():
    candidate = replace(candidates(1)[0], baseline_mag=20.0)
    t_last = candidate.light_curves[0].hjd[-1]
    blazing = unusable_after(candidate, t_last, flux=1e6, fwhm=-1.0)
    absent = unusable_after(candidate, t_last, flux=np.nan)
    outputs = score_stage(Steps()).process(records([packet(blazing), packet(absent)]))
    rejected, missing = [score for score in read(outputs, TOPICS.scores, "score") if not score["halo"]]
    assert rejected["current_mag"] == missing["current_mag"] is not None


def current_mag(candidate):
    report, _ = Steps().prepare(candidate)
    return current_magnitude(candidate, report)


def test_current_magnitude_counts_from_the_baseline():
    candidate = replace(candidates(1)[0], baseline_mag=20.0)
    curve = candidate.light_curves[0]
    t_break = candidate.alertfinder.t_break
    flux = np.where(curve.hjd < t_break, 500.0, 500.0 + 10 ** (0.4 * 8.0)).astype(np.float32)
    bright = replace(candidate, light_curves=(replace(curve, flux=flux),))
    assert current_mag(bright) == pytest.approx(20.0 - 2.5 * np.log10(2), abs=1e-4)
    assert current_mag(replace(bright, baseline_mag=None)) is None
    drowned = replace(
        bright, light_curves=(replace(curve, flux=-1e9 * (curve.hjd > t_break).astype(np.float32)),)
    )
    assert current_mag(drowned) is None


@pytest.mark.parametrize("mark", [-999.0, 999.0, 99.99])
def test_a_mark_for_an_unknown_magnitude_stops_nothing(mark):
    odd, good = candidates(2)
    outputs = score_stage(Steps()).process(records([packet(replace(odd, baseline_mag=mark)), packet(good)]))
    outcomes = read(outputs, TOPICS.outcomes, "outcome")
    assert [o["outcome"] for o in outcomes] == ["SCORED", "SCORED"]


def test_a_record_that_cannot_be_written_is_quarantined_alone():
    class Unwritable(OutputWriter):
        def write(self, topic, schema, record, *, key, headers=()):
            if topic == TOPICS.scores and record["star_id"].endswith("000001"):
                raise OverflowError("x")
            return super().write(topic, schema, record, key=key, headers=headers)

    stage = score_stage(Steps(), writer=Unwritable(single_object))
    outputs = stage.process(records(map(packet, candidates(3))))
    counts = Counter(o["outcome"] for o in read(outputs, TOPICS.outcomes, "outcome"))
    assert counts == {"SCORED": 2, "QUARANTINED": 1}
    assert [q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")] == ["record_failed"]


def test_a_score_that_its_topic_would_refuse_is_quarantined_and_holds_nothing_up():
    class Padded(OutputWriter):
        def write(self, topic, schema, record, *, key, headers=()):
            written = super().write(topic, schema, record, key=key, headers=headers)
            huge = topic == TOPICS.scores and record["star_id"].endswith("000001")
            return replace(written, value=written.value + bytes(10**6)) if huge else written

    outputs = score_stage(Steps(), writer=Padded(single_object)).process(records(map(packet, candidates(3))))
    counts = Counter(o["outcome"] for o in read(outputs, TOPICS.outcomes, "outcome"))
    assert counts == {"SCORED": 2, "QUARANTINED": 1}
    assert len([o for o in outputs if o.topic == TOPICS.lightcurves]) == 2
    (quarantined,) = read(outputs, TOPICS.quarantine, "quarantine")
    assert quarantined["reason"] == "record_failed"
    assert re.search(r"the score has 100\d{4} bytes: expected at most 1000000", quarantined["message"])


def test_what_a_producer_puts_into_headers_and_names_cannot_outgrow_a_topic():
    (candidate,) = candidates(1)
    huge = b"x" * 3_000_000
    headers = (("trace-id", huge), ("candidate-id", huge), ("tense", huge), ("lensnet-schema", huge))
    good = SourceRecord(TOPICS.candidates, 0, 0, None, packet(candidate), headers)
    junk = SourceRecord(TOPICS.candidates, 0, 1, None, b"junk", headers)
    star = "B" * 1_900_000
    long_name = replace(candidate, star_id=star, candidate_id=candidate_id("KMTNet", star, T_CUT))
    outputs = score_stage(Steps()).process([good, junk, *records([packet(long_name)])])
    counts = Counter(o["outcome"] for o in read(outputs, TOPICS.outcomes, "outcome"))
    assert counts == {"SCORED": 1, "QUARANTINED": 2}
    assert {q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")} == {
        "not_framed",
        "name_too_long",
    }
    for output in outputs:
        size = len(output.value) + len(output.key) + sum(len(k) + len(v or b"") for k, v in output.headers)
        assert size < 2**20 or output.topic == TOPICS.quarantine
        assert size < 3 * 2**20


def test_however_many_datasets_a_packet_has_a_score_fits_its_topic():
    (candidate,) = candidates(1)

    def with_datasets(count):
        one = np.ones(1, np.float32)
        curves = (
            LightCurve("CTIO", f"{i:04d}".ljust(200, "𝄞"), np.array([t]), one, one, None, None, None, None)
            for i, t in enumerate(np.linspace(T_CUT - 50, T_CUT, count))
        )
        return replace(candidate, light_curves=tuple(curves))

    outputs = score_stage(Steps()).process(records([packet(with_datasets(64)), packet(with_datasets(1500))]))
    assert len(read(outputs, TOPICS.scores, "score")[0]["sites"][0]["datasets"]) == 64
    assert max(len(o.value) for o in outputs if o.topic != TOPICS.quarantine) < 2**20
    assert [q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")] == ["too_many_light_curves"]


def test_outcomes_and_quarantine_carry_the_trace():
    (candidate,) = candidates(1)
    headers = (("trace-id", b"t-9"), ("candidate-id", b"c-9"), ("tense", b"TEST"))
    values = [packet(candidate), b"junk"]
    sources = [SourceRecord(TOPICS.candidates, 0, i, None, v, headers) for i, v in enumerate(values)]
    for output in score_stage(Steps(lambda _: 0.9)).process(sources):
        found = dict(output.headers)
        assert found["trace-id"] == b"t-9"
        assert found["candidate-id"] in {b"c-9", candidate.candidate_id.encode()}
        assert found["tense"] == b"TEST"
        assert "lensnet-schema" in found
