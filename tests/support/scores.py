"""Score packets of sightings, as the scorer would write them with halo copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan
from typing import Any

import numpy as np

import schemas
from schemas.samples import sample_records
from stream_worker.codec import encode
from stream_worker.framing import single_object
from stream_worker.neighbours import Sighting, Space
from stream_worker.sky import SkyCells, sexagesimal

SCORE = schemas.load("score", 1)
_SAMPLE = sample_records(SCORE)[0]


def score_of(sighting: Sighting, cell: int, home: int, space: Space) -> dict[str, Any]:
    ra_text, dec_text = sexagesimal(sighting.ra, sighting.dec)
    found = {
        **_SAMPLE["alertfinder"],
        "t_cut": sighting.t_cut,
        "t_break": sighting.t_cut - 9,
        "delta_chi2": sighting.delta_chi2,
    }
    return {
        **_SAMPLE,
        "candidate_id": sighting.candidate_id,
        "star_id": sighting.star_id,
        "tense": space.tense,
        "replay_id": space.replay_id,
        "ra": sighting.ra,
        "dec": sighting.dec,
        "ra_sexagesimal": ra_text,
        "dec_sexagesimal": dec_text,
        "t_cut": sighting.t_cut,
        "alertfinder": found,
        "p_review": sighting.p_review,
        "p_event": None if isnan(sighting.p_event) else sighting.p_event,
        "cell": cell,
        "home_cell": home,
        "halo": cell != home,
    }


def score_packets(
    sightings: Iterable[Sighting], cells: SkyCells, space: Space
) -> Iterator[tuple[bytes, bytes]]:
    """(key, packet) of every sighting, its halo copies after it."""
    listed = list(sightings)
    placed = cells.cells(np.array([s.ra for s in listed]), np.array([s.dec for s in listed]))
    for sighting, (home, *halo) in zip(listed, placed, strict=True):
        for cell in (home, *halo):
            body = encode(SCORE, score_of(sighting, cell, home, space))
            yield str(cell).encode(), single_object(SCORE, body)
