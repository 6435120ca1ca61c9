from __future__ import annotations

import math

import numpy as np
import pytest

from model_build.season.detections import DETECTION_ROW
from model_build.season.eventfinder import EventClass
from model_build.season.journal import JOURNAL_FILE, Journalled, OtherPlan, end_journal, open_journal
from model_build.season.review import Stage1

PLAN = {"seed": 1, "config": {"weather": {"persistence": 0.5}}}
ROWS = np.array([(7, 3, 0, 1, 9, 5, 9300.1, math.pi, 1e300)], dtype=DETECTION_ROW)
VERDICTS = {
    3: Stage1(passed=True, score=0.1, snr=math.pi, slip=False, impression=None),
    4: Stage1(passed=False, score=-math.inf, snr=0.0, slip=False, impression=None),
}
RESULTS = {"detect": ROWS, "review": VERDICTS, "check": {3: EventClass.CLEAR, 4: None}, "packets": ["a"]}


class Counting:
    """Workers that know their results, and count what they were asked for."""

    def __init__(self, limit=math.inf):
        self.asked = []
        self.limit = limit

    def map(self, method, chunks):
        for chunk in chunks:
            if len(self.asked) >= self.limit:
                raise KeyboardInterrupt
            self.asked.append((method, chunk))
            yield RESULTS[method]


def run(directory, method, chunks, workers):
    with open_journal(directory, PLAN) as journal:
        return list(Journalled(workers, journal).map(method, chunks))


@pytest.mark.parametrize("method", ["detect", "review", "check"])
def test_what_is_done_is_not_done_again_and_comes_back_the_same(method, tmp_path):
    chunks = [[1, 2], [3, 4], [5]]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, method, chunks, Counting(limit=2))
    again = Counting()
    results = run(tmp_path, method, chunks, again)
    assert again.asked == [(method, [5])]
    for result in results:
        np.testing.assert_equal(result, RESULTS[method])


def test_packets_are_never_kept(tmp_path):
    for _ in range(2):
        workers = Counting()
        assert run(tmp_path, "packets", [[1]], workers) == [["a"]]
        assert workers.asked == [("packets", [1])]


def test_another_question_is_another_result(tmp_path):
    run(tmp_path, "check", [[1]], Counting())
    workers = Counting()
    run(tmp_path, "review", [[1]], workers)
    run(tmp_path, "check", [[2]], workers)
    assert workers.asked == [("review", [1]), ("check", [2])]


def test_a_journal_of_another_plan_names_every_difference(tmp_path):
    run(tmp_path, "check", [[1]], Counting())
    other = {"seed": 2, "config": {"weather": {"persistence": 0.7}}}
    message = r"config\.weather\.persistence 0\.5, now 0\.7; seed 1, now 2"
    with pytest.raises(OtherPlan, match=message), open_journal(tmp_path, other):
        pass


def test_an_ended_journal_is_gone(tmp_path):
    run(tmp_path, "check", [[1]], Counting())
    assert (tmp_path / JOURNAL_FILE).exists()
    end_journal(tmp_path)
    assert list(tmp_path.iterdir()) == []
