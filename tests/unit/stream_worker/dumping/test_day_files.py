"""Day files of a dump: nothing lost or written twice, wherever it stops; and read back as an archive."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.candidates import make_candidates

from schemas.wire import frame_confluent
from stream_worker.archives import open_archives
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, BadPacket, encode_candidate
from stream_worker.dumping.day_files import STATE_FILE, DumpError, open_day_files, own_folder
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord

CANDIDATES = list(make_candidates(6, 2))
DAY_MS = 86_400_000
PACKETS = [single_object(CANDIDATE, encode_candidate(one)) for one in CANDIDATES]


def record(offset, day=0, *, partition=0, value=None, headers=()):
    value = PACKETS[offset % len(PACKETS)] if value is None else value
    return SourceRecord("topic", partition, offset, b"key", value, headers, timestamp=DAY_MS * (18_000 + day))


def dumped(folder):
    records = []
    for archive in open_archives([folder]).archives:
        for piece in archive.pieces:
            records += [(r["partition"], r["offset"]) for r in archive.records(piece)]
    return records


def test_a_file_per_day_with_packets_offsets_and_headers(tmp_path):
    files = open_day_files(tmp_path, "topic")
    files.add(record(0, headers=(("tense", b"CURRENT"), ("none", None))))
    files.add(record(1, day=1))
    files.add(record(2, value=b"\x00broken"))
    names = [path.name for path in files.close(files.days)]
    assert names == ["candidates-2019-04-14-001.avro", "candidates-2019-04-15-001.avro"]
    opened = open_archives([tmp_path])
    assert opened.faults == ()
    first = opened.archives[0]
    raw = list(first.records(first.pieces[0]))
    assert raw[0]["headers"] == [{"name": "tense", "value": b"CURRENT"}, {"name": "none", "value": None}]
    assert [one["offset"] for one in raw] == [0, 2]
    good, bad = first.read(first.pieces[0])
    assert isinstance(good.content, Candidate)
    assert isinstance(bad.content, BadPacket)
    assert bad.raw == b"\x00broken"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_crash_leaves_every_record_is_there_once(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("dump")
    topic = [record(n, day=n // 7) for n in range(20)]
    files = open_day_files(folder, "topic")
    position = 0
    while position < len(topic):
        match data.draw(st.sampled_from(["add", "add", "add", "flush", "close", "crash", "torn"])):
            case "add":
                files.add(topic[position])
                position += 1
            case "flush":
                files.flush()
            case "close":
                files.close(files.days[:1])
            case crash:
                if crash == "torn":
                    for part in folder.glob("*.part"):
                        if part.name.startswith(".candidates"):
                            with part.open("ab") as file:
                                file.write(b"half a block")
                files = open_day_files(folder, "topic")
                position = files.next_offsets.get(0, 0)
    files.close(files.days)
    assert sorted(dumped(folder)) == [(0, n) for n in range(20)]
    assert open_archives([folder]).faults == ()


def test_a_crash_between_the_name_and_the_note_of_it(tmp_path):
    files = open_day_files(tmp_path, "topic")
    files.add(record(0))
    files.flush()
    state = (tmp_path / STATE_FILE).read_text()
    files.close(files.days)
    (tmp_path / STATE_FILE).write_text(state)  # as it was just before
    again = open_day_files(tmp_path, "topic")
    assert again.days == []
    again.add(record(1))
    again.close(again.days)
    assert dumped(tmp_path) == [(0, 0), (0, 1)]


def test_schemas_of_a_registry_are_in_the_file(tmp_path):
    evolved = json.loads(json.dumps(CANDIDATE.definition))
    files = open_day_files(tmp_path, "topic")
    body = encode_candidate(CANDIDATES[0])
    files.add(record(0))
    files.add(record(1, value=frame_confluent(7, body)), 7, evolved)
    files.add(record(2, value=frame_confluent(7, body)), 7, evolved)
    files.add(record(3, value=frame_confluent(8, body)), 8, None)
    files.close(files.days)
    opened = open_archives([tmp_path])
    found = [one for archive in opened.archives for piece in archive.pieces for one in archive.read(piece)]
    assert [isinstance(one.content, Candidate) for one in found] == [True, True, True, False]
    assert "the dump's header does not hold it" in str(found[3].content)
    assert len(opened.archives) == 2  # a header can't grow


def test_a_folder_of_something_else_is_refused(tmp_path):
    files = open_day_files(tmp_path, "topic")
    files.add(record(0))
    files.flush()
    with pytest.raises(DumpError, match="holds a dump of topic, not of other"):
        open_day_files(tmp_path, "other")
    part = next(path for path in tmp_path.iterdir() if path.name.startswith(".candidates"))
    part.write_bytes(b"short")
    with pytest.raises(DumpError, match="has 5 bytes, the state of the dump lists"):
        open_day_files(tmp_path, "topic")
    part.unlink()
    with pytest.raises(DumpError, match="missing"):
        open_day_files(tmp_path, "topic")
    (tmp_path / STATE_FILE).write_text("[]")
    with pytest.raises(DumpError, match="no state of a dump"):
        open_day_files(tmp_path, "topic")


def test_two_dumps_do_not_share_a_folder(tmp_path):
    folder = tmp_path / "dumps"
    with (
        own_folder(folder),
        pytest.raises(DumpError, match="another dump is being written to"),
        own_folder(folder),
    ):
        pass
    with own_folder(folder):
        assert folder.is_dir()


def test_a_packet_is_too_large_where_the_settings_say_so(tmp_path):
    files = open_day_files(tmp_path, "topic")
    files.add(record(0))
    files.close(files.days)
    for most, expected in ((len(PACKETS[0]), Candidate), (len(PACKETS[0]) - 1, BadPacket)):
        (archive,) = open_archives([tmp_path], max_packet_bytes=most).archives
        (one,) = archive.read(archive.pieces[0])
        assert type(one.content) is expected
