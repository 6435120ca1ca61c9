"""Finds the light curves of a few candidates in archives or on the candidates topic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket
from stream_worker.kafka.clients import plain_consumer
from stream_worker.kafka.reading import read_all
from stream_worker.plans import candidate_resolver
from stream_worker.settings import Settings


def from_archives(
    paths: Sequence[Path], wanted: Collection[str], on_fault: Callable[[ArchiveFault], None]
) -> dict[str, Candidate]:
    """Candidates of these ids, as far as the archives have them; ``on_fault`` hears of what can't be read."""
    found: dict[str, Candidate] = {}
    opened = open_archives(paths)
    for fault in opened.faults:
        on_fault(fault)
    for archive in opened.archives:
        for piece in archive.pieces:
            try:
                for one in archive.read(piece):
                    if isinstance(one.content, Candidate) and one.content.candidate_id in wanted:
                        found[one.content.candidate_id] = one.content
            except ArchiveFault as fault:
                on_fault(fault)  # a picture less
            if len(found) == len(wanted):
                return found
    return found


def from_topic(settings: Settings, wanted: Collection[str]) -> dict[str, Candidate]:
    """Candidates of these ids on the candidates topic; raises KafkaException."""
    from stream_worker.codec import decode_candidate

    found: dict[str, Candidate] = {}
    resolver = candidate_resolver(settings)
    consumer = plain_consumer(settings.kafka, "lensnet-diff-curves")
    try:
        for record in read_all(consumer, settings.topics.candidates):
            try:
                writer, body = resolver.resolve(record.value or None)
                candidate = decode_candidate(body, writer)
            except BadPacket:
                continue
            if candidate.candidate_id in wanted:
                found[candidate.candidate_id] = candidate
    finally:
        consumer.close()
    return found
