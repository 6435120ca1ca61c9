"""The grouping stage without a broker: its clock, its changelog, and readers of what it writes."""

from __future__ import annotations

from math import nan

import schemas
from stream_worker.changelog import NEIGHBOUR_SCHEMA
from stream_worker.codec import SchemaResolver, decode, encode
from stream_worker.deduplicate_stage import RETRACT_SCHEMA, DeduplicateStage
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.neighbours import group_id
from stream_worker.outputs import OutputWriter
from stream_worker.quarantine import Quarantine
from stream_worker.rule_settings import RuleSettings
from stream_worker.settings import TopicSettings
from stream_worker.sky import SkyCells
from stream_worker.watched_rules import WatchedRules
from support.scores import score_packets
from support.sky import SPACE, offset_by, sighting

TOPICS = TopicSettings()
WRITER = OutputWriter(single_object)
CELLS = SkyCells(20)
RA, DEC = 268.0, -30.0


def decoder(name):
    resolver = SchemaResolver(name, max_packet_bytes=2**26)
    schema = NEIGHBOUR_SCHEMA if name == "neighbour" else schemas.load(name, 1)

    def decode_packet(packet):
        writer, body = resolver.resolve(packet or None)
        return decode(body, writer, schema)

    return decode_packet


class Bench:
    """A stage with its clock and the topics it writes."""

    def __init__(self, *, rules=None, stored=None, beat=lambda: None, **decoders):
        self.now = 1_900_000_000_000
        self.changelog = dict(stored or {})
        self.watched = WatchedRules(rules or RuleSettings())
        names = {"decode_score": "score", "decode_retract": "retract", "decode_state": "neighbour"}
        self.stage = DeduplicateStage(
            **{role: decoders.get(role, decoder(name)) for role, name in names.items()},
            read_state=lambda partitions: {p: dict(self.changelog) for p in partitions},
            writer=WRITER,
            quarantine=Quarantine(WRITER, TOPICS.quarantine, "deduplicate", "w", "0", 2**21),
            topics=TOPICS,
            rules=self.watched,
            clock=lambda: self.now,
            beat=beat,
        )
        self.stage.restore([0])
        self.offset = 0

    def records(self, *sightings, space=SPACE):
        found = []
        for key, packet in score_packets(sightings, CELLS, space):
            found.append(SourceRecord(TOPICS.scores, 0, self.offset, key, packet))
            self.offset += 1
        return found

    def run(self, records=(), after_ms=0):
        self.now += after_ms
        outputs = self.stage.process(records)
        self.stage.committed()
        for output in outputs:
            if output.topic == TOPICS.neighbours:
                assert output.partition == 0
                if output.value is None:
                    self.changelog.pop(output.key, None)
                else:
                    self.changelog[output.key] = output.value
        return outputs

    def order(self, star, reason="bleed trail"):
        record = {
            "group_id": group_id(SPACE, star.star_id),
            "tense": SPACE.tense,
            "replay_id": SPACE.replay_id,
            "cell": int(next(score_packets([star], CELLS, SPACE))[0]),
            "star_id": star.star_id,
            "reason": reason,
            "requested_at": self.now,
        }
        packet = single_object(RETRACT_SCHEMA, encode(RETRACT_SCHEMA, record))
        self.offset += 1
        headers = (("lensnet-schema", b"retract/1"),)
        return SourceRecord(TOPICS.scores, 0, self.offset - 1, b"k", packet, headers)


def read(outputs, topic, name):
    return [decoder(name)(o.value) for o in outputs if o.topic == topic]


def alerts(outputs):
    return [(a["alert_type"], a["star_id"], a["reason"]) for a in read(outputs, TOPICS.scored, "alert")]


def outcomes(outputs):
    return [(o["outcome"], o["reason"]) for o in read(outputs, TOPICS.outcomes, "outcome")]


def star(name, east=0.0, north=0.0, t_cut=9300.75, delta_chi2=500.0, p_review=0.6, p_event=nan):
    return sighting(name, *offset_by(RA, DEC, east, north), t_cut, delta_chi2, p_review, p_event)
