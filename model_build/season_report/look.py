"""How the report's figures look: colours, sizes, and axes without ornament."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SITE_COLOURS: Final = {"CTIO": "#c8372d", "SAAO": "#2b62b3", "SSO": "#2d8f4e"}
"""As in Viaña et al. 2025, fig. 6."""
CLASS_COLOURS: Final = {"yes": "#7b3aa6", "maybe": "#d98500", "no": "#7d848c"}
LABELS: Final = tuple(CLASS_COLOURS)
WIDTH: Final = 7.5
"""Of a figure, inches."""


def panels(rows: int, columns: int, height: float, *, shared: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``rows`` x ``columns`` axes, row by row, ``height`` inches high."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    axes: list[Axes] = list(np.ravel(grid))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return figure, axes


def name(ax: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Write what the axes show."""
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)
    ax.set_title(title, fontsize=9, loc="left")


def legend(figure: Figure, ax: Axes, columns: int) -> None:
    """Put the legend of one of its axes above a figure."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def hide(axes: Sequence[Axes]) -> None:
    """Leave places of a grid empty."""
    for ax in axes:
        ax.set_axis_off()


def point_size(n: int) -> float:
    """Return the size of each of ``n`` points, smaller in a crowd."""
    return float(np.clip(60.0 / math.sqrt(max(n, 1)), 2.0, 5.0))
