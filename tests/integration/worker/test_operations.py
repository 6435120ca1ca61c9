"""What operators rely on: refused starts, drains, and a broker that goes away and comes back."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing

import pytest
from confluent_kafka import TopicPartition
from prometheus_client import CollectorRegistry
from support.candidates import make_candidates
from support.stream import Stream

from stream_worker.dev_kafka import kafka_node
from stream_worker.kafka.changelog import latest_values
from stream_worker.kafka.clients import admin_client, group_consumer, transactional_producer
from stream_worker.kafka.consumer import GroupSource
from stream_worker.kafka.errors import TransactionAborted
from stream_worker.kafka.reading import committed_offsets
from stream_worker.kafka.transaction import KafkaTransactions
from stream_worker.local_stream.processes import ProcessFailed, WorkerProcess, start_worker, stopping
from stream_worker.local_stream.stream import own_names, worker_environment
from stream_worker.monitor import Monitor
from stream_worker.settings import Settings, load_settings
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.metrics import Metrics


def probe(worker: WorkerProcess, name: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/{name}", timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def metrics(worker: WorkerProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as reply:
        return str(reply.read().decode())


def wait_for(worker: WorkerProcess, name: str, status: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while probe(worker, name) != status:
        assert time.monotonic() < deadline, f"{name} not {status} within {timeout_s} s:\n{worker.tail()}"
        time.sleep(0.2)


def refused(environ: Mapping[str, str], stage: str = "score") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stream_worker", stage],
        env={"PATH": "/usr/bin:/bin", "LENSNET_HTTP__PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_settings_faults_are_listed_together_before_anything_starts():
    text = refused({"LENSNET_LOOP__MAX_RECORDS": "none", "LENSNET_HTTP__HOTS": "x", "LENSNET_TYPO": "1"})
    for expected in ("loop.max_records", "http.hots", "LENSNET_TYPO"):
        assert expected in text


def test_bundle_provider_and_properties_are_refused_together(tmp_path):
    text = refused(
        {
            "LENSNET_BUNDLE": str(tmp_path / "absent"),
            "LENSNET_KAFKA__PROPERTIES__NO_SUCH_PROPERTY": "1",
            "LENSNET_KAFKA__PROPERTIES__SECURITY_PROTOCOL": "carrier-pigeon",
            "LENSNET_REGISTRY__URL": "http://127.0.0.1:9",
        }
    )
    faults = [json.loads(line)["fault"] for line in text.splitlines() if '"cannot start"' in line]
    for expected in ("no.such.property", "security.protocol", "absent", "registry http://127.0.0.1:9"):
        assert any(expected in fault for fault in faults), faults


def test_a_tampered_bundle_is_refused(tmp_path):
    tampered = tmp_path / "bundle"
    shutil.copytree(Settings().bundle, tampered)
    graph = next(tampered.glob("*.onnx"))
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    assert graph.name in refused({"LENSNET_BUNDLE": str(tampered)})


def test_cuda_that_is_not_there_is_refused_and_never_silently_replaced():
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    assert "CUDAExecutionProvider" in refused({"LENSNET_INFERENCE__PROVIDER": "cuda"})


def test_a_port_in_use_is_refused(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = refused({"LENSNET_HTTP__PORT": str(port), "LENSNET_HTTP__HOST": "127.0.0.1"}, "deduplicate")
    assert f"127.0.0.1:{port}" in text


@pytest.mark.parametrize("stage", ["score", "deduplicate"])
def test_missing_topics_are_named_together(kafka, topic_prefix, stage):
    settings = load_settings({}, overrides={"kafka": {"bootstrap_servers": kafka}, **own_names(topic_prefix)})
    text = refused(worker_environment(settings), stage)
    (fault,) = [json.loads(line)["fault"] for line in text.splitlines() if '"cannot start"' in line]
    topics = settings.topics
    own = {
        "score": {topics.candidates, topics.scores, topics.lightcurves},
        "deduplicate": {topics.scores, topics.neighbours, topics.scored},
    }
    named = set(fault.partition(": ")[2].partition(" (")[0].split(", "))
    assert named == own[stage] | {topics.quarantine, topics.outcomes}
    assert "stream-worker topics create" in fault
    assert ("stream-worker rebuild" in fault) == (stage == "deduplicate")


@pytest.mark.parametrize("stage", ["score", "deduplicate"])
def test_a_missing_output_is_named_alone(kafka, topic_prefix, stage):
    stream = Stream(kafka, topic_prefix, partitions=1)
    outcomes = stream.settings.topics.outcomes
    admin = admin_client(stream.settings.kafka, "test")
    admin.delete_topics([outcomes])[outcomes].result(30)
    assert f"topics that do not exist: {outcomes} (stream-worker topics create)" in refused(
        stream.environ, stage
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_with_zero(kafka, topic_prefix, tmp_path, number):
    stream = Stream(kafka, topic_prefix, partitions=2)
    stream.produce(make_candidates(300, seed=4))
    environ = {**stream.environ, "LENSNET_LOOP__MAX_RECORDS": "20"}
    worker = start_worker("score", environ, tmp_path)
    with stopping([worker], lambda *_: None):
        worker.wait_started()
        stream.wait(lambda books: sum(books[0].outcomes.values()) >= 20, [worker], 60)
        worker.process.send_signal(number)
        assert worker.process.wait(60) == 0, worker.tail()
        assert '"drained"' in worker.tail()
    book = stream.books()[0]
    assert not book.missing
    assert not book.double
    assert not book.unknown


def test_the_lag_of_a_worker_that_has_not_yet_committed_counts_from_what_was_committed(kafka, topic_prefix):
    stream = Stream(kafka, topic_prefix, partitions=1)
    settings, topic = stream.settings, stream.settings.topics.candidates
    stream.produce_raw([b"packet"] * 8)
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), settings.topics)

    def source():
        consumer = group_consumer(
            settings.kafka,
            settings.score.group_id,
            "test",
            on_error=monitor.client_error,
            on_statistics=monitor.statistics,
        )
        return GroupSource(consumer, topic, settings.loop, monitor, offsets_timeout_s=30)

    def lag():
        return registry.get_sample_value("lensnet_consumer_lag", {"topic": topic, "partition": "0"})

    producer = transactional_producer(settings.kafka, f"{topic_prefix}test", "test", lambda _: None)
    producer.init_transactions(30)
    producer.begin_transaction()
    with closing(source()) as before:
        while (batch := before.poll_batch()) is None:
            pass
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], batch.group_metadata, 30)
        producer.commit_transaction(30)
    registry = CollectorRegistry()
    monitor = Monitor("score", Health(60), Metrics(registry, "score"), settings.topics)
    monitor.aborted("the first batch does not get through")
    with closing(source()) as after:
        deadline = time.monotonic() + 30
        while lag() is None:
            assert time.monotonic() < deadline
            after.poll_batch()
    assert lag() == 3


@pytest.mark.timeout(240)
def test_a_broker_that_goes_away_and_comes_back(tmp_path):
    with kafka_node() as node:
        stream = Stream(node.bootstrap_servers, "outage-", partitions=2)
        stream.produce(make_candidates(50, seed=5))
        worker = start_worker("score", stream.environ, tmp_path)
        with stopping([worker], lambda *_: None):
            worker.wait_started()
            stream.wait(lambda books: books[0].balanced, [worker], 60)
            wait_for(worker, "readyz", 200, 60)
            text = metrics(worker)
            assert 'lensnet_outcomes_total{outcome="SCORED",stage="score"} 50.0' in text
            assert 'lensnet_broker_up{stage="score"} 1.0' in text
            node.stop()
            wait_for(worker, "readyz", 503, 60)
            assert probe(worker, "livez") == 200
            node.start()
            wait_for(worker, "readyz", 200, 60)
            stream.produce(list(make_candidates(80, seed=6))[50:])
            books = stream.wait(
                lambda books: books[0].balanced and books[0].source_records == 80, [worker], 90
            )
            assert books[0].outcomes == {"SCORED": 80}
            worker.process.terminate()
            assert worker.process.wait(60) == 0, worker.tail()


@pytest.mark.timeout(600)
def test_a_broker_that_goes_away_during_an_assignment_is_waited_for(tmp_path):
    """For longer than the group waits for the member, too."""
    with kafka_node() as node:
        stream = Stream(node.bootstrap_servers, "assigning-", partitions=1, max_poll_interval_ms=10_000)
        settings, topics, group = stream.settings, stream.settings.topics, stream.settings.score.group_id
        stream.produce_raw([b"packet"] * 3)
        monitor = Monitor("score", Health(60), Metrics(CollectorRegistry(), "score"), topics)
        returns = threading.Timer(12, node.start)

        class Interrupted:
            def restore(self, partitions):
                if not returns.ident:
                    node.stop()
                    returns.start()
                latest_values(settings.kafka, topics.neighbours, partitions, timeout_s=5)

            def drop(self, partitions):
                pass

            def idle_s(self):
                return 0.5

        consumer = group_consumer(
            settings.kafka, group, "test", on_error=monitor.client_error, on_statistics=monitor.statistics
        )
        sink = KafkaTransactions(
            transactional_producer(settings.kafka, "assigning", "test", monitor.client_error), timeout_s=10
        )
        assert sink.open()
        source = GroupSource(
            consumer, topics.candidates, settings.loop, monitor, offsets_timeout_s=40, state=Interrupted()
        )
        with closing(source):
            deadline, done = time.monotonic() + 300, False
            while not done:
                assert time.monotonic() < deadline
                batch = source.poll_batch()
                if batch is None:
                    continue
                try:
                    sink.commit([], batch)
                except TransactionAborted:
                    source.rewind(batch)
                else:
                    done = committed_offsets(settings.kafka, group, topics.candidates) == {0: 3}
        returns.join()


def test_a_worker_waits_for_a_broker_that_is_not_there_yet_and_can_be_stopped(tmp_path):
    worker = start_worker("deduplicate", {"LENSNET_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}, tmp_path)
    with stopping([worker], lambda *_: None):
        deadline = time.monotonic() + 60
        while worker.port is None:
            assert time.monotonic() < deadline, worker.tail()
            time.sleep(0.1)
        assert probe(worker, "livez") == 200
        assert probe(worker, "startupz") == 503
        assert probe(worker, "readyz") == 503
        worker.process.terminate()
        assert worker.process.wait(60) == 0, worker.tail()


@pytest.mark.timeout(240)
def test_the_benchmark_measures_on_the_broker_it_is_told_and_leaves_nothing_there(kafka, tmp_path):
    from confluent_kafka.admin import AdminClient

    command = [sys.executable, "-m", "stream_worker", "benchmark", "--candidates", "60", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--json", "--bootstrap-servers", kafka],
        env={"PATH": str(tmp_path)},  # no Java there to start another with
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout)
    assert rates["candidates"] == 60
    assert 0 < rates["end_to_end_per_s"] < 100_000
    admin, deadline = AdminClient({"bootstrap.servers": kafka}), time.monotonic() + 60
    while left := [name for name in admin.list_topics(timeout=30).topics if "lensnet-benchmark" in name]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_the_benchmark_says_why_its_worker_ended(kafka, topic_prefix, tmp_path):
    from stream_worker.benchmarking import _outcome_times

    settings = Stream(kafka, topic_prefix).settings
    worker = start_worker("score", {"LENSNET_TYPO": "1"}, tmp_path)
    with stopping([worker], lambda *_: None), pytest.raises(ProcessFailed, match=r"code 2:(?s:.*)TYPO"):
        _outcome_times(settings, worker, 10)
