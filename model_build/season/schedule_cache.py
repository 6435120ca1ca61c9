"""Ephemerides and schedules on disk, each under the hash of all it was made from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from model_build.season.config import SeasonConfig
from model_build.season.epochs import EpochTable, Schedule
from model_build.season.sections import as_table
from model_build.season.sky import Direction, Ephemeris, Place

_VERSION = 2  # raise it whenever the same configuration gives other schedules
_SECTIONS = ("sites", "fields", "cadence", "weather", "seeing", "sky")
_COLUMNS = tuple(one.name for one in fields(EpochTable))[2:]


def schedule_path(cache: Path | None, config: SeasonConfig, season: int, seed: int) -> Path | None:
    """Return where the schedule of a season is kept, None without a cache."""
    parts = [as_table(getattr(config, name)) for name in _SECTIONS]
    return _path(cache, f"schedule-{season}-{seed}", parts)


def ephemeris_path(
    cache: Path | None,
    span: tuple[float, float],
    places: Mapping[str, Place],
    directions: Mapping[str, Direction],
) -> Path | None:
    """Return where the ephemeris of a span (JD - 2450000) is kept, None without a cache."""
    return _path(cache, f"ephemeris-{span[0]:.0f}", [span, as_table(places), as_table(directions)])


def save_schedule(path: Path | None, schedule: Schedule) -> None:
    """Write a schedule, if there is a path."""
    tables = schedule.tables.values()
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in _COLUMNS}
    _save(
        path,
        keys=np.array(list(schedule.tables)),
        sizes=np.array([table.hjd.size for table in tables]),
        **columns,
    )


def load_schedule(path: Path | None, season: int) -> Schedule | None:
    """Read a schedule, None if there is no whole one at ``path``."""
    saved = _load(path, ("keys", "sizes", *_COLUMNS))
    if saved is None:
        return None
    ends = np.cumsum(saved["sizes"])[:-1]
    parts = {name: np.split(saved[name], ends) for name in _COLUMNS}
    tables = {}
    for n, (site, field) in enumerate(saved["keys"].tolist()):
        tables[site, field] = EpochTable(site, field, **{name: parts[name][n] for name in _COLUMNS})
    return Schedule(season, tables)


def save_ephemeris(path: Path | None, ephemeris: Ephemeris) -> None:
    """Write an ephemeris, if there is a path."""
    jd, sun, moon, altitudes = (getattr(ephemeris, one.name) for one in fields(ephemeris))
    _save(
        path, jd=jd, sun=sun, moon=moon,
        keys=np.array(list(altitudes)), altitudes=np.array(list(altitudes.values())),
    )  # fmt: skip


def load_ephemeris(path: Path | None) -> Ephemeris | None:
    """Read an ephemeris, None if there is no whole one at ``path``."""
    saved = _load(path, ("jd", "sun", "moon", "keys", "altitudes"))
    if saved is None:
        return None
    keys = ((site, name) for site, name in saved["keys"].tolist())
    altitudes = dict(zip(keys, saved["altitudes"], strict=True))
    return Ephemeris(saved["jd"], saved["sun"], saved["moon"], altitudes)


def _path(cache: Path | None, name: str, parts: list[Any]) -> Path | None:
    if cache is None:
        return None
    digest = sha256(json.dumps([_VERSION, *parts]).encode()).hexdigest()
    return cache / f"{name}-{digest[:16]}.npz"


def _save(path: Path | None, **arrays: Any) -> None:
    """Write under another name first: a reader never sees half a file."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def _load(path: Path | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return {name: saved[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # cut off or foreign: made anew
