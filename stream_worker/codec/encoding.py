"""From values to Avro bodies: records through fastavro, candidates by whole columns."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import fastavro
import numpy as np

from schemas import Schema
from schemas.wire import encode_long
from stream_worker.candidate import Candidate, Tense
from stream_worker.preprocessing import LightCurve
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS, FloatArray

_FLOAT = struct.Struct("<f")
_POSITION = struct.Struct("<dd")
_DETECTION = struct.Struct("<dddd")
_END: Final = b"\x00"
_NULL: Final = b"\x00"
_PRESENT: Final = b"\x02"
_TENSES: Final = tuple(Tense)


class EncodeError(ValueError):
    """A record that its schema can't hold; the message names the schema and the fault."""


def encode(schema: Schema, record: Mapping[str, Any]) -> bytes:
    """Encode a record's body, without framing.

    Fields with a default may be left out; fields that the schema doesn't have may not be there. Values of
    type int are the caller's to keep within 32 bits: fastavro writes larger ones, and readers refuse them.

    Raises
    ------
    EncodeError
        The record doesn't fit the schema.
    """
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(buffer, schema.parsed, record, strict_allow_default=True)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, struct.error) as error:
        raise EncodeError(
            f"record doesn't fit schema {schema.name} {schema.version}: {type(error).__name__}: {error}"
        ) from error
    return buffer.getvalue()


def encode_candidate(candidate: Candidate) -> bytes:
    """Encode a candidate's body by schema candidate 1, each column as one block.

    The bytes are those that `encode` makes of `candidate_to_record`. hjd is stored as float64, the other
    columns as float32.

    Raises
    ------
    EncodeError
        season or n_high has more than 32 bits.
    """
    c, found = candidate, candidate.alertfinder
    parts = [
        _string(c.candidate_id),
        _string(c.survey),
        _int("season", c.season),
        _string(c.run_id),
        encode_long(_TENSES.index(c.tense)),
        _optional(_string, c.replay_id),
        _string(c.star_id),
        _string(c.field),
        _optional(_string, c.chip),
        _optional(_FLOAT.pack, c.x),
        _optional(_FLOAT.pack, c.y),
        _POSITION.pack(c.ra, c.dec),
        _optional(_FLOAT.pack, c.baseline_mag),
        _string(found.site),
        _string(found.dataset),
        _int("alertfinder.n_high", found.n_high),
        _DETECTION.pack(found.t_break, found.t_cut, found.slope, found.delta_chi2),
    ]
    if c.light_curves:
        parts.append(encode_long(len(c.light_curves)))
    for light_curve in c.light_curves:
        parts += _light_curve(light_curve)
    parts += (_END, encode_long(c.produced_at))
    return b"".join(parts)


def candidate_to_record(candidate: Candidate) -> dict[str, Any]:
    """Return the candidate as a record of schema candidate 1, in plain Python values (columns as lists)."""
    names = (name for name in Candidate.__slots__ if name not in ("tense", "alertfinder", "light_curves"))
    record = {name: getattr(candidate, name) for name in names}
    record["tense"] = candidate.tense.value
    record["alertfinder"] = asdict(candidate.alertfinder)
    record["light_curves"] = [_light_curve_record(light_curve) for light_curve in candidate.light_curves]
    return record


def _light_curve_record(light_curve: LightCurve) -> dict[str, Any]:
    record: dict[str, Any] = {"site": light_curve.site, "dataset": light_curve.dataset}
    for name in COLUMNS:
        column = getattr(light_curve, name)
        record[name] = None if column is None else column.tolist()
    return record


def _light_curve(light_curve: LightCurve) -> list[bytes]:
    parts = [
        _string(light_curve.site),
        _string(light_curve.dataset),
        _column(light_curve.hjd, "<f8"),
        _column(light_curve.flux, "<f4"),
        _column(light_curve.flux_err, "<f4"),
    ]
    for name in AUXILIARIES:
        column = getattr(light_curve, name)
        parts.append(_NULL if column is None else _PRESENT + _column(column, "<f4"))
    return parts


def _column(values: FloatArray, dtype: str) -> bytes:
    if not len(values):
        return _END
    return b"".join((encode_long(len(values)), np.ascontiguousarray(values, dtype).tobytes(), _END))


def _optional(write: Callable[[Any], bytes], value: Any) -> bytes:
    return _NULL if value is None else _PRESENT + write(value)


def _int(path: str, value: int) -> bytes:
    if not -(2**31) <= value < 2**31:
        raise EncodeError(f"{path} is {value}: expected a signed 32-bit integer")
    return encode_long(value)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return encode_long(len(encoded)) + encoded
