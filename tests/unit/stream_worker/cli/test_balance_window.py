"""Windows of ``stream-worker balance``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from stream_worker.cli.balance import balance


@pytest.mark.parametrize(
    ("since", "until"), [("2026-05-11", "2026-05-10"), ("1300", "1200"), ("1200", "1200")]
)
def test_a_window_that_holds_nothing_exits_with_2(since, until):
    done = CliRunner().invoke(balance, ["--since", since, "--until", until])
    assert (done.exit_code, "--since must be before --until" in done.output) == (2, True), done.output
