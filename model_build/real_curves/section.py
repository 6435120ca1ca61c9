"""The results as sections of an HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from model_build.evaluation.streamed import EVENT_THRESHOLDS
from model_build.real_curves.counts import Tally
from model_build.real_curves.evaluate import FLAG_DATES, RealResults
from model_build.real_curves.examples import draw, spread
from model_build.real_curves.scoring import ScoredCut
from model_build.real_curves.seasons import GAP_DAYS
from model_build.real_curves.star import FED_AS
from model_build.real_curves.variables import SHIFTED_TO
from model_build.season_report.look import legend, name, panels
from stream_worker.report_page import Section, figure, heading, paragraph, table

_EXAMPLES: Final = 9
_ROW_INCHES: Final = 0.3

_ORIGIN: Final = (
    "Never used to train or to choose anything, except that some of the simulator's noise was fitted to "
    "KMT-2018-BLG-0002. KMTNet's events are fed with all sites and fields; every other light curve is fed as "
    f"{FED_AS} alone, in flux at zero point 28, airmass computed, without other auxiliaries unless said."
)
_CUTTING: Final = (
    f"A light curve of many years is split where nothing was observed for {GAP_DAYS:g} days; AlertFinder "
    "and the network see one season of it up to the cut, no more. AlertFinder's criterion is the "
    "simulator's: for a field observed less than once an hour, 5 of the newest 15 points 3 errors above the "
    "median, the newest less than 3.5 days old, and the broken line better than a flat one by 250 in "
    "chi-square; 10 of 20 and 400 for others (a night counts as 8 hours)."
)
_PEAKS: Final = (
    "t_0 and t_E are the survey's own for KMTNet and OGLE-IV (all as point lenses), and those of a point "
    "lens fitted to the whole light curve for OGLE-II; where that fit constrains nothing the event is left "
    "out. 'First' and 'last' are the first and last daily runs that flag a star: of an event in the season "
    "of its peak, of any other star in all its seasons."
)
_BRIGHTNESS: Final = (
    "Stars of other bands and galaxies (EROS-1, SDSS, ZTF) are shifted so that their median is "
    f"{SHIFTED_TO:g} mag, errors in magnitudes as they are: neither AlertFinder nor the network feels that, "
    "except for the mask of flux errors above 2,000. OGLE's stars keep their I magnitudes."
)


def section(results: RealResults) -> Section:
    """Return the whole as one section: how it was done, the counts, the scores, examples."""
    body = "".join(map(paragraph, (_ORIGIN, _CUTTING, _PEAKS, _BRIGHTNESS)))
    body += heading("Events") + _events(results) + heading("Other stars") + _others(results)
    body += heading("Scores of flagged light curves") + _scores(results) + _examples(results)
    return Section("Real light curves", f"Scored with {results.bundle}.", body)


def _events(results: RealResults) -> str:
    events = [one for one in results.tallies if one.is_event]
    columns = ["known", "observed", "flagged", "before the peak", "median phase"]
    body = _table("events", "cut", columns, events, lambda one: [
        one.stars, _observed(one), one.flagged, str(one.before_peak), one.phase
    ])  # fmt: skip
    body += paragraph(
        "k: cut at t_0 - k t_E. Observed: the season had begun. Phase: (t_cut - t_0) / t_E of the flagged; "
        "AlertFinder goes on flagging events for long after their peak."
    )
    body += _table("recall of flagged", "cut", _thresholds(results), events, _flagged)
    body += _table("recall of all", "cut", _of_review(results), events, lambda one: [
        *map(str, one.among_all.values())
    ])  # fmt: skip
    body += paragraph(
        "Of all: any light curve in which a line rises is scored, flagged or not; those that can't be scored "
        "count as missed."
    )
    return body + _table("mean scores of flagged", "cut", _MEANS, events, _means)


def _others(results: RealResults) -> str:
    others = [one for one in results.tallies if not one.is_event]
    columns = ["known", "flagged", *_thresholds(results)]
    body = _table("false alarms", "flagged date", columns, others, lambda one: [
        one.stars, one.flagged, *_flagged(one)
    ])  # fmt: skip
    body += paragraph("False alarms are counted among the flagged stars; intervals are 95 % (Wilson).")
    return body + _table("mean scores of flagged", "flagged date", _MEANS, others, _means)


def _table(
    what: str,
    when: str,
    columns: Sequence[str],
    tallies: Sequence[Tally],
    cells: Callable[[Tally], Sequence[object]],
) -> str:
    """A row per group and cut; narrow enough to be read without scrolling."""
    return table([what, when, *columns], [[one.group, one.when, *cells(one)] for one in tallies])


def _flagged(one: Tally) -> list[object]:
    return [*map(str, one.among_flagged.values()), *map(str, one.by_p_event.values())]


def _of_review(results: RealResults) -> list[str]:
    return [f"{value:g} ({name})" for name, value in results.thresholds.items()]


def _thresholds(results: RealResults) -> list[str]:
    return _of_review(results) + [f"p_event {value:g}" for value in _of_p_event(results)]


def _of_p_event(results: RealResults) -> list[float]:
    """Thresholds of p_event that were looked at."""
    return [EVENT_THRESHOLDS[name] for name in results.tallies[0].by_p_event] if results.tallies else []


_MEANS: Final = ("mean p_review", "mean yes, maybe, no")


def _means(one: Tally) -> list[object]:
    classes = one.class_probabilities
    return [one.p_review, None if classes is None else ", ".join(f"{p:.2f}" for p in classes)]


def _observed(one: Tally) -> int | None:
    return None if one.when in FLAG_DATES else one.observed


def _scores(results: RealResults) -> str:
    tallies = [one for one in results.tallies if one.scored]
    if not tallies:
        return paragraph("AlertFinder flags none.")
    return figure(
        _strips(results, tallies),
        "p_review of each flagged light curve, by group and cut, with the thresholds",
    )


def _strips(results: RealResults, tallies: Sequence[Tally]) -> Figure:
    fig, (ax,) = panels(1, 1, 1.2 + _ROW_INCHES * len(tallies))
    rng = np.random.default_rng(0)
    for row, one in enumerate(tallies):
        scores = [
            cut.score.p_review
            for cut in results.cuts
            if cut.cut.flagged
            and cut.score is not None
            and (cut.cut.star.group, cut.cut.when) == (one.group, one.when)
        ]
        jitter = rng.uniform(-0.3, 0.3, len(scores))
        colour = "#7b3aa6" if one.is_event else "#7d848c"
        ax.plot(scores, row + jitter, ".", ms=4, mew=0, color=colour, alpha=0.7)
    for (label, value), style in zip(results.thresholds.items(), ("--", ":", "-."), strict=False):
        ax.axvline(value, color="black", lw=0.8, ls=style, label=f"{label}, {value:g}")
    ax.set_yticks(range(len(tallies)), [f"{one.group}, {one.when} ({one.scored})" for one in tallies])
    ax.set_ylim(len(tallies) - 0.4, -0.6)
    ax.set_xlim(-0.01, 1.01)
    name(ax, x="p_review")
    legend(fig, ax, 3)
    return fig


def _examples(results: RealResults) -> str:
    threshold = next(iter(results.thresholds.values()))
    flagged = [one for one in results.cuts if one.cut.flagged and one.score is not None]
    rising = [one for one in flagged if one.cut.star.is_event and one.cut.when not in FLAG_DATES]
    others = [one for one in flagged if not one.cut.star.is_event]
    kinds = (
        ("Events announced", [one for one in rising if one.announced(threshold)]),
        ("Events missed", [one for one in rising if not one.announced(threshold)]),
        ("Other stars announced", [one for one in others if one.announced(threshold)]),
        ("Other stars not announced", [one for one in others if not one.announced(threshold)]),
    )
    return "".join(_example_kind(title, cuts, threshold) for title, cuts in kinds)


def _example_kind(title: str, cuts: Sequence[ScoredCut], threshold: float) -> str:
    if not cuts:
        return heading(title) + paragraph("None.")
    shown = spread(cuts, _EXAMPLES)
    lead = (
        f"{len(shown)} of {len(cuts)} flagged light curves, from the lowest score to the highest, threshold "
        f"{threshold:g}. Flux of the season: what the network saw in colour, later points grey; t_break "
        "dashed, t_cut solid."
    )
    return heading(title) + paragraph(lead) + figure(draw(shown), f"{title}: light curves with their scores")
