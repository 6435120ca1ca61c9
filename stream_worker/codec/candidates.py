"""From a candidate packet's body to the `Candidate` value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import schemas
from stream_worker.candidate import AlertFinderDetection, Candidate, Tense
from stream_worker.codec.resolution import decode
from stream_worker.codec.validation import check_record
from stream_worker.preprocessing import LightCurve

CANDIDATE: Final = schemas.load("candidate", 1)
"""The version that this software reads and writes."""


def decode_candidate(body: bytes | memoryview, writer: Mapping[str, Any]) -> Candidate:
    """Decode, resolve and validate one candidate.

    Parameters
    ----------
    body : bytes or memoryview
        The packet without its framing. The light curves are read-only views of it (hjd float64 [n], the
        others float32 [n]), perhaps not aligned, and keep it alive.
    writer : mapping
        The schema that wrote it, as `SchemaResolver.resolve` returns it; must not change afterwards.

    Raises
    ------
    BadPacket
        The bytes are not one candidate, or its values are out of range or contradict one another (see
        `stream_worker.codec.validation`). NaN within the light curves is allowed.
    """
    return candidate_from_record(decode(body, writer, CANDIDATE))


def candidate_from_record(record: Mapping[str, Any]) -> Candidate:
    """Validate a decoded record of schema candidate 1 and return it as a value.

    Raises
    ------
    BadPacket
        A value is out of range, or values contradict one another.
    """
    check_record(record)
    return Candidate(
        **{
            **record,
            "tense": Tense(record["tense"]),
            "alertfinder": AlertFinderDetection(**record["alertfinder"]),
            "light_curves": tuple(LightCurve(**light_curve) for light_curve in record["light_curves"]),
        }
    )
