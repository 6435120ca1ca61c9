"""A comparison as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from stream_worker.candidate import Candidate
from stream_worker.preprocessing import SITES
from stream_worker.replay.diff.compare import Diff, Pair
from stream_worker.replay.diff.text import counts, details
from stream_worker.replay.diff.view import Seen
from stream_worker.report_page import Section, figure, heading, page, paragraph, table, write_page

CURVES: Final = 6
_ROWS: Final = 100
_COLOURS: Final = ("#4269d0", "#d1495b", "#2e8b57")
_WINDOW_D: Final = 60.0
_ENDS: Final = (1.0, 99.0)


def most_changed(diff: Diff) -> list[Pair]:
    """Candidates whose scores changed most, one of a star."""
    of_star: dict[str | None, Pair] = {}
    for pair in diff.pairs:
        if len(of_star) == CURVES or pair.change <= diff.tolerance:
            break
        of_star.setdefault(pair.a.star_id, pair)
    return list(of_star.values())


def write_diff_page(path: Path, diff: Diff, curves: Mapping[str, Candidate]) -> None:
    """Write the page.

    Parameters
    ----------
    curves
        Candidates of `most_changed`, by id, as far as they were found.

    Raises
    ------
    OSError
        It can't be written.
    """
    sections = [_summary(diff), _scatter(diff), _light_curves(diff, curves), *_details(diff)]
    write_page(path, page("Replay diff", sections))


def _summary(diff: Diff) -> Section:
    verdict = (
        "No difference in candidates, scores, decisions and final groups."
        if diff.empty
        else "The runs differ. Lifecycles may, with the order of arrival; all else should not, unless model,"
        " rules or data do."
    )
    lead = f"a: {diff.a.name} \N{MIDDLE DOT} b: {diff.b.name}"
    body = paragraph(verdict) + table(("", "number"), list(counts(diff).items()))
    return Section("Summary", lead, body)


def _scatter(diff: Diff) -> Section:
    scored = [
        (p, p.a.probabilities[0], p.b.probabilities[0])
        for p in diff.pairs
        if p.a.probabilities is not None and p.b.probabilities is not None
    ]
    if not scored:
        return Section("Scores", "", paragraph("No candidate was scored in both runs."))
    x, y = np.array([a for _, a, _ in scored]), np.array([b for _, _, b in scored])
    crossed = np.array([p.a.passed != p.b.passed for p, _, _ in scored])
    fig = Figure(figsize=(8.6, 4.0), layout="constrained")
    scatter, histogram = fig.subplots(1, 2)
    scatter.plot([0, 1], [0, 1], color="0.6", lw=0.8, zorder=0)
    scatter.scatter(x[~crossed], y[~crossed], s=4, alpha=0.35, color=_COLOURS[0], lw=0, rasterized=True)
    scatter.scatter(x[crossed], y[crossed], s=10, color=_COLOURS[1], lw=0)
    for name, value in {**diff.a.thresholds, **diff.b.thresholds}.items():
        scatter.axvline(value, color="0.7", lw=0.7, ls=":")
        scatter.axhline(value, color="0.7", lw=0.7, ls=":")
        scatter.annotate(name, (0.01, value), fontsize=7, color="0.45", va="bottom")
    scatter.set(xlabel="p_review, run a", ylabel="p_review, run b", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    scatter.set_title(f"{crossed.sum():,} cross a threshold (red)", fontsize=9)
    histogram.hist(y - x, bins=60, color=_COLOURS[0])
    histogram.set(xlabel="p_review, b \N{MINUS SIGN} a", ylabel="candidates", yscale="log")
    lead = (
        f"{len(scored):,} candidates scored in both; {len(diff.scores):,} changed by more than"
        f" {diff.tolerance:g}, the largest change of any probability is {diff.pairs[0].change:.3g}."
    )
    return Section("Scores", lead, figure(fig, "Scores of run b against run a, and their differences"))


def _light_curves(diff: Diff, curves: Mapping[str, Candidate]) -> Section:
    chosen = most_changed(diff)
    title = "Light curves that changed most"
    if not chosen:
        return Section(title, "", paragraph("No score changed."))
    body = "".join(
        _curve(pair, curves[pair.a.candidate_id]) for pair in chosen if pair.a.candidate_id in curves
    )
    if not body:
        body = paragraph("Their light curves were not at hand: name their archives with --archive.")
    scores = "p_review (yes / maybe / no), p_event"
    lead = (
        f"The last {_WINDOW_D:.0f} days; the line is AlertFinder's t_break, where it is not older. {scores}."
    )
    return Section(title, lead, body)


def _curve(pair: Pair, candidate: Candidate) -> str:
    found = candidate.alertfinder
    fig = Figure(figsize=(8.6, 2.4), layout="constrained")
    ax = fig.subplots()
    shown: list[Any] = []
    for site, colour in zip(SITES, _COLOURS, strict=True):
        for curve in candidate.light_curves:
            near = (curve.hjd <= found.t_cut) & (curve.hjd > found.t_cut - _WINDOW_D)
            near &= np.isfinite(curve.flux) & (curve.flux_err > 0)
            if curve.site != site or not near.any():
                continue
            flux = curve.flux[near].astype(np.float64)
            before = flux[curve.hjd[near] < found.t_break]
            flux = flux - np.median(before if before.size else flux)
            ax.errorbar(
                curve.hjd[near],
                flux,
                curve.flux_err[near],
                fmt=".",
                ms=3,
                lw=0.5,
                color=colour,
                label=f"{site} {curve.dataset}",
            )
            shown.append(flux)
    if found.t_break > found.t_cut - _WINDOW_D:
        ax.axvline(found.t_break, color="0.5", lw=0.8, ls="--")
    if shown:
        low, high = np.percentile(np.concatenate(shown), _ENDS)
        margin = 0.25 * max(high - low, 1.0)
        ax.set_ylim(low - margin, high + margin)
        ax.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=6)
    ax.set(xlabel="HJD \N{MINUS SIGN} 2450000", ylabel="flux above baseline")
    text = f"{pair.a.star_id} at {found.t_cut:.3f}: {_scores(pair.a)} in a, {_scores(pair.b)} in b"
    return heading(text) + figure(fig, f"Light curve of {text}")


def _scores(seen: Seen) -> str:
    if seen.probabilities is None:
        return "not scored"
    p_review, *classes = seen.probabilities
    p_event = "none" if seen.p_event is None else f"{seen.p_event:.3f}"
    return f"p_review {p_review:.3f} ({' / '.join(f'{one:.2f}' for one in classes)}), p_event {p_event}"


def _details(diff: Diff) -> list[Section]:
    sections = []
    for title, columns, rows in details(diff):
        if rows:
            lead = f"{len(rows):,} in all" + (f"; the first {_ROWS}" if len(rows) > _ROWS else "")
            sections.append(Section(title.capitalize(), lead, table(columns, rows[:_ROWS])))
    return sections
