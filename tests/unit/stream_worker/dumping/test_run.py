"""A dump of a topic that is stopped while it waits."""

from __future__ import annotations

from threading import Event

from support.candidates import make_candidates

from schemas.wire import frame_confluent
from stream_worker.archives import open_archives
from stream_worker.candidate import Candidate
from stream_worker.codec import CANDIDATE, RegistryUnavailable, encode_candidate
from stream_worker.dumping.day_files import open_day_files
from stream_worker.dumping.run import _Dump, _Position

PACKETS = [frame_confluent(7, encode_candidate(one)) for one in make_candidates(3, 2)]


class Message:
    def __init__(self, offset):
        self._offset = offset

    def topic(self):
        return "topic"

    def partition(self):
        return 0

    def offset(self):
        return self._offset

    def key(self):
        return b"key"

    def value(self):
        return PACKETS[self._offset]

    def headers(self):
        return []

    def timestamp(self):
        return 1, 0

    def error(self):
        return None


class Topic:
    """Hands out every packet from an offset on, at once."""

    def __init__(self, first):
        self._messages = [Message(offset) for offset in range(first, len(PACKETS))]

    def consume(self, _n, _timeout):
        messages, self._messages = self._messages, []
        return messages


class Registry:
    """Away after some answers, when the operator loses patience."""

    def __init__(self, stop=None):
        self._stop = stop

    def schema(self, _schema_id):
        if self._stop is not None:
            self._stop.set()
            raise RegistryUnavailable("away")
        return dict(CANDIDATE.definition)


def dump(folder, registry, stop):
    files = open_day_files(folder, "topic")
    run = _Dump(files, registry, {0: _Position()}, stop)
    written = run.run(Topic(files.next_offsets.get(0, 0)), {0: len(PACKETS)}, lambda _records: None)
    files.close(files.days)
    return written


def test_stopped_while_the_registry_is_away_it_leaves_packets_for_the_next_run(tmp_path):
    stop = Event()
    assert dump(tmp_path, Registry(stop), stop) == 0
    assert dump(tmp_path, Registry(), Event()) == len(PACKETS)
    found = [
        one.content
        for archive in open_archives([tmp_path]).archives
        for piece in archive.pieces
        for one in archive.read(piece)
    ]
    assert [type(one) for one in found] == [Candidate] * len(PACKETS)
