"""Figures of natural streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure

from model_build.evaluation.natural import Operation
from model_build.evaluation.probabilities import Bins
from model_build.evaluation.season_drawings import REVIEW_COLOUR, SOFT, YES_COLOUR, draw_bins
from model_build.evaluation.stream import StreamCurve
from model_build.evaluation.streamed import StreamFigures
from model_build.season_report.look import legend, name, panels
from stream_worker.preprocessing.light_curve import Float64Array

_MARKERS = {"chosen": "o", "balanced": "s", "half": "v", "tenth": "^", "pure": "D", "purity": "*"}
_TITLES = {
    "chosen": "chosen",
    "balanced": "balanced",
    "half": "one half",
    "tenth": "one tenth",
    "pure": "pure",
    "purity": "99.7 % of Nos turned down",
}


def title_of(threshold: str) -> str:
    """What a threshold is called."""
    return _TITLES[threshold]


def draw_stream(figures: StreamFigures) -> Figure:
    """Completeness of all events that are ever announced against false alerts per night, survey's scale."""
    fig, (ax,) = panels(1, 1, 4.2)
    scores = (
        (figures.review, "p_review", REVIEW_COLOUR),
        (figures.event, figures.event_score, YES_COLOUR),
    )
    handles: list[Artist | Container] = []
    for its, score, colour in scores:
        handles.append(_curve(ax, its.curve, figures.scale, colour, f"{score}, all thresholds"))
        handles += [_point(ax, one, which, figures, colour) for which, one in its.operation.items()]
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    name(ax, "false alerts a night, at the survey's scale", "events ever announced, share")
    fig.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9)
    return fig


def _curve(ax: Axes, curve: StreamCurve, scale: float, colour: str, label: str) -> Artist:
    false = curve.false_per_night / scale
    shown = false > 0
    ax.fill_between(false[shown], *curve.completeness_interval[shown].T, color=colour, alpha=0.2, lw=0)
    (line,) = ax.plot(false[shown], curve.completeness[shown], color=colour, lw=1.6, label=label)
    return line


def _point(ax: Axes, its: Operation, threshold: str, figures: StreamFigures, colour: str) -> Container:
    """One threshold with its intervals; where nothing is false, at half a false alert in all nights."""
    at, ever, least = its.false_per_night, its.events.ever, 0.5 / figures.nights
    x, low, high = (max(end, least) / figures.scale for end in (at.value, at.low, at.high))
    return ax.errorbar(
        [x], [ever.value], [[max(ever.value - ever.low, 0)], [max(ever.high - ever.value, 0)]],
        [[max(x - low, 0)], [max(high - x, 0)]], fmt=_MARKERS[threshold], ms=7, color=colour, lw=1.0,
        mfc="none" if threshold != "purity" else colour,
        label=f"{title_of(threshold)}: {its.threshold:.3f}",
    )  # fmt: skip


def draw_lead_times(figures: StreamFigures) -> Figure:
    """Histograms of the days from the first crossing to the peak."""
    names = [one for one in ("chosen", "pure", "purity") if one in figures.review.operation]
    fig, axes = panels(1, max(len(names), 2), 3.0, shared=True)
    days = np.concatenate([figures.review.operation[one].lead_time.days for one in names])
    low, high = np.percentile(days, [1, 99]) if days.size else (-10.0, 10.0)
    edges = np.linspace(min(low, -1.0), max(high, 1.0), 25)
    for ax, threshold in zip(axes, names, strict=False):
        _lead(ax, edges, figures.review.operation[threshold], title_of(threshold))
    return fig


def draw_event_probability(figures: StreamFigures) -> Figure:
    """Reliability on the stream: equal widths on the left, equal numbers on logarithmic axes on the right."""
    fig, (left, right) = panels(1, 2, 3.8)
    for ax in (left, right):
        ax.plot([1e-6, 1], [1e-6, 1], color=SOFT, lw=0.8, ls=":")
    for which, colour in (("event", REVIEW_COLOUR), ("own", YES_COLOUR)):
        its = figures.probabilities[which]
        draw_bins(left, its.equal_width, colour)
        label = "true: is an event" if which == "event" else "true: is one, ghosts are none"
        _draw_equal_count(right, its.equal_count, colour, label)
    left.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    right.set(xscale="log", yscale="log", xlim=(1e-5, 1.5), ylim=(1e-5, 1.5))
    what = "p_event" if figures.calibrated else "p_yes, not calibrated"
    name(left, what, "share true", "15 bins of equal width")
    name(right, what, "share true", "15 bins of equal numbers; arrow: none true")
    legend(fig, right, 2)
    return fig


def _draw_equal_count(ax: Axes, bins: Bins, colour: str, label: str) -> None:
    """Bins with their intervals; one in which nothing is true hangs from its 95 % limit, 3 of its number."""
    some = bins.observed > 0
    errors = np.abs(bins.interval - bins.observed)[:, some]
    drawn: dict[str, Any] = {"color": colour, "lw": 1.0, "fmt": "o", "ms": 4}
    ax.errorbar(bins.predicted[some], bins.observed[some], errors, label=label, **drawn)
    none = ~some & (bins.n > 0)
    at_most = 3.0 / bins.n[none]
    ax.errorbar(bins.predicted[none], at_most, 0.6 * at_most, uplims=True, **(drawn | {"fmt": "none"}))


def _lead(ax: Axes, edges: Float64Array, operation: Operation, title: str) -> None:
    days = np.clip(np.array(operation.lead_time.days), edges[0], edges[-1])
    ax.hist(days, edges.tolist(), color=REVIEW_COLOUR, alpha=0.8)
    ax.axvline(0.0, color=SOFT, lw=1.0, ls=":")
    name(ax, "days from announcement to peak", "events", f"{title}: {operation.threshold:.3f}")
