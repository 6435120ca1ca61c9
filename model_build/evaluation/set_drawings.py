"""Figures of a training set and a training run, after fig. 9 to 13 of Viaña et al. 2025."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model_build.evaluation.history import PARTS, TASKS, History
from model_build.evaluation.season_drawings import REVIEW_COLOUR, SOFT, draw_estimates, whole_numbers
from model_build.evaluation.splits import SplitFigures
from model_build.evaluation.visibility import VISIBLE, VisibilityCurve
from model_build.season_report.look import CLASS_COLOURS, legend, name, panels
from stream_worker.bundle import CLASSES

_STYLES: Final = {"train": ":", "validation": "--", "test": "-"}
_MEAN: Final = "#8a5a2b"
_BOTH: Final = "#b8352f"
_COLOURS: Final = {
    "mean": _MEAN,
    "Yes and Maybe": _BOTH,
    **{one.capitalize(): CLASS_COLOURS[one] for one in CLASSES},
}
_FEW_EPOCHS: Final = 10
_PERCENT: Final = np.array(VISIBLE) * 100.0


def draw_learning(history: History, task: str) -> Figure:
    """Accuracies against the epoch, training dotted, validation dashed."""
    fig, (ax,) = panels(1, 1, 3.8)
    epoch = history.columns["epoch"]
    for part, short in PARTS.items():
        for column, title in TASKS[task].items():
            values = history.columns.get(f"{part}_{column}")
            if values is not None:
                ax.plot(
                    epoch, values, _STYLES[part], color=_COLOURS[title], lw=1.4, marker=_marker(history),
                    label=f"{title} ({short})",
                )  # fmt: skip
    whole_numbers(ax)
    name(ax, "epoch", "accuracy")
    legend(fig, ax, 4)
    return fig


def draw_loss(history: History) -> Figure:
    """Losses against the epoch."""
    fig, (ax,) = panels(1, 1, 2.8)
    for column, title, style in (("loss", "training", ":"), ("validation_loss", "validation", "--")):
        values = history.columns.get(column)
        if values is not None:
            ax.plot(
                history.columns["epoch"], values, style, color=REVIEW_COLOUR, lw=1.4, marker=_marker(history),
                label=title,
            )  # fmt: skip
    whole_numbers(ax)
    name(ax, "epoch", "loss")
    legend(fig, ax, 2)
    return fig


def _marker(history: History) -> str:
    """Points where there are few epochs: a line of one would be invisible."""
    return "." if history.columns["epoch"].size <= _FEW_EPOCHS else ""


def draw_sweep(splits: Mapping[str, SplitFigures], marked: Mapping[str, float]) -> Figure:
    """Accuracies of the binary decision against its threshold, by split."""
    fig, (ax,) = panels(1, 1, 4.2)
    for split, its in splits.items():
        sweep, style = its.sweep, _STYLES[split]
        for title, values in (("No", sweep.accuracy["no"]), ("mean", sweep.mean)):
            ax.plot(
                sweep.thresholds, values, style, color=_COLOURS[title], lw=1.4, label=f"{title} ({split})"
            )
        n = its.multiclass.sum(axis=1)
        both = n[:2] @ np.nan_to_num([sweep.accuracy["yes"], sweep.accuracy["maybe"]]) / n[:2].sum()
        ax.plot(sweep.thresholds, both, style, color=_BOTH, lw=1.4, label=f"Yes and Maybe ({split})")
    for place, (title, threshold) in enumerate(marked.items()):
        ax.axvline(threshold, color=SOFT, lw=1.0, ls="-.")
        ax.text(threshold, 0.02 + 0.06 * place, f" {title}", fontsize=8, color=SOFT)
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    name(ax, "threshold of p_review", "accuracy")
    legend(fig, ax, 3)
    return fig


def draw_confusions(splits: Mapping[str, SplitFigures], thresholds: Mapping[str, float]) -> Figure:
    """Confusion matrices, a row of panels for each decision and a column for each split."""
    fig, axes = panels(len(thresholds) + 1, len(splits), 2.5 * (len(thresholds) + 1))
    places = iter(axes)
    for which, threshold in thresholds.items():
        for split, its in splits.items():
            ax = next(places)
            _matrix(ax, its.binary[which], ("Yes, Maybe", "No"), ("passed", "not"))
            name(ax, title=f"{split}, at {threshold:.3f}: mean {its.binary_accuracy[which].value:.3f}")
    for split, its in splits.items():
        ax = next(places)
        titles = tuple(one.capitalize() for one in CLASSES)
        _matrix(ax, its.multiclass, titles, titles)
        name(ax, title=f"{split}: mean {its.multiclass_accuracy.value:.3f}")
    return fig


def draw_visibility(curves: Mapping[str, VisibilityCurve]) -> Figure:
    """Class accuracies on the left, means with intervals and chance on the right; binary above."""
    fig, axes = panels(2, 2, 6.8, shared=True)
    for row, (prefix, means, shuffled) in enumerate(
        (("", "binary", "shuffled_binary"), ("named_", "multiclass", "shuffled_multiclass"))
    ):
        left, right = axes[2 * row], axes[2 * row + 1]
        for split, its in curves.items():
            for one in CLASSES:
                left.plot(
                    _PERCENT, its.of[f"{prefix}{one}"], _STYLES[split], color=CLASS_COLOURS[one], lw=1.3,
                    label=f"{one.capitalize()} ({split})",
                )  # fmt: skip
            colour = {"train": SOFT, "validation": _MEAN, "test": REVIEW_COLOUR}[split]
            draw_estimates(right, _PERCENT, getattr(its, means), colour, f"{split}", "o" + _STYLES[split])
        chance = getattr(list(curves.values())[-1], shuffled)
        draw_estimates(right, _PERCENT, chance, "#555555", "labels shuffled", "-")
        task = "two classes" if not row else "three classes"
        name(left, "% of the alert seen", "accuracy", f"{task}, each class")
        name(right, "% of the alert seen", "", f"{task}, mean")
        left.set_ylim(0, 1.02)
    legend(fig, axes[0], 3)
    axes[1].legend(frameon=False, fontsize=8, loc="lower right")
    return fig


def _matrix(ax: Axes, counts: NDArray[np.int64], truth: Sequence[str], said: Sequence[str]) -> None:
    """Draw counts and shares of each row."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0.0, vmax=1.3, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        text = f"{value:.1%}\n{counts[row, column]:,}"
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color="#111111")
    ax.set_xticks(range(len(said)), said, fontsize=8)
    ax.set_yticks(range(len(truth)), truth, fontsize=8)
    ax.spines[:].set_visible(False)
