"""How far each number of a configuration may be wrong, and configurations drawn within that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from model_build.season.generators import generator
from model_build.season.sections import Positive


@dataclass(frozen=True, slots=True)
class DoubtConfig:
    """Half-widths, by the dotted path of what is doubted, of a uniform draw d.

    Parameters
    ----------
    scale
        The number, or all numbers of an array together, are multiplied by exp(d).
    odds
        The odds of a share, or of all shares of an array together, are multiplied by exp(d).
    shift
        d is added to the number, or to all numbers of an array.
    mix
        Each weight of a table or array is multiplied by its own exp(d); their sum stays.
    """

    scale: Mapping[str, Positive] = field(default_factory=dict)
    odds: Mapping[str, Positive] = field(default_factory=dict)
    shift: Mapping[str, Positive] = field(default_factory=dict)
    mix: Mapping[str, Positive] = field(default_factory=dict)

    def unknown_paths(self, table: Mapping[str, Any]) -> list[str]:
        """Return a fault for each path that leads to no number of ``table``."""
        return [
            f"doubt.{one.name}.{path}: no such number"
            for one in fields(self)
            for path in getattr(self, one.name)
            if not _is_numeric(_at(table, path))
        ]


Draw = Callable[[Any, float, np.random.Generator], Any]


def perturbed_table(table: Mapping[str, Any], doubt: DoubtConfig, seed: int) -> dict[str, Any]:
    """Return a copy of ``table`` with every doubted number drawn anew; each path has its own generator."""
    copy = deepcopy(dict(table))
    kinds: tuple[tuple[Mapping[str, float], Draw], ...] = (
        (doubt.scale, _scaled),
        (doubt.odds, _with_odds),
        (doubt.shift, _shifted),
        (doubt.mix, _mixed),
    )
    for half_widths, draw in kinds:
        for path, half_width in half_widths.items():
            where, _, name = path.rpartition(".")
            parent = _at(copy, where) if where else copy
            parent[name] = draw(parent[name], half_width, generator(seed, "doubt", path))
    return copy


def _at(table: Any, path: str) -> Any:
    for name in path.split("."):
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def _is_numeric(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_numeric(one) for one in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _each(value: Any, change: Callable[[float], float]) -> Any:
    """``change`` of a number, or of each number of an array."""
    return [change(one) for one in value] if isinstance(value, list | tuple) else change(value)


def _scaled(value: Any, half_width: float, rng: np.random.Generator) -> Any:
    factor = float(np.exp(rng.uniform(-half_width, half_width)))
    return _each(value, lambda one: one * factor)


def _with_odds(value: Any, half_width: float, rng: np.random.Generator) -> Any:
    factor = float(np.exp(rng.uniform(-half_width, half_width)))
    return _each(value, lambda share: share * factor / (1.0 - share + share * factor))


def _shifted(value: Any, half_width: float, rng: np.random.Generator) -> Any:
    shift = float(rng.uniform(-half_width, half_width))
    return _each(value, lambda one: one + shift)


def _mixed(value: Any, half_width: float, rng: np.random.Generator) -> Any:
    weights = np.array(list(value.values()) if isinstance(value, Mapping) else value, dtype=np.float64)
    changed = weights * np.exp(rng.uniform(-half_width, half_width, weights.size))
    changed *= weights.sum() / changed.sum()
    return dict(zip(value, changed.tolist(), strict=True)) if isinstance(value, Mapping) else changed.tolist()
