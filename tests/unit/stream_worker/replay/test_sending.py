"""Sending an archive: every record once, whenever it is interrupted."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from support.candidates import make_candidates

import schemas
from schemas.wire import frame_confluent
from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.bundle import load_bundle
from stream_worker.codec import CANDIDATE, SchemaResolver, decode, decode_candidate, encode_candidate
from stream_worker.dumping.day_files import open_day_files
from stream_worker.framing import single_object
from stream_worker.kafka.errors import TransactionAborted
from stream_worker.kafka.records import SourceRecord
from stream_worker.replay.names import replay_settings
from stream_worker.replay.plan import plan_replay
from stream_worker.replay.refusal import Refusals
from stream_worker.replay.selection import Selection
from stream_worker.replay.sending import ArchiveSender, Pace, Sent
from stream_worker.settings import SettingsError, load_settings


class Killed(BaseException):
    pass


class Topic:
    """A transactional sink that may die, before or after a commit, or abort."""

    def __init__(self, survive=math.inf, *, after=False, aborts=0):
        self.packets, self.notes = [], []
        self.survive, self.after, self.aborts = survive, after, aborts

    def commit(self, outputs, batch):
        assert not batch.next_offsets
        if self.aborts:
            self.aborts -= 1
            raise TransactionAborted("try again")
        if self.survive == 0 and not self.after:
            raise Killed
        *packets, note = outputs
        self.packets += packets
        its = json.loads(note.value)
        self.notes.append(Sent(**{**its, "faults": tuple(its["faults"])}))
        if self.survive == 0:
            raise Killed
        self.survive -= 1


@pytest.fixture
def plan(archive, settings, monkeypatch):
    monkeypatch.setattr("stream_worker.replay.plan.CHUNK", 8)
    monkeypatch.setattr("stream_worker.replay.sending.AT_ONCE", 5)

    def of(selection=None, path=archive):
        archives = open_archives([path]).archives
        return plan_replay(archives, selection or Selection(), load_bundle(settings.bundle), settings)

    return of


def sender(plan, topic, pace=None, *, skip_faults=False):
    encode = lambda candidate: single_object(CANDIDATE, encode_candidate(candidate))
    refuse = Refusals(replay_settings(load_settings({}), "r-1"), single_object, clock=lambda: 1).of
    pace = pace or Pace(math.inf)
    return ArchiveSender(plan, topic, "candidates", "sent", encode, refuse, pace, skip_faults=skip_faults)


class Faulty:
    """An archive of which one piece breaks off after some records."""

    def __init__(self, archive, piece, after):
        self._archive, self._piece, self._after = archive, piece, after
        self.pieces = archive.pieces

    def read(self, piece):
        records = list(self._archive.read(piece))
        if piece.number != self._piece:
            yield from records
            return
        yield from records[: self._after]
        raise ArchiveFault("archive", f"piece {piece.number}", "broken off")


def decoded(packet):
    writer, body = SchemaResolver("candidate").resolve(packet.value)
    return decode_candidate(body, writer)


def told(topic, name):
    """Records of one schema that the replay itself wrote."""
    resolver, found = SchemaResolver(name), []
    for output in topic.packets:
        if output.topic == f"lensnet.replay.r-1.{'outcomes' if name == 'outcome' else name}":
            writer, body = resolver.resolve(output.value)
            found.append(decode(body, writer, schemas.load(name, 1)))
    return found


def test_everything_is_sent_as_archival_packets(plan):
    topic = Topic()
    sent = sender(plan(), topic).send(Sent())
    assert (sent.sent, sent.left_out, sent.refused) == (30, 0, 1)
    packets = [output for output in topic.packets if output.topic == "candidates"]
    assert len(packets) == 30
    for packet in packets:
        candidate = decoded(packet)
        assert (candidate.tense, candidate.replay_id) == ("ARCHIVAL", plan().replay_id)
        assert packet.key == candidate.star_id.encode()
        assert dict(packet.headers)["tense"] == b"ARCHIVAL"


def test_what_is_no_candidate_is_quarantined_under_its_place_in_the_archive(plan):
    topic = Topic()
    sender(plan(), topic).send(Sent())
    (kept,), (outcome,) = told(topic, "quarantine"), told(topic, "outcome")
    raw = next(one.raw for one in read(plan().archives[0]) if one.record == 17)
    assert (kept["raw"], kept["raw_complete"], kept["reason"]) == (raw, True, "position_out_of_range")
    assert "dec is -95" in kept["message"]
    assert outcome["candidate_id"] == kept["candidate_id"] is not None
    for one in (kept, outcome):
        assert (one["stage"], one["topic"], one["offset"]) == ("score", "archive:run-2021-05-10.avro", 17)
    assert (outcome["outcome"], outcome["reason"]) == ("QUARANTINED", "position_out_of_range")


def read(archive):
    return [one for piece in archive.pieces for one in archive.read(piece)]


def test_packets_that_a_reader_with_a_registry_would_take_for_live_never_travel(plan, tmp_path):
    packets = [frame_confluent(7, encode_candidate(one)) for one in make_candidates(3, 1)]
    files = open_day_files(tmp_path, "lensnet.candidates")
    for offset, packet in enumerate(packets):
        files.add(SourceRecord("lensnet.candidates", 0, offset, b"key", packet, timestamp=0))
    files.close(files.days)
    topic = Topic()
    sent = sender(plan(path=tmp_path), topic).send(Sent())
    assert (sent.sent, sent.refused) == (0, 3)
    assert not [output for output in topic.packets if output.topic == "candidates"]
    assert [one["raw"] for one in told(topic, "quarantine")] == packets
    assert {one["reason"] for one in told(topic, "outcome")} == {"unknown_schema"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("survive", range(7))
def test_killed_at_any_commit_nothing_is_lost_or_sent_twice(plan, survive, after):
    whole = Topic()
    sender(plan(), whole).send(Sent())
    topic = Topic(survive, after=after)
    with pytest.raises(Killed):
        sender(plan(), topic).send(Sent())
    topic.survive = math.inf
    sent = sender(plan(), topic).send(topic.notes[-1] if topic.notes else Sent())
    assert [packet.value for packet in topic.packets] == [packet.value for packet in whole.packets]
    assert sent == whole.notes[-1]


@pytest.mark.parametrize("broken_after", [0, 3])
def test_a_fault_that_is_skipped_costs_nothing_else_wherever_it_was_interrupted(
    plan, broken_after, monkeypatch
):
    its = plan()
    monkeypatch.setattr("stream_worker.replay.sending.AT_ONCE", 1)
    first, *others = its.archives
    for piece in (one.number for one in first.pieces):
        faulty = replace(its, archives=(Faulty(first, piece, broken_after), *others))
        whole = Topic()
        sender(faulty, whole, skip_faults=True).send(Sent())
        assert len(whole.notes[-1].faults) == 1
        for survive in range(len(whole.notes)):
            topic = Topic(survive, after=True)
            with pytest.raises(Killed):
                sender(faulty, topic, skip_faults=True).send(Sent())
            topic.survive = math.inf
            sent = sender(faulty, topic, skip_faults=True).send(topic.notes[-1])
            assert [packet.value for packet in topic.packets] == [packet.value for packet in whole.packets]
            assert sent == whole.notes[-1]


def test_what_came_before_a_fault_that_ends_it_is_sent(plan):
    its, topic = plan(), Topic()
    first, *others = its.archives
    faulty = replace(its, archives=(Faulty(first, 0, 3), *others))
    with pytest.raises(ArchiveFault, match="broken off"):
        sender(faulty, topic).send(Sent())
    assert len(topic.packets) == 3
    assert (topic.notes[-1].chunk, topic.notes[-1].record, topic.notes[-1].faults) == (0, 3, ())


def test_an_aborted_transaction_is_tried_again(plan):
    topic = Topic(aborts=2)
    slept = []
    sent = sender(plan(), topic, Pace(math.inf, sleep=slept.append)).send(Sent())
    assert sent.sent == len([output for output in topic.packets if output.topic == "candidates"]) == 30
    assert slept == [0.5, 1.0]


def test_what_takes_no_part_is_counted(plan):
    topic = Topic()
    sent = sender(plan(Selection(first=9345.5)), topic).send(Sent())
    assert (sent.sent, sent.left_out, sent.refused) == (12, 18, 1)


def test_the_pace_is_the_archives_own_and_no_transaction_is_open_in_a_pause(plan):
    now, topic = [0.0], Topic()
    committed_before_pause = []

    def sleep(seconds):
        committed_before_pause.append(len(topic.packets))
        now[0] += seconds

    pace = Pace(86_400.0, monotonic=lambda: now[0], sleep=sleep)  # a day in a second
    sender(plan(), topic, pace).send(Sent())
    assert now[0] == pytest.approx(1.0)
    assert committed_before_pause == [20]  # 18 candidates, one record's quarantine and outcome


def test_topics_and_groups_are_never_the_live_ones(settings):
    own = replay_settings(settings, "r-1")
    live, names = settings.topics.model_dump().values(), own.topics.model_dump().values()
    assert not set(live) & set(names)
    assert own.score.group_id != settings.score.group_id
    assert own.deduplicate.group_id != settings.deduplicate.group_id
    for bad in ("", "a/b", "a b", "x" * 65, "../live", "a.b"):
        with pytest.raises(SettingsError, match="replay id"):
            replay_settings(settings, bad)
