from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_build.season.detections import DETECTION_ROW, DetectionCode, by_run
from stream_worker.alertfinder import SUBSETS, Detection, RunDate
from stream_worker.preprocessing import SITES

DATES = tuple(RunDate(f"2021-05-{day:02d}", 9335.75 + day) for day in range(3, 8))
FIELDS = ("BLG01", "BLG41", "BLG02")
CODE = DetectionCode(DATES, FIELDS)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def detections(draw):
    runs = draw(st.lists(st.sampled_from(DATES), unique=True, max_size=len(DATES)))
    return [
        Detection(
            run_id=run.run_id,
            t_cut=run.t_cut,
            site=draw(st.sampled_from(SITES)),
            dataset=draw(st.sampled_from(FIELDS)),
            n_high=draw(st.integers(0, 20)),
            t_break=draw(numbers),
            slope=draw(numbers),
            delta_chi2=draw(numbers),
            subset=tuple(SITES[i] for i in draw(st.sampled_from(SUBSETS))),
        )
        for run in sorted(runs, key=lambda run: run.t_cut)
    ]


@given(of_stars=st.lists(detections(), max_size=6))
def test_any_detections_come_back_by_run_and_star(of_stars):
    rows = [CODE.rows(star, found) for star, found in enumerate(of_stars)]
    table = np.concatenate([np.empty(0, dtype=DETECTION_ROW), *rows[::-1]])
    split = by_run(table, len(DATES))
    assert len(split) == len(DATES)
    for date, rows_of_run in zip(DATES, split, strict=True):
        expected = [
            (star, one) for star, found in enumerate(of_stars) for one in found if one.run_id == date.run_id
        ]
        assert [(int(row["star"]), CODE.detection(row)) for row in rows_of_run] == expected
