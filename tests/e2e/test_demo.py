"""The demo as a user runs it: a process of its own, with a Kafka of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream_worker.dev_kafka import kafka_node
from stream_worker.dev_kafka.node import KafkaNode
from stream_worker.local_stream import stream
from stream_worker.settings import load_settings

DEMO = [str(Path(sys.executable).with_name("stream-worker")), "demo", "--json"]
PATIENCE_S = 120


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a demo; if it is still there when the test ends, it is killed."""
    with ExitStack() as started:

        def begin(mark: str, *options: str, broker: str | None = None) -> subprocess.Popen[str]:
            environ = {k: v for k, v in os.environ.items() if k != "KAFKA_BOOTSTRAP_SERVERS"}
            given = {"KAFKA_BOOTSTRAP_SERVERS": broker} if broker else {}
            process = subprocess.Popen(
                [*DEMO, *options],
                env={**environ, **given, "DEMO_TEST_MARK": mark},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            started.enter_context(process)
            started.callback(process.kill)  # nothing where it has ended; its guards end the rest
            return process

        yield begin


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
    deadline = time.monotonic() + PATIENCE_S
    while left_over(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_over(mark) == []


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_demo_accounts_for_everything(start):
    mark = uuid.uuid4().hex
    spent = cpu_seconds_of_children()
    process = start(mark)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out + err
    result = json.loads(out.strip().splitlines()[-1])
    assert result["balanced"] is True
    assert result["ingested"] == 306
    assert result["quarantined"] == 5
    grouping = result["grouping"]
    assert result["scored"] == 301
    assert sum(n for outcome, n in grouping.items() if outcome != "halo") == 301, grouping
    assert result["published"] >= 20
    assert result["below_threshold"] >= 20
    event = result["real_event"]
    assert event["name"] == "KMT-2018-BLG-0003"
    assert 0 <= event["p_review"] <= 1
    assert 0 <= event["p_event"] <= 1
    published = event["p_review"] >= 0.45
    assert event["outcome"] == ("published" if published else "below_threshold")
    assert event["alert_type"] == ("INITIAL" if published else None)
    assert result["seconds"] > 0
    assert cpu_seconds_of_children() - spent < 180  # on one core, with nothing beside it
    for reason in ("declared_too_long", "not_framed", "truncated", "unequal_lengths", "unknown_schema"):
        assert reason in out
    assert "centre of field 14" in err
    assert_nothing_left(mark)


@pytest.fixture(scope="session")
def archives(stream_archive) -> list[str]:
    """100 candidates, to spare a demo the simulation."""
    return sorted(map(str, stream_archive.glob("run-*.avro")))


@pytest.mark.parametrize(("moment", "simulates"), [("created 7 topics", True), ("ingested 100", False)])
def test_ctrl_c_leaves_nothing_running(start, moment, simulates, archives):
    mark = uuid.uuid4().hex
    process = start(mark, *([] if simulates else archives))
    for line in process.stderr:
        if moment in line:
            break
    else:
        pytest.fail(f"the demo ended before {moment!r}")
    assert len(left_over(mark)) > 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, out + err
    assert "interrupted" in err
    assert_nothing_left(mark)


@pytest.fixture(scope="module")
def node() -> Iterator[KafkaNode]:
    """A broker that is given, not the demo's own."""
    with kafka_node() as running:
        yield running


@pytest.mark.timeout(150, func_only=True)
def test_where_no_group_ever_was_topics_are_removed_without_waiting_for_its_coordinator(node, monkeypatch):
    monkeypatch.setattr(stream, "_REMOVAL_TIMEOUT_S", 1000.0)  # a wait would end in this test's own time-out
    overrides = {"kafka": {"bootstrap_servers": node.bootstrap_servers}, **stream.own_names("lensnet-demo-")}
    with stream.own_topics(load_settings({}, overrides=overrides), print):
        pass


def of_the_demo(names) -> list[str]:
    return sorted(name for name in names if name.startswith("lensnet-demo"))


def test_on_a_given_broker_no_topic_and_no_group_remains(start, node, archives):
    mark = uuid.uuid4().hex
    admin = AdminClient({"bootstrap.servers": node.bootstrap_servers})
    admin.create_topics([NewTopic("lensnet.candidates", 1)])["lensnet.candidates"].result(30)
    process = start(mark, *archives, broker=node.bootstrap_servers)
    told = []
    for line in process.stderr:
        told.append(line)
        if "both stages drained" in line:
            break
        if "ingested 100" in line:
            assert len(of_the_demo(admin.list_topics(timeout=30).topics)) == 7
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, "".join(told) + out + err
    assert json.loads(out.strip().splitlines()[-1])["ingested"] == 106
    deadline = time.monotonic() + PATIENCE_S  # a topic's deletion reaches the metadata a moment later
    while of_the_demo(admin.list_topics(timeout=30).topics) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = admin.list_topics(timeout=30).topics
    assert of_the_demo(left) == []
    assert "lensnet.candidates" in left
    groups = admin.list_consumer_groups(request_timeout=30).result(30)
    assert of_the_demo(group.group_id for group in groups.valid) == []
    assert_nothing_left(mark)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--seed", "3"], 2, "ARCHIVES and --seed exclude each other"),
        ([__file__], 1, f"{Path(__file__).name}: "),
    ],
)
def test_archives_that_cannot_be_shown_are_refused_before_anything_starts(
    start, archives, options, code, said
):
    mark = uuid.uuid4().hex
    process = start(mark, *options, *archives)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert said in err
    assert "Error: " in err
    assert "Kafka" not in err
    assert_nothing_left(mark)
