"""Where ingested candidates go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stream_worker.candidate import Candidate

EncodePacket = Callable[[Candidate], bytes]
"""Encodes and frames a candidate."""


class CandidateSink(Protocol):
    """Takes candidates at least once; a repeat is harmless, since ``candidate_id`` is deterministic."""

    def send(self, candidate: Candidate, packet: bytes) -> None:
        """Hand over one framed packet; may block while too many are on their way."""

    def flush(self) -> None:
        """Block until every packet handed over is delivered; raises if one can't be."""
