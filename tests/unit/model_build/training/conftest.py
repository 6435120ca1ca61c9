from __future__ import annotations

import pytest
from support.training_sets import training_set

from model_build.training_set.reader import TrainingSet


@pytest.fixture(scope="session")
def small_set() -> TrainingSet:
    return training_set()
