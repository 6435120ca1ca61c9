from __future__ import annotations

import click
import pytest

from model_build.extras import require_training_libraries


def test_what_is_missing_is_named_with_the_remedy():
    require_training_libraries("numpy", "click")
    with pytest.raises(click.UsageError, match=r"no_such_a, no_such_b not installed.*'\.\[cpu,train\]'"):
        require_training_libraries("numpy", "no_such_a", "no_such_b")
