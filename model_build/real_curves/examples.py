"""Light curves that the network got right and wrong, so that failures can be explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_build.real_curves.scoring import ScoredCut
from model_build.real_curves.seasons import season_at, seasons, within
from model_build.season_report.look import SITE_COLOURS, hide, name, panels, point_size
from stream_worker.preprocessing import LightCurve

COLUMNS: Final = 3
_PANEL_HEIGHT: Final = 1.9
_AFTER_DAYS: Final = 60.0
_ENDS: Final = (0.5, 99.5)


def spread(cuts: Sequence[ScoredCut], at_most: int) -> tuple[ScoredCut, ...]:
    """Return so many of the cuts, from the lowest score to the highest in equal steps of rank."""
    ranked = sorted(
        (one for one in cuts if one.score is not None),
        key=lambda one: (one.score.p_review if one.score else 0.0, one.cut.star.name, one.cut.when),
    )
    if len(ranked) <= at_most:
        return tuple(ranked)
    return tuple(ranked[i] for i in np.linspace(0, len(ranked) - 1, at_most).round().astype(int).tolist())


def draw(cuts: Sequence[ScoredCut]) -> Figure:
    """Draw the season of each: rows up to t_cut by site, later ones grey, t_break dashed, t_cut solid."""
    n_rows = -(-len(cuts) // COLUMNS)
    fig, axes = panels(n_rows, COLUMNS, _PANEL_HEIGHT * n_rows)
    for ax, one in zip(axes, cuts, strict=False):
        _draw(ax, one)
    hide(axes[len(cuts) :])
    return fig


def _draw(ax: Axes, one: ScoredCut) -> None:
    cut = one.cut
    season = season_at(seasons(cut.star.curves), cut.t_cut)
    if season is None:
        return
    later = within(cut.star.curves, season, cut.t_cut + _AFTER_DAYS)
    zero = {(c.site, c.dataset): float(np.median(c.flux)) for c in cut.curves}
    shown: list[float] = []
    for curve in later:
        after = curve.hjd > cut.t_cut
        base = zero.get((curve.site, curve.dataset), float(np.median(curve.flux)))
        _points(ax, curve, after, base, "0.75")
        _points(ax, curve, ~after, base, SITE_COLOURS[curve.site])
        shown += (curve.flux - base).tolist()
    low, high = np.percentile(shown, _ENDS)
    margin = 0.15 * (high - low)
    ax.set_ylim(low - margin, high + margin)
    ax.axvline(cut.t_cut, color="black", lw=0.8)
    if cut.t_break is not None:
        ax.axvline(cut.t_break, color="black", lw=0.8, ls="--")
    p = "" if one.score is None else f", p = {one.score.p_review:.2f}"
    name(ax, title=f"{cut.star.name}\n{cut.when}{p}")
    ax.locator_params(axis="x", nbins=4)
    ax.locator_params(axis="y", nbins=4)


def _points(ax: Axes, curve: LightCurve, chosen: np.ndarray, base: float, colour: str) -> None:
    if not chosen.any():
        return
    ax.errorbar(
        curve.hjd[chosen],
        curve.flux[chosen] - base,
        curve.flux_err[chosen],
        fmt=".",
        ms=point_size(curve.hjd.size),
        mew=0,
        elinewidth=0.4,
        color=colour,
        alpha=0.8,
    )
