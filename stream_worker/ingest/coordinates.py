"""Positions as people write them: decimal degrees or sexagesimal."""

from __future__ import annotations

import math
import re

_DEGREES_PER_HOUR = 15.0


def _sexagesimal(unit_marks: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<sign>[+-]?)(?P<first>\d{{1,3}})\s*[:\s{unit_marks}]\s*(?P<minutes>\d{{1,2}})\s*[:\sm']\s*"
        r"(?P<seconds>\d{1,2}(?:\.\d*)?)\s*(?:s|\")?"
    )


_HOURS = _sexagesimal("h")
_DEGREES = _sexagesimal("d°")


def parse_ra(text: str) -> float:
    """Right ascension in degrees, of ``264.6`` (degrees), ``17:38:24.0`` or ``17h38m24.0s`` (hours).

    Raises ValueError unless 0 <= ra < 360.
    """
    degrees = _parse(text, "right ascension", "264.6 (degrees) or 17:38:24.0 (hours)", _HOURS)
    if not 0.0 <= degrees < 360.0:
        raise ValueError(f"right ascension {text!r} is {degrees:g} degrees: expected 0 <= ra < 360")
    return degrees


def parse_dec(text: str) -> float:
    """Declination in degrees, of ``-28.4``, ``-28:24:00.0`` or ``-28d24m00.0s``.

    Raises ValueError unless -90 <= dec <= 90.
    """
    degrees = _parse(text, "declination", "-28.4 or -28:24:00.0 (degrees)", _DEGREES)
    if not -90.0 <= degrees <= 90.0:
        raise ValueError(f"declination {text!r} is {degrees:g} degrees: expected -90 <= dec <= 90")
    return degrees


def _parse(text: str, what: str, wanted: str, pattern: re.Pattern[str]) -> float:
    stripped = text.strip()
    match = pattern.fullmatch(stripped)
    if match is None:
        return _decimal(stripped, what, wanted)
    minutes, seconds = int(match["minutes"]), float(match["seconds"])
    if minutes >= 60 or seconds >= 60.0:
        raise ValueError(f"{what} {text!r}: expected minutes and seconds below 60")
    unit = _DEGREES_PER_HOUR if pattern is _HOURS else 1.0
    value = unit * (int(match["first"]) + minutes / 60.0 + seconds / 3600.0)
    return -value if match["sign"] == "-" else value


def _decimal(text: str, what: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{what} {text!r}: expected {wanted}")
    return value
