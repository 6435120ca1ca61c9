from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.candidates import make_candidate

from schemas import samples
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense, candidate_id
from stream_worker.codec import (
    CANDIDATE,
    BadPacket,
    EncodeError,
    candidate_to_record,
    decode_candidate,
    encode,
    encode_candidate,
)
from stream_worker.codec.validation import hjd_to_unix_ms
from stream_worker.preprocessing import SITES, LightCurve, prepare
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS

READER = CANDIDATE.definition
FLOAT32 = st.floats(width=32)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FINITE32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAMES = st.text(min_size=1, max_size=20)


@st.composite
def light_curves(draw, site, dataset):
    n = draw(st.integers(0, 5))
    columns = {
        "hjd": draw(arrays(np.float64, n)),
        "flux": draw(arrays(np.float32, n)),
        "flux_err": draw(arrays(np.float32, n)),
    }
    for name in AUXILIARIES:
        columns[name] = draw(st.none() | arrays(np.float32, n))
    return LightCurve(site=site, dataset=dataset, **columns)


@st.composite
def candidates(draw):
    survey, star_id = draw(NAMES), draw(NAMES)
    t_cut = draw(st.floats(5000, 20000))
    datasets = st.lists(st.tuples(st.sampled_from(SITES), NAMES), min_size=1, max_size=4, unique=True)
    return Candidate(
        candidate_id=candidate_id(survey, star_id, t_cut),
        survey=survey,
        season=draw(st.integers(-(2**31), 2**31 - 1)),
        run_id=draw(st.text(max_size=200)),
        tense=draw(st.sampled_from(Tense)),
        replay_id=draw(st.none() | st.text(max_size=200)),
        star_id=star_id,
        field=draw(NAMES),
        chip=draw(st.none() | st.text(max_size=200)),
        x=draw(st.none() | FINITE32),
        y=draw(st.none() | FINITE32),
        ra=draw(st.floats(0, 360, exclude_max=True)),
        dec=draw(st.floats(-90, 90)),
        baseline_mag=draw(st.none() | FINITE32),
        alertfinder=AlertFinderDetection(
            site=draw(st.sampled_from(SITES)),
            dataset=draw(st.text(max_size=200)),
            n_high=draw(st.integers(0, 2**31 - 1)),
            t_break=draw(st.floats(0, t_cut)),
            t_cut=t_cut,
            slope=draw(FINITE),
            delta_chi2=draw(FINITE),
        ),
        light_curves=tuple(draw(light_curves(*names)) for names in draw(datasets)),
        produced_at=draw(st.integers(math.ceil(hjd_to_unix_ms(t_cut)), 2**47)),
    )


def assert_same(left, right):
    names = [field.name for field in dataclasses.fields(Candidate) if field.name != "light_curves"]
    assert {name: getattr(left, name) for name in names} == {name: getattr(right, name) for name in names}
    assert len(left.light_curves) == len(right.light_curves)
    for one, other in zip(left.light_curves, right.light_curves, strict=True):
        assert (one.site, one.dataset) == (other.site, other.dataset)
        for name in COLUMNS:
            a, b = getattr(one, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a, b)
                assert a.dtype == (np.float64 if name == "hjd" else np.float32)


@settings(max_examples=100)
@given(candidates())
def test_round_trip(candidate):
    assert_same(decode_candidate(encode_candidate(candidate), READER), candidate)


@settings(max_examples=100)
@given(candidates())
def test_the_fast_encoding_is_fastavros_byte_for_byte(candidate):
    assert encode_candidate(candidate) == encode(CANDIDATE, candidate_to_record(candidate))


@settings(max_examples=50)
@given(candidates())
def test_a_decoded_candidate_encodes_to_the_same_bytes(candidate):
    body = encode_candidate(candidate)
    assert encode_candidate(decode_candidate(memoryview(b"#" + body)[1:], READER)) == body


def test_float64_columns_are_stored_as_float32():
    candidate = make_candidate(np.random.default_rng(1), 1)
    wide = tuple(
        dataclasses.replace(curve, flux=curve.flux.astype(np.float64) + 1e-9)
        for curve in candidate.light_curves
    )
    wide_candidate = dataclasses.replace(candidate, light_curves=wide)
    assert_same(decode_candidate(encode_candidate(wide_candidate), READER), candidate)
    assert encode_candidate(wide_candidate) == encode(CANDIDATE, candidate_to_record(wide_candidate))


def test_columns_need_not_be_contiguous():
    candidate = make_candidate(np.random.default_rng(1), 1)
    curve = candidate.light_curves[0]
    every_second = LightCurve(
        curve.site, curve.dataset, hjd=curve.hjd[::2], flux=curve.flux[::2], flux_err=curve.flux_err[::2]
    )
    strided = dataclasses.replace(candidate, light_curves=(every_second,))
    assert_same(decode_candidate(encode_candidate(strided), READER), strided)


def test_columns_are_read_only_views_of_the_packet():
    body = encode_candidate(make_candidate(np.random.default_rng(1), 1))
    packet = np.frombuffer(body, np.uint8)
    for curve in decode_candidate(body, READER).light_curves:
        for name in COLUMNS:
            assert np.shares_memory(getattr(curve, name), packet)
            assert not getattr(curve, name).flags.writeable


@pytest.mark.parametrize("offset", range(8))
def test_preprocessing_takes_the_views_however_they_are_aligned(offset):
    candidate = make_candidate(np.random.default_rng(3), 3)
    packet = bytes(offset) + encode_candidate(candidate)
    decoded = decode_candidate(memoryview(packet)[offset:], READER)
    for site in SITES:
        np.testing.assert_array_equal(prepared(decoded, site), prepared(candidate, site))


def prepared(candidate, site):
    found = candidate.alertfinder
    rows = prepare(
        candidate.light_curves, t_break=found.t_break, t_cut=found.t_cut, ra=candidate.ra, dec=candidate.dec
    )
    return rows.sites[SITES.index(site)]


@pytest.mark.parametrize("number", [0, 1])
def test_the_released_samples_are_valid_candidates(number):
    record = samples.sample_records(CANDIDATE)[number]
    candidate = decode_candidate(encode(CANDIDATE, record), READER)
    assert candidate.candidate_id == record["candidate_id"]
    assert [len(curve.hjd) for curve in candidate.light_curves] == [
        len(curve["hjd"]) for curve in record["light_curves"]
    ]
    assert candidate.tense is [Tense.ARCHIVAL, Tense.CURRENT][number]


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: {**r, "surplus": 1}, "surplus"),
        (lambda r: without(r, "star_id"), "star_id"),
        (lambda r: {**r, "star_id": None}, "candidate 1"),
        (lambda r: {**r, "season": "2021"}, "candidate 1"),
        (lambda r: {**r, "tense": "LIVE"}, "LIVE"),
        (lambda r: {**r, "x": "left"}, "candidate 1"),
    ],
)
def test_a_record_that_does_not_fit_is_not_encoded(change, message):
    record = candidate_to_record(make_candidate(np.random.default_rng(1), 1))
    with pytest.raises(EncodeError, match=message):
        encode(CANDIDATE, change(record))


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_ints_have_32_bits(value):
    candidate = make_candidate(np.random.default_rng(1), 1)
    with pytest.raises(EncodeError, match=f"season is {value}: expected a signed 32-bit integer"):
        encode_candidate(dataclasses.replace(candidate, season=value))
    found = dataclasses.replace(candidate.alertfinder, n_high=value)
    with pytest.raises(EncodeError, match=r"alertfinder\.n_high is"):
        encode_candidate(dataclasses.replace(candidate, alertfinder=found))


def test_defaults_may_be_left_out_of_a_record():
    record = candidate_to_record(make_candidate(np.random.default_rng(1), 1))
    candidate = decode_candidate(encode(CANDIDATE, without(record, "baseline_mag")), READER)
    assert candidate.baseline_mag is None


def test_bad_packets_say_which_candidate_they_hold():
    record = candidate_to_record(make_candidate(np.random.default_rng(1), 1))
    with pytest.raises(BadPacket, match=r"^position_out_of_range: ra is 360.0") as caught:
        decode_candidate(encode(CANDIDATE, {**record, "ra": 360.0}), READER)
    assert caught.value.candidate_id == record["candidate_id"]
