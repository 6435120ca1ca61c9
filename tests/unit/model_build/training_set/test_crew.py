from __future__ import annotations

import os
from operator import neg

import pytest

from model_build.training_set.crew import in_chunks, open_crew


@pytest.mark.parametrize("number", [1, 2])
def test_results_come_in_order_and_tasks_are_not_taken_far_ahead(number):
    taken = []

    def tasks():
        for n in range(50):
            taken.append(n)
            yield n

    with open_crew(number) as crew:
        results = crew.map(neg, tasks())
        for n in range(50):
            assert next(results) == -n
            assert len(taken) <= n + 1 + 3 * number
        assert next(results, None) is None


def test_one_worker_is_this_process_and_two_are_others():
    for number, own in ((1, True), (2, False)):
        with open_crew(number) as crew:
            assert ({os.getpid()} == set(crew.map(_pid, range(4)))) is own


def test_an_error_of_a_worker_reaches_its_caller():
    with open_crew(2) as crew, pytest.raises(TypeError, match="bad operand"):
        list(crew.map(neg, [1, "two"]))


def test_chunks_hold_everything_in_order():
    assert list(in_chunks(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(in_chunks([], 2)) == []


def _pid(_):
    return os.getpid()
