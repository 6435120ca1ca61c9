"""Figures of labelled seasons: curves, recall by group, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model_build.bootstrap import Estimate
from model_build.evaluation.curves import GRID, Curve
from model_build.evaluation.groups import Group
from model_build.evaluation.labelled import DateFigures, SeasonFigures
from model_build.evaluation.probabilities import Bins, Honesty
from model_build.evaluation.thresholds import CHOSEN
from model_build.season_report.look import CLASS_COLOURS, hide, legend, name, panels
from stream_worker.preprocessing.light_curve import Float64Array

REVIEW_COLOUR: Final = "#2b62b3"
YES_COLOUR: Final = CLASS_COLOURS["yes"]
NO_COLOUR: Final = CLASS_COLOURS["no"]
SOFT: Final = "#9aa0a8"


def draw_curves(figures: SeasonFigures) -> Figure:
    """ROC on the left, precision-recall on the right, with bands of 95 %."""
    fig, (left, right) = panels(1, 2, 3.8)
    found = [("p_review: Yes and Maybe against No", REVIEW_COLOUR, figures.review)]
    if figures.yes is not None:
        found.append(("p_yes: Yes against the rest", YES_COLOUR, figures.yes))
    for label, colour, its in found:
        draw_band(left, GRID, its.roc, colour, label)
        draw_band(right, GRID, its.precision_recall, colour, label)
        right.axhline(its.share_true, color=colour, lw=0.8, ls=":")
    left.plot([0, 1], [0, 1], color=SOFT, lw=0.8, ls=":")
    at_chosen = figures.label.binary[CHOSEN].of
    left.plot(
        1.0 - at_chosen["no"].value,
        at_chosen["positive"].value,
        "o",
        color=REVIEW_COLOUR,
        ms=6,
        label="chosen threshold",
    )
    name(left, "false-positive rate", "recall", "receiver operating characteristic")
    name(right, "recall", "precision", "dotted: precision of announcing all")
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
    legend(fig, left, 3)
    return fig


def draw_groups(label: DateFigures, first: DateFigures | None) -> Figure:
    """Share right at the chosen threshold by group, of Yes and of No, at both dates."""
    titles = list(label.groups)[:-1]
    fig, axes = panels((len(titles) + 1) // 2, 2, 2.6 * ((len(titles) + 1) // 2))
    hide(axes[len(titles) :])
    for ax, title in zip(axes, titles, strict=False):
        names = [group.name for group in label.groups[title]]
        for which, colour in (("yes", YES_COLOUR), ("no", NO_COLOUR)):
            _points(
                ax, names, label.groups[title], which, colour, marker="o", shift=-0.08, text="label's date"
            )
            if first is not None:
                _points(
                    ax, names, first.groups[title], which, colour, marker="s", shift=0.08, text="first date"
                )
        ax.set_xticks(range(len(names)), names, rotation=20, fontsize=7, ha="right")
        ax.set_ylim(0, 1.03)
        name(ax, title, "share right")
    legend(fig, axes[2], 4)  # of the magnitudes, which every star has
    return fig


def draw_reliability(found: Sequence[tuple[str, Honesty]]) -> Figure:
    """Share true against probability in bins of equal width, a panel for each probability."""
    fig, axes = panels(1, max(len(found), 2), 3.6)
    hide(axes[len(found) :])
    for ax, (title, its) in zip(axes, found, strict=False):
        ax.plot([0, 1], [0, 1], color=SOFT, lw=0.8, ls=":")
        draw_bins(ax, its.equal_width, REVIEW_COLOUR)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        name(ax, title, "share true", f"calibration error {its.equal_width.expected_error.value:.3f}")
    return fig


def draw_band(ax: Axes, x: Float64Array, curve: Curve, colour: str, label: str) -> None:
    """Draw a line and its interval."""
    ax.plot(x, curve.y, color=colour, lw=1.4, label=label)
    ax.fill_between(x, *curve.interval, color=colour, alpha=0.2, lw=0)


def draw_bins(ax: Axes, bins: Bins, colour: str) -> None:
    """Draw bins with their intervals; larger points hold more candidates."""
    errors = np.abs(bins.interval - bins.observed)
    ax.errorbar(bins.predicted, bins.observed, errors, fmt="none", ecolor=colour, elinewidth=1.0)
    size = 12.0 + 60.0 * np.sqrt(bins.n / bins.n.max())
    ax.scatter(bins.predicted, bins.observed, s=size, color=colour, lw=0, zorder=3)


def draw_estimates(
    ax: Axes,
    x: Sequence[float] | Float64Array,
    found: Sequence[Estimate],
    colour: str,
    label: str,
    style: str = "o-",
) -> None:
    """Draw estimates joined by a line, with a band of their intervals."""
    ax.plot(x, [one.value for one in found], style, color=colour, ms=3, lw=1.4, label=label)
    ax.fill_between(
        x, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.15, lw=0
    )


def whole_numbers(ax: Axes) -> None:
    """Let the x axis have whole numbers only."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _points(
    ax: Axes,
    names: Sequence[str],
    groups: Sequence[Group],
    which: str,
    colour: str,
    *,
    marker: str,
    shift: float,
    text: str,
) -> None:
    rates: Mapping[str, Group] = {group.name: group for group in groups if which in group.of}
    places = [place for place, one in enumerate(names) if one in rates]
    found = [rates[names[place]].of[which].passed[CHOSEN] for place in places]
    if not found:
        return
    right = [one if which == "yes" else Estimate(1 - one.value, 1 - one.high, 1 - one.low) for one in found]
    values = np.array([one.value for one in right])
    errors = np.array([[max(one.value - one.low, 0), max(one.high - one.value, 0)] for one in right]).T
    label = f"{which.capitalize()}, {text}"
    ax.errorbar(
        np.array(places) + shift, values, errors, fmt=marker, ms=4, color=colour, lw=1.0, label=label,
        mfc=colour if marker == "o" else "none",
    )  # fmt: skip
