"""The demo as a user runs it: a process of its own, with a Kafka of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

DEMO = [str(Path(sys.executable).with_name("stream-worker")), "demo", "--json"]


def start(mark: str) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if k != "KAFKA_BOOTSTRAP_SERVERS"}
    return subprocess.Popen(
        DEMO,
        env={**environ, "DEMO_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left_over(mark: str) -> list[str]:
    """Command lines of processes that the demo, or anything it started, left running."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DEMO_TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:200])
        except psutil.Error:
            continue
    return found


def assert_nothing_left(mark: str) -> None:
    deadline = time.monotonic() + 15
    while left_over(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_over(mark) == []


def test_the_demo_accounts_for_everything():
    mark = uuid.uuid4().hex
    process = start(mark)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    result = json.loads(out.strip().splitlines()[-1])
    assert result["balanced"] is True
    assert result["ingested"] == 306
    assert result["quarantined"] == 5
    assert result["scored"] == result["published"] + result["below_threshold"] == 301
    assert result["published"] >= 30
    assert result["below_threshold"] >= 100
    event = result["real_event"]
    assert event["name"] == "KMT-2018-BLG-0003"
    assert 0 <= event["p_review"] <= 1
    assert event["p_event"] is None
    published = event["p_review"] >= 0.45
    assert event["outcome"] == ("published" if published else "below_threshold")
    assert event["alert_type"] == ("INITIAL" if published else None)
    assert result["seconds"] < 180
    for reason in ("declared_too_long", "not_framed", "truncated", "unequal_lengths", "unknown_schema"):
        assert reason in out
    assert "centre of field 14" in err
    assert_nothing_left(mark)


@pytest.mark.parametrize("moment", ["created 7 topics", "ingested 300"])
def test_ctrl_c_leaves_nothing_running(moment):
    mark = uuid.uuid4().hex
    process = start(mark)
    for line in process.stderr:
        if moment in line:
            break
    else:
        pytest.fail(f"the demo ended before {moment!r}")
    assert len(left_over(mark)) > 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, out + err
    assert "interrupted" in err
    assert_nothing_left(mark)
