"""Figures of the realism report: one panel per site, real lines solid, simulated ones dashed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from model_build.realism.events import EventQuantiles
from model_build.realism.noise_curve import NoiseCurve
from model_build.realism.quantities import LAGS, Comparison
from model_build.realism.telling import FeatureTelling
from stream_worker.preprocessing import SITES
from stream_worker.preprocessing.light_curve import Float64Array

_COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")
_GREY: Final = "#777777"


def distribution(comparison: Comparison) -> Figure:
    """Cumulative distributions of one quantity."""
    fig, axes = _panels()
    events = sorted({event for event, _ in comparison.real})
    for axis, site in zip(axes, SITES, strict=True):
        for n, event in enumerate(events):
            for samples, style, what in (
                (comparison.real, "-", "real"),
                (comparison.simulated, "--", "simulated"),
            ):
                if (event, site) in samples:
                    values = np.sort(samples[event, site])
                    share = (np.arange(values.size) + 1.0) / values.size
                    axis.plot(values, share, style, color=_colour(n), lw=1.4, label=f"{what}, {event}")
        axis.set(title=site, ylim=(0.0, 1.0))
        if comparison.logarithmic:
            axis.set_xscale("log")
    axes[0].set_ylabel("share below")
    axes[1].set_xlabel(f"{comparison.title} ({comparison.unit})")
    _legend(fig, axes)
    return fig


def noise_against_magnitude(curves: Sequence[NoiseCurve]) -> Figure:
    """Quoted errors by magnitude: real medians against the simulated median and 5 to 95 %."""
    fig, axes = _panels()
    for axis, site in zip(axes, SITES, strict=True):
        for curve in curves:
            if curve.site != site:
                continue
            low, middle, high = curve.quantiles.T
            if curve.real:
                errors = np.stack([middle - low, high - middle])
                axis.errorbar(
                    curve.magnitude, middle, errors, fmt="o", ms=3, lw=0.8, color=_COLOURS[0], label="real"
                )
            else:
                axis.fill_between(curve.magnitude, low, high, color=_GREY, alpha=0.3, lw=0)
                axis.plot(curve.magnitude, middle, "--", color=_GREY, label="simulated")
        axis.set(title=site, xlabel="I (mag)", yscale="log")
    axes[0].set_ylabel("quoted error (flux units)")
    _legend(fig, axes)
    return fig


def autocorrelations(by_place: Mapping[tuple[str, str, bool], Float64Array]) -> Figure:
    """Correlation of residuals within a night (at 0) and by nights apart; keys are (event, site, real)."""
    fig, axes = _panels()
    events = sorted({event for event, _, _ in by_place})
    lags = np.array([0, *LAGS])
    for axis, site in zip(axes, SITES, strict=True):
        axis.axhline(0.0, color=_GREY, lw=0.6)
        for (event, where, real), values in sorted(by_place.items()):
            if where == site:
                label = f"{'real' if real else 'simulated'}, {event}"
                style = "o-" if real else "s--"
                axis.plot(lags, values, style, ms=3, lw=1.2, color=_colour(events.index(event)), label=label)
        axis.set(title=site)
    axes[0].set_ylabel("correlation of residuals")
    axes[1].set_xlabel("nights apart (0: successive rows of a night)")
    _legend(fig, axes)
    return fig


def single_features(features: Sequence[FeatureTelling]) -> Figure:
    """AUC of each feature alone against the range of the controls."""
    fig = Figure(figsize=(7.5, 0.6 + 0.2 * len(features)), layout="constrained")
    axis = fig.add_subplot()
    place = np.arange(len(features))[::-1]
    low, high = np.array([one.low for one in features]), np.array([one.high for one in features])
    axis.hlines(place, low, high, color=_GREY, lw=4, alpha=0.5, label="simulated against simulated")
    axis.plot(
        [one.auc for one in features], place, "o", ms=4, color=_COLOURS[1], label="real against simulated"
    )
    axis.axvline(0.5, color=_GREY, lw=0.6)
    axis.set(xlim=(0.0, 1.0), xlabel="AUC of the feature alone (above 0.5: larger in real windows)")
    axis.set_yticks(place, [one.name for one in features], fontsize=8)
    axis.legend(fontsize=8, frameon=False, loc="lower right")
    return fig


def event_distributions(published: EventQuantiles, detected: Mapping[str, Float64Array]) -> Figure:
    """Cumulative distributions of t_E, u_0 and I: published quantiles and simulated detected events."""
    fig, axes = _panels()
    for axis, (name, label) in zip(axes, (("t_E", "t_E (d)"), ("u_0", "u_0"), ("I", "I (mag)")), strict=True):
        axis.plot(
            published.values[name], published.probabilities, "o-", ms=3, color=_COLOURS[0], label="published"
        )
        if detected:
            values = np.sort(detected[name])
            share = (np.arange(values.size) + 1.0) / values.size
            axis.plot(values, share, "--", color=_COLOURS[1], label="simulated")
        axis.set(xlabel=label, ylim=(0.0, 1.0), xscale="linear" if name == "I" else "log")
    axes[0].set_ylabel("share below")
    _legend(fig, axes)
    return fig


def _panels() -> tuple[Figure, list[Any]]:
    fig = Figure(figsize=(10.0, 3.2), layout="constrained")
    return fig, list(fig.subplots(1, len(SITES), sharey=True))


def _legend(fig: Figure, axes: Sequence[Any]) -> None:
    """One legend below all panels, without repetitions."""
    labels: dict[str, Any] = {}
    for axis in axes:
        handles, texts = axis.get_legend_handles_labels()
        labels |= dict(zip(texts, handles, strict=True))
    if labels:
        fig.legend(
            list(labels.values()),
            list(labels),
            loc="outside lower center",
            ncols=2,
            fontsize=8,
            frameon=False,
        )


def _colour(n: int) -> str:
    return _COLOURS[n % len(_COLOURS)]
