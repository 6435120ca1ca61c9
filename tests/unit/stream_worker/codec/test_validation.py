from __future__ import annotations

import copy
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.candidates import PRODUCED_AT, T_CUT, make_candidate

from stream_worker.candidate import candidate_id
from stream_worker.codec import (
    CANDIDATE,
    BadPacket,
    Reason,
    candidate_from_record,
    candidate_to_record,
    decode_candidate,
    encode,
)
from stream_worker.codec.validation import hjd_to_unix_ms
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS

GOOD = candidate_to_record(make_candidate(np.random.default_rng(11), 11, points=(5, 9)))


def changed(change):
    record = copy.deepcopy(GOOD)
    change(record)
    found = record["alertfinder"]
    if record["candidate_id"] == GOOD["candidate_id"]:
        record["candidate_id"] = candidate_id(record["survey"], record["star_id"], found["t_cut"])
    return record


def put(*path_and_value):
    *path, name, value = path_and_value

    def change(record):
        for step in path:
            record = record[step]
        record[name] = value

    return change


def both(*changes):
    def change(record):
        for one in changes:
            one(record)

    return change


def curve(name, value):
    return put("light_curves", 1, name, value)


def found(name, value):
    return put("alertfinder", name, value)


def datasets(count):
    def change(record):
        first = record["light_curves"][0]
        record["light_curves"] = [{**first, "dataset": f"BLG{number:02d}"} for number in range(count)]

    return change


N = len(GOOD["light_curves"][1]["hjd"])
FAULTS = {
    "survey": (put("survey", ""), Reason.EMPTY_FIELD, "survey is empty"),
    "star": (put("star_id", ""), Reason.EMPTY_FIELD, "star_id is empty"),
    "field": (put("field", ""), Reason.EMPTY_FIELD, "field is empty"),
    "dataset": (curve("dataset", ""), Reason.EMPTY_FIELD, r"light_curves\[1\].dataset is empty"),
    "id": (
        put("candidate_id", "x"),
        Reason.CANDIDATE_ID_MISMATCH,
        "candidate_id is 'x': expected [0-9a-f-]{36},",
    ),
    "id in capitals": (
        put("candidate_id", GOOD["candidate_id"].upper()),
        Reason.CANDIDATE_ID_MISMATCH,
        "candidate_id is",
    ),
    "ra below": (put("ra", -1e-9), Reason.POSITION_OUT_OF_RANGE, "ra is -1e-09: expected 0 <= ra < 360"),
    "ra above": (put("ra", 360.0), Reason.POSITION_OUT_OF_RANGE, "ra is 360.0"),
    "ra NaN": (put("ra", math.nan), Reason.POSITION_OUT_OF_RANGE, "ra is nan"),
    "dec below": (
        put("dec", -90.001),
        Reason.POSITION_OUT_OF_RANGE,
        "dec is -90.001: expected -90 <= dec <= 90",
    ),
    "dec above": (put("dec", 91.0), Reason.POSITION_OUT_OF_RANGE, "dec is 91.0"),
    "dec infinite": (put("dec", math.inf), Reason.POSITION_OUT_OF_RANGE, "dec is inf"),
    "x": (put("x", math.nan), Reason.NOT_FINITE, "x is nan: expected a finite number or null"),
    "y": (put("y", -math.inf), Reason.NOT_FINITE, "y is -inf"),
    "baseline": (put("baseline_mag", math.nan), Reason.NOT_FINITE, "baseline_mag is nan"),
    "slope": (found("slope", math.nan), Reason.NOT_FINITE, "alertfinder.slope is nan"),
    "delta_chi2": (found("delta_chi2", math.inf), Reason.NOT_FINITE, "alertfinder.delta_chi2 is inf"),
    "t_break": (found("t_break", math.nan), Reason.NOT_FINITE, "alertfinder.t_break is nan"),
    "t_cut NaN": (found("t_cut", math.nan), Reason.NOT_FINITE, "alertfinder.t_cut is nan"),
    "t_cut infinite": (found("t_cut", math.inf), Reason.NOT_FINITE, "alertfinder.t_cut is inf"),
    "n_high": (
        found("n_high", -1),
        Reason.N_HIGH_OUT_OF_RANGE,
        "alertfinder.n_high is -1: expected zero or more",
    ),
    "alertfinder site": (
        found("site", "LSC"),
        Reason.UNKNOWN_SITE,
        "alertfinder.site is 'LSC': expected CTIO, SAAO",
    ),
    "site": (
        curve("site", "ctio"),
        Reason.UNKNOWN_SITE,
        r"light_curves\[1\].site is 'ctio': expected CTIO, SAAO",
    ),
    "break after cut": (
        found("t_break", T_CUT + 0.001),
        Reason.T_BREAK_AFTER_T_CUT,
        "alertfinder.t_break is 9344.751: expected at most t_cut, 9344.75",
    ),
    "produced before 1970": (put("produced_at", -1), Reason.PRODUCED_AT_OUT_OF_RANGE, "produced_at is -1 ms"),
    "produced in the year 10000": (
        put("produced_at", 253_402_300_800_000),
        Reason.PRODUCED_AT_OUT_OF_RANGE,
        "expected 0 to 253402300799999",
    ),
    "cut after production": (
        put("produced_at", round(hjd_to_unix_ms(T_CUT)) - 600_001),
        Reason.T_CUT_AFTER_PRODUCED_AT,
        r"alertfinder.t_cut is 9344.75 \(HJD - 2450000\): expected at most produced_at, 9344.74306",
    ),
    "no light curves": (put("light_curves", []), Reason.NO_LIGHT_CURVES, "expected at least one"),
    "too many light curves": (
        datasets(65),
        Reason.TOO_MANY_LIGHT_CURVES,
        "light_curves has 65 items: expected at most 64",
    ),
    "a dataset twice": (
        both(curve("site", "CTIO"), curve("dataset", "BLG11")),
        Reason.DUPLICATE_DATASET,
        r"light_curves\[1\] is CTIO BLG11, as is light_curves\[0\]",
    ),
    "longer hjd": (
        curve("hjd", [1.0] * (N + 1)),
        Reason.UNEQUAL_LENGTHS,
        rf"\(SAAO BLG11\).flux has {N} values: expected {N + 1}, as hjd$",
    ),
    "hjd empty": (curve("hjd", []), Reason.UNEQUAL_LENGTHS, f"flux has {N} values: expected 0"),
    "flux empty": (curve("flux", []), Reason.EMPTY_ARRAY, f"flux has 0 values: expected {N}, as hjd$"),
    "flux_err shorter": (
        curve("flux_err", [1.0] * (N - 1)),
        Reason.UNEQUAL_LENGTHS,
        f"flux_err has {N - 1} values: expected {N}",
    ),
}
for name in AUXILIARIES:
    FAULTS[f"{name} empty"] = (
        curve(name, []),
        Reason.EMPTY_ARRAY,
        rf"light_curves\[1\] \(SAAO BLG11\).{name} has 0 values: expected {N}, as hjd or null, not measured",
    )
    FAULTS[f"{name} longer"] = (
        curve(name, [1.0] * (N + 1)),
        Reason.UNEQUAL_LENGTHS,
        f"{name} has {N + 1} values: expected {N}, as hjd or null",
    )


@pytest.mark.parametrize(("change", "reason", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_refused_with_field_value_and_expectation(change, reason, message):
    record = changed(change)
    with pytest.raises(BadPacket, match=message) as caught:
        decode_candidate(encode(CANDIDATE, record), CANDIDATE.definition)
    assert caught.value.reason == reason
    assert caught.value.candidate_id == record["candidate_id"]


ALLOWED = {
    "as it is": lambda record: None,
    "no observations": both(*(curve(name, []) for name in COLUMNS)),
    "no auxiliaries": both(*(curve(name, None) for name in AUXILIARIES)),
    "NaN and infinity in every column": both(*(curve(name, [math.nan, math.inf]) for name in COLUMNS)),
    "unknowns are null": both(*(put(name, None) for name in ("chip", "x", "y", "baseline_mag", "replay_id"))),
    "poles": put("dec", -90.0),
    "the edge of ra": put("ra", 0.0),
    "break at cut": found("t_break", T_CUT),
    "cut ahead by the light time": put("produced_at", round(hjd_to_unix_ms(T_CUT)) - 599_000),
    "overlapping fields of one site": both(curve("site", "CTIO"), curve("dataset", "BLG41")),
    "as many light curves as may be": datasets(64),
    "one site": lambda record: record["light_curves"].__delitem__(slice(1, None)),
    "falling": both(found("slope", -3.0), found("delta_chi2", -1.0), found("n_high", 0)),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_is_allowed(change):
    record = changed(change)
    candidate = decode_candidate(encode(CANDIDATE, record), CANDIDATE.definition)
    assert candidate.candidate_id == record["candidate_id"]


@pytest.mark.parametrize("tense", ["CURRENT", "ARCHIVAL", "TEST"])
def test_no_tense_may_come_from_the_future(tense):
    record = changed(both(put("tense", tense), put("produced_at", PRODUCED_AT - 10 * 86_400_000)))
    with pytest.raises(BadPacket) as caught:
        candidate_from_record(record | {"light_curves": []})
    assert caught.value.reason == Reason.T_CUT_AFTER_PRODUCED_AT


def test_dates():
    """JD 2459345.25 is 2021 May 10, 18 h."""
    expected = datetime(2021, 5, 10, 18, tzinfo=UTC).timestamp() * 1000
    assert hjd_to_unix_ms(9345.25) == pytest.approx(expected, abs=1)


@given(st.floats(0, 30000))
def test_dates_are_exact_to_a_millisecond(hjd):
    whole, rest = divmod(hjd, 1)
    expected = (int(whole) * 86_400_000 + rest * 86_400_000) + (2_450_000 - 2_440_587.5) * 86_400_000
    assert abs(hjd_to_unix_ms(hjd) - expected) < 1
