"""The section of the page about a natural stream."""

from __future__ import annotations

from collections import Counter

from model_build.bootstrap import Estimate
from model_build.evaluation.natural import PURITY, Operation
from model_build.evaluation.season_sections import honesty_table
from model_build.evaluation.stream_drawings import (
    draw_event_probability,
    draw_lead_times,
    draw_stream,
    title_of,
)
from model_build.evaluation.streamed import StreamFigures
from stream_worker.report_page import Section, figure, heading, paragraph, table

_MOST_KINDS = 12


def stream_section(figures: StreamFigures) -> Section:
    """False alerts against completeness, lead time, and p_event at the base rate."""
    n = figures.n
    lead = (
        f"Every candidate that vetting kept in {figures.nights} nights, at {figures.scale:.3g} of the "
        f"survey's stars: {n['candidates']:,} candidates of {n['stars']:,} stars. {n['events']:,} stars are "
        f"events themselves, {n['confirmed']:,} of them labelled Yes (announced by the survey and confirmed "
        f"at the season's end); {n['ghosts']:,} are ghosts of events; {n['nos']:,} candidates are Nos, of "
        f"{n['no_stars']:,} stars labelled No."
    )
    body = (
        paragraph(
            "A star is announced once, the first time it reaches the threshold. False is a star that "
            "neither is an event nor a ghost of one; the stream's first nights announce what in operation "
            "would have been announced before. The survey's rates are those here over the share simulated."
        )
        + figure(draw_stream(figures), "Completeness of events against false alerts per night")
        + _operation_table(figures)
        + paragraph(
            f"{figures.event_score} asks whether there is an event, p_review whether a "
            "reviewer would pass its light curve. Much of what reviewers pass is artefacts: where Nos are "
            f"turned down by p_review events go with them that {figures.event_score} keeps."
        )
        + heading("Completeness of events")
        + paragraph(
            "First: at its first listing, of events first listed within the stream. Last: at the last "
            "candidate up to the date of its label (of Yes that of the survey's alert), of events that have "
            "one in the stream. Ever: at any candidate in the stream."
        )
        + _completeness_table(figures)
        + _purity(figures)
        + heading("Lead time")
        + paragraph(
            "From the first candidate at or above the threshold to t_0, of events first listed within the "
            "stream; candidates come on weekdays only."
        )
        + figure(draw_lead_times(figures), "Histograms of days from announcement to peak")
        + _lead_table(figures)
        + heading("Probability of an event")
        + _probability(figures)
        + heading("What is announced")
        + _kind_table(figures)
    )
    return Section("Natural stream", lead, body)


def _operations(figures: StreamFigures) -> list[tuple[str, Operation]]:
    """Every threshold of both scores, titled."""
    return [
        (f"{score}, {title_of(which)}: {its.threshold:.4g}", its)
        for score, announcing in (("p_review", figures.review), (figures.event_score, figures.event))
        for which, its in announcing.operation.items()
    ]


def _operation_table(figures: StreamFigures) -> str:
    rows = [
        [
            title,
            its.no_accuracy,
            _per_night(its.false_per_night, 1.0),
            _per_night(its.false_per_night, figures.scale),
            _per_night(its.ghosts_per_night, figures.scale),
            its.precision,
        ]
        for title, its in _operations(figures)
    ]
    columns = [
        "threshold",
        "Nos turned down",
        "false a night",
        "at the survey's scale",
        "ghosts, survey's scale",
        "precision, ghosts left out",
    ]
    return table(columns, rows)


def _completeness_table(figures: StreamFigures) -> str:
    rows: list[list[object]] = []
    for title, its in _operations(figures):
        rows.append([title, "all events", its.events.first, its.events.last, its.events.ever])
        rows.append(["", "labelled Yes", its.confirmed.first, its.confirmed.last, its.confirmed.ever])
    example = next(iter(figures.review.operation.values()))
    numbers = [
        ["number of stars", title, found.n_first, found.n_last, found.n]
        for title, found in (("all events", example.events), ("labelled Yes", example.confirmed))
    ]
    texts = [[*row[:2], *(f"{cell:,}" for cell in row[2:] if isinstance(cell, int))] for row in numbers]
    return table(["threshold", "", "first", "last", "ever"], [*rows, *texts])


def _purity(figures: StreamFigures) -> str:
    if figures.review.at_purity is None or figures.event.at_purity is None:
        return paragraph("The stream has no candidates of stars labelled No.")
    return heading(f"Where {PURITY:.1%} of the Nos are turned down") + "".join(
        paragraph(
            f"The smallest threshold of {score} that turns down {PURITY:.1%} of the stream's own "
            f"{its.n_no:,} Nos is {its.threshold} (interval: chosen anew in each resampling). At it "
            f"{_percent(its.no_accuracy)} of the Nos are turned down, with the threshold held fixed. "
            "Completeness at the last candidate up to the label's date is then "
            f"{its.events_last} of all events and "
            f"{its.confirmed_last} of those labelled Yes, with the threshold chosen anew in each resampling."
        )
        for score, its in (
            ("p_review", figures.review.at_purity),
            (figures.event_score, figures.event.at_purity),
        )
    )


def _lead_table(figures: StreamFigures) -> str:
    rows = [
        [title, its.lead_time.n, *its.lead_time.quantiles, its.lead_time.before_peak]
        for title, its in _operations(figures)
    ]
    columns = ["threshold", "events", "5 %", "25 %", "median, days", "75 %", "95 %", "before the peak"]
    return table(columns, rows)


def _probability(figures: StreamFigures) -> str:
    what = "p_event" if figures.calibrated else "p_yes (this bundle has no calibration)"
    found = [
        (f"{what}: it is an event itself, ghosts left out", figures.probabilities["event"]),
        (f"{what}: it is an event itself, ghosts are none", figures.probabilities["own"]),
        (f"{what}: its star is labelled Yes, ghosts never are", figures.probabilities["yes"]),
    ]
    return (
        paragraph(
            "On all candidates of the stream, repeated ones included. A ghost shines with the light of an "
            "event within 20 arcsec: its probability is of that event, and grouping neighbours leaves the "
            "event itself. Brier skill is over always saying the share true. With so small a base "
            "rate, bins of equal width hold nearly all candidates in the first; bins of equal numbers look "
            "closer."
        )
        + figure(draw_event_probability(figures), "Reliability on the natural stream")
        + honesty_table(found)
    )


def _kind_table(figures: StreamFigures) -> str:
    operations = _operations(figures)
    total: Counter[str] = Counter()
    for _, its in operations:
        total.update(its.announced)
    rows = [
        [kind, *(its.announced.get(kind, 0) for _, its in operations)]
        for kind, _ in total.most_common(_MOST_KINDS)
    ]
    return table(["stars announced", *(title for title, _ in operations)], rows)


def _per_night(its: Estimate, scale: float) -> str:
    value, low, high = (end / scale for end in (its.value, its.low, its.high))
    return f"{value:.3g} ({low:.3g} to {high:.3g})"


def _percent(its: Estimate) -> str:
    return f"{its.value:.2%} ({its.low:.2%} to {its.high:.2%})"
