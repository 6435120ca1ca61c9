"""Packets to values and back: framing, schema lookup, Avro, validation, container files."""

from __future__ import annotations

from stream_worker.codec.candidates import CANDIDATE, candidate_from_record, decode_candidate
from stream_worker.codec.container import BadContainer, read_candidates, write_candidates
from stream_worker.codec.decoder import compile_decoder
from stream_worker.codec.encoding import EncodeError, candidate_to_record, encode, encode_candidate
from stream_worker.codec.errors import BadPacket, Reason
from stream_worker.codec.resolution import decode
from stream_worker.codec.resolver import (
    MAX_PACKET_BYTES,
    RegistryClient,
    RegistryUnavailable,
    SchemaResolver,
    UnknownSchemaId,
)
from stream_worker.codec.validation import MAX_LIGHT_CURVES

__all__ = [
    "CANDIDATE",
    "MAX_LIGHT_CURVES",
    "MAX_PACKET_BYTES",
    "BadContainer",
    "BadPacket",
    "EncodeError",
    "Reason",
    "RegistryClient",
    "RegistryUnavailable",
    "SchemaResolver",
    "UnknownSchemaId",
    "candidate_from_record",
    "candidate_to_record",
    "compile_decoder",
    "decode",
    "decode_candidate",
    "encode",
    "encode_candidate",
    "read_candidates",
    "write_candidates",
]
