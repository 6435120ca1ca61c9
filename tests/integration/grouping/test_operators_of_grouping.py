"""What operators and follow-up teams do with a running grouping stage, start to end on one stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import islice

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.cimpl import NewTopic
from support.sky import SPACE, offset_by, sighting
from support.stream import Stream

from stream_worker.kafka.clients import admin_client
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.neighbours import group_id
from stream_worker.subscriber import subscribe

RULES = "[rules]\nhold_ms = {hold}\nthresholds = {{ balanced = {balanced}, pure = 0.955 }}\n"


def star(name, east=0.0, p_review=0.7, delta_chi2=500.0, t_cut=9300.75):
    return sighting(name, *offset_by(268.0, -30.0, east, 0.0), t_cut, delta_chi2, p_review)


def command(stream, environ, *arguments):
    """A stream-worker command: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_worker", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def wait_for(condition, what, timeout_s=180):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def recreate(stream, topic, partitions):
    admin = admin_client(stream.settings.kafka, "test")
    admin.delete_topics([topic])[topic].result(30)
    wait_for(lambda: topic not in admin.list_topics(timeout=10).topics, "topic not deleted")
    new = NewTopic(topic, partitions, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([new])[topic].result(30)


def forget(stream, topic):
    """Delete the records of a topic, as its retention does sooner or later."""
    admin = admin_client(stream.settings.kafka, "test")
    partitions = admin.list_topics(topic, 10).topics[topic].partitions
    for deleted in admin.delete_records([TopicPartition(topic, n, OFFSET_END) for n in partitions]).values():
        deleted.result(30)


@pytest.mark.timeout(1500)
def test_subscribe_retract_change_rules_hold_rebuild_and_refuse(kafka, topic_prefix, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=3)
    file = tmp_path / "worker.toml"
    file.write_text(RULES.format(hold=500, balanced=0.45))
    environ = {k: v for k, v in stream.environ.items() if not k.startswith("LENSNET_RULES__")}
    environ["LENSNET_SETTINGS_FILE"] = str(file)
    neighbours = stream.settings.topics.neighbours
    codes = []

    worker = start_worker("deduplicate", environ, tmp_path)
    with stopping([worker], lambda _name, code: codes.append(code)):
        stream.produce_scores([star("A"), star("GHOST", 5, delta_chi2=90), star("C", 300)])
        stream.wait(lambda books: books[1].balanced, [worker], 240)

        seen = list(islice(subscribe(stream.settings, since="beginning"), 2))
        assert {alert["star_id"] for alert, _ in seen} == {"A", "C"}
        assert set(seen[-1][1]) == {group_id(SPACE, "A"), group_id(SPACE, "C")}

        group = group_id(SPACE, "C")
        code, out, err = command(stream, environ, "retract", group, "--reason", "bleed trail", "--json")
        assert code == 0, err
        assert json.loads(out) == {"group_id": group, "star_id": "C", "confirmed": True}
        code, _, err = command(stream, environ, "retract", group, "--reason", "again")
        assert (code, "was retracted before: operator: bleed trail" in err) == (1, True)
        tail = ("tail", "--from-beginning", "--live", "--json", "--idle-exit", "10")
        code, out, err = command(stream, environ, *tail)
        assert [json.loads(line)["star_id"] for line in out.splitlines()] == ["A"], err

        file.write_text("rules = 1")  # a bad file changes nothing
        wait_for(lambda: "rules unchanged" in worker.log.read_text(), worker.tail())
        file.write_text(RULES.format(hold=60_000, balanced=0.8))
        wait_for(lambda: "rules changed" in worker.log.read_text(), worker.tail())
        stream.produce_scores([star("D", 600), star("E", 900, p_review=0.9)])
        books = stream.wait(lambda books: books[1].held == 1, [worker], 240)
        assert books[1].clean
        assert not books[1].balanced
        below = [o for o in stream.read("outcomes", "outcome") if o["outcome"] == "BELOW_THRESHOLD"]
        assert len({o["settings_hash"] for o in stream.read("outcomes", "outcome")}) == 2
        assert [o["reason"] for o in below] == ["balanced"]
        code, out, _ = command(stream, environ, "balance", "--json", "--records", "--since", "0")
        assert code == 0
        listed = json.loads(out)["stages"][1]["records"]
        assert {"PUBLISHED", "GROUPED_AWAY", "BELOW_THRESHOLD"} <= {r["outcome"] for r in listed}
        assert {r["group_id"] for r in listed if r["outcome"] == "GROUPED_AWAY"} == {group_id(SPACE, "A")}

        code, _, err = command(stream, environ, "rebuild")
        assert (code, "stop the deduplicate workers first" in err) == (1, True)
        stream.produce_scores([star("F", 1200, p_review=0.9)])
        stream.wait(lambda books: books[1].held, [worker], 240)
    assert codes == [0]

    before = {key: stripped(s) for key, s in stream.grouping().stars()}
    held = sum(len(s.held) for _, s in stream.grouping().stars())
    live = sum(s.published is not None and s.published.live for _, s in stream.grouping().stars())
    assert held >= 1
    recreate(stream, neighbours, 3)
    file.write_text(RULES.format(hold=300, balanced=0.45))
    code, out, err = command(stream, environ, "rebuild", "--json")
    assert code == 0, err
    assert json.loads(out) == {"stars": len(before), "live": live, "held": held, "forgotten": 0}
    assert {key: stripped(s) for key, s in stream.grouping().stars()} == before

    worker = start_worker("deduplicate", environ, tmp_path)
    with stopping([worker], lambda _name, code: codes.append(code)):
        books = stream.wait(lambda books: books[1].balanced, [worker], 240)
        live = {a["star_id"]: a["alert_type"] for a in stream.read("scored", "alert")}
        assert live == {"A": "INITIAL", "C": "RETRACTION", "E": "INITIAL", "F": "INITIAL"}
    assert codes == [0, 0]

    forget(stream, stream.settings.topics.outcomes)
    recreate(stream, neighbours, 3)
    code, out, err = command(stream, environ, "rebuild", "--json")
    assert code == 0, err
    assert json.loads(out)["held"] == 0, "what had its outcome long ago must not be told of again"

    recreate(stream, neighbours, 2)
    refused = start_worker("deduplicate", environ, tmp_path)
    assert refused.process.wait(240) == 2, refused.tail()
    assert "partitions differ, expected as many" in refused.tail()


def stripped(found):
    """A star without the moment at which its hold ends."""
    return (
        found.star_id,
        found.history,
        found.published,
        [(h.offset, h.entry, h.body) for h in found.held],
    )
