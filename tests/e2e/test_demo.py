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
from confluent_kafka.admin import AdminClient, NewTopic

from stream_worker.dev_kafka import kafka_node

DEMO = [str(Path(sys.executable).with_name("stream-worker")), "demo", "--json"]


def start(mark: str, *options: str, broker: str | None = None) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if k != "KAFKA_BOOTSTRAP_SERVERS"}
    given = {"KAFKA_BOOTSTRAP_SERVERS": broker} if broker else {}
    return subprocess.Popen(
        [*DEMO, *options],
        env={**environ, **given, "DEMO_TEST_MARK": mark},
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
    assert result["published"] >= 20
    assert result["below_threshold"] >= 20
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


def of_the_demo(names) -> list[str]:
    return sorted(name for name in names if name.startswith("lensnet-demo"))


def test_on_a_given_broker_no_topic_and_no_group_remains():
    mark = uuid.uuid4().hex
    with kafka_node() as node:
        admin = AdminClient({"bootstrap.servers": node.bootstrap_servers})
        admin.create_topics([NewTopic("lensnet.candidates", 1)])["lensnet.candidates"].result(30)
        process = start(mark, "--candidates", "50", broker=node.bootstrap_servers)
        told = []
        for line in process.stderr:
            told.append(line)
            if "both stages drained" in line:
                break
            if "ingested 50" in line:
                assert len(of_the_demo(admin.list_topics(timeout=30).topics)) == 7
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, "".join(told) + out + err
        assert json.loads(out.strip().splitlines()[-1])["ingested"] == 56
        deadline = time.monotonic() + 10  # a topic's deletion reaches the metadata a moment later
        while of_the_demo(admin.list_topics(timeout=30).topics) and time.monotonic() < deadline:
            time.sleep(0.2)
        left = admin.list_topics(timeout=30).topics
        assert of_the_demo(left) == []
        assert "lensnet.candidates" in left
        groups = admin.list_consumer_groups(request_timeout=30).result(30)
        assert of_the_demo(group.group_id for group in groups.valid) == []
    assert_nothing_left(mark)
