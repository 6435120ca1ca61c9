"""Checks of a decoded candidate: what the schema can't say, and what no later step could repair.

Each check raises `BadPacket` with the field's path, its value and what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from stream_worker.candidate import candidate_id
from stream_worker.codec.errors import BadPacket, Reason
from stream_worker.preprocessing.light_curve import AUXILIARIES, COLUMNS, SITES

LIGHT_TIME_MS: Final = 600_000
"""A heliocentric date may run ahead of the clock by the light time of 1 au, 8.3 minutes: ten, to be safe."""

_UNIX_EPOCH_JD: Final = 2_440_587.5
_HJD_OFFSET: Final = 2_450_000.0
_DAY_MS: Final = 86_400_000.0
_YEAR_10000_MS: Final = 253_402_300_800_000
_NON_EMPTY: Final = ("survey", "star_id", "field")
_NAMES: Final = (*_NON_EMPTY, "run_id", "replay_id", "chip")
MAX_NAME: Final = 200
"""Names go into keys, headers and every record about the candidate: longer ones could outgrow a topic."""

MAX_LIGHT_CURVES: Final = 64
"""Real packets have up to a dozen; merging costs the square of them, and each is named in the score."""

_FINITE_OR_NULL: Final = ("x", "y", "baseline_mag")
_FINITE_DETECTION: Final = ("t_break", "t_cut", "slope", "delta_chi2")


def check_record(record: Mapping[str, Any]) -> None:
    """Check a record of schema candidate 1.

    Raises
    ------
    BadPacket
        The first fault found; it carries the packet's candidate id.
    """
    try:
        _check_identity(record)
        _check_position(record)
        _check_detection(record["alertfinder"])
        _check_times(record)
        _check_light_curves(record["light_curves"])
    except BadPacket as error:
        raise BadPacket(error.reason, error.message, record["candidate_id"][:MAX_NAME]) from None


def hjd_to_unix_ms(hjd: float) -> float:
    """Milliseconds since 1970-01-01 of a date given as HJD - 2450000, the light time to the Sun neglected."""
    return (hjd + _HJD_OFFSET - _UNIX_EPOCH_JD) * _DAY_MS


def _check_identity(record: Mapping[str, Any]) -> None:
    for name in _NON_EMPTY:
        if not record[name]:
            raise BadPacket(Reason.EMPTY_FIELD, f"{name} is empty: expected a name")
    for name in _NAMES:
        _check_length(name, record[name])
    _check_length("alertfinder.dataset", record["alertfinder"]["dataset"])
    t_cut = record["alertfinder"]["t_cut"]
    expected = candidate_id(record["survey"], record["star_id"], t_cut)
    if record["candidate_id"] != expected:
        raise BadPacket(
            Reason.CANDIDATE_ID_MISMATCH,
            f"candidate_id is {record['candidate_id']!r}: expected {expected}, the UUIDv5 of survey"
            f" {record['survey']!r}, star_id {record['star_id']!r} and t_cut {t_cut:.5f}",
        )


def _check_position(record: Mapping[str, Any]) -> None:
    for name in _FINITE_OR_NULL:
        value = record[name]
        if value is not None and not math.isfinite(value):
            raise BadPacket(Reason.NOT_FINITE, f"{name} is {value}: expected a finite number or null")
    ra, dec = record["ra"], record["dec"]
    if not 0.0 <= ra < 360.0:
        raise BadPacket(Reason.POSITION_OUT_OF_RANGE, f"ra is {ra}: expected 0 <= ra < 360 degrees")
    if not -90.0 <= dec <= 90.0:
        raise BadPacket(Reason.POSITION_OUT_OF_RANGE, f"dec is {dec}: expected -90 <= dec <= 90 degrees")


def _check_detection(found: Mapping[str, Any]) -> None:
    if found["site"] not in SITES:
        raise _unknown_site("alertfinder.site", found["site"])
    if found["n_high"] < 0:
        raise BadPacket(
            Reason.N_HIGH_OUT_OF_RANGE, f"alertfinder.n_high is {found['n_high']}: expected zero or more"
        )
    for name in _FINITE_DETECTION:
        if not math.isfinite(found[name]):
            raise BadPacket(
                Reason.NOT_FINITE, f"alertfinder.{name} is {found[name]}: expected a finite number"
            )


def _check_times(record: Mapping[str, Any]) -> None:
    t_break, t_cut = record["alertfinder"]["t_break"], record["alertfinder"]["t_cut"]
    if t_break > t_cut:
        raise BadPacket(
            Reason.T_BREAK_AFTER_T_CUT,
            f"alertfinder.t_break is {t_break}: expected at most t_cut, {t_cut}",
        )
    produced_at = record["produced_at"]
    if not 0 <= produced_at < _YEAR_10000_MS:
        raise BadPacket(
            Reason.PRODUCED_AT_OUT_OF_RANGE,
            f"produced_at is {produced_at} ms: expected 0 to {_YEAR_10000_MS - 1} (years 1970 to 9999)",
        )
    if hjd_to_unix_ms(t_cut) > produced_at + LIGHT_TIME_MS:
        latest = produced_at / _DAY_MS + _UNIX_EPOCH_JD - _HJD_OFFSET
        raise BadPacket(
            Reason.T_CUT_AFTER_PRODUCED_AT,
            f"alertfinder.t_cut is {t_cut} (HJD - 2450000): expected at most produced_at, {latest:.5f},"
            f" and {LIGHT_TIME_MS // 60_000} minutes of light time",
        )


def _check_light_curves(light_curves: list[Mapping[str, Any]]) -> None:
    if not light_curves:
        raise BadPacket(Reason.NO_LIGHT_CURVES, "light_curves is empty: expected at least one")
    if len(light_curves) > MAX_LIGHT_CURVES:
        raise BadPacket(
            Reason.TOO_MANY_LIGHT_CURVES,
            f"light_curves has {len(light_curves)} items: expected at most {MAX_LIGHT_CURVES}",
        )
    seen: dict[tuple[str, str], int] = {}
    for index, light_curve in enumerate(light_curves):
        site, dataset = light_curve["site"], light_curve["dataset"]
        if site not in SITES:
            raise _unknown_site(f"light_curves[{index}].site", site)
        if not dataset:
            raise BadPacket(Reason.EMPTY_FIELD, f"light_curves[{index}].dataset is empty: expected a name")
        _check_length(f"light_curves[{index}].dataset", dataset)
        if (site, dataset) in seen:
            raise BadPacket(
                Reason.DUPLICATE_DATASET,
                f"light_curves[{index}] is {site} {dataset}, as is light_curves[{seen[site, dataset]}]:"
                " expected each dataset of a site once",
            )
        seen[site, dataset] = index
        _check_lengths(light_curve, f"light_curves[{index}] ({site} {dataset})")


def _check_lengths(light_curve: Mapping[str, Any], path: str) -> None:
    n = len(light_curve["hjd"])
    for name in COLUMNS[1:]:
        column = light_curve[name]
        if column is None or len(column) == n:
            continue
        hint = " or null, not measured" if name in AUXILIARIES else ""
        raise BadPacket(
            Reason.UNEQUAL_LENGTHS if len(column) else Reason.EMPTY_ARRAY,
            f"{path}.{name} has {len(column)} values: expected {n}, as hjd{hint}",
        )


def _check_length(path: str, name: str | None) -> None:
    if name is not None and len(name) > MAX_NAME:
        raise BadPacket(
            Reason.NAME_TOO_LONG,
            f"{path} has {len(name)} characters, {name[:20]!r}…: expected at most {MAX_NAME}",
        )


def _unknown_site(path: str, site: str) -> BadPacket:
    return BadPacket(Reason.UNKNOWN_SITE, f"{path} is {site!r}: expected {', '.join(SITES)}")
