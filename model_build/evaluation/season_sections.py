"""Sections of the page about labelled seasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_build.bootstrap import Estimate
from model_build.evaluation.accuracy import Accuracy, Ceiling
from model_build.evaluation.evaluate import Evaluation
from model_build.evaluation.groups import Group
from model_build.evaluation.labelled import SeasonFigures
from model_build.evaluation.perturbed import PerturbedFigures
from model_build.evaluation.probabilities import Honesty
from model_build.evaluation.season_drawings import draw_curves, draw_groups, draw_reliability
from model_build.evaluation.stream_drawings import title_of
from model_build.evaluation.stream_stars import GHOST
from model_build.evaluation.thresholds import CHOSEN, EventProbability, Thresholds, event_probability
from stream_worker.bundle import CLASSES
from stream_worker.report_page import Section, figure, heading, paragraph, table

PAPER = {"binary": 0.875, "multiclass": 0.78}
"""Mean accuracies of Viaña et al. 2025 on their test split (sec. 8.1)."""


def origin_section(evaluation: Evaluation) -> Section:
    """What was evaluated on what."""
    manifest, thresholds = evaluation.bundle.manifest, evaluation.thresholds
    record, label = evaluation.season.record, evaluation.figures.label
    calibration = event_probability(manifest)
    chosen = "by validation" if thresholds.by_validation else "balanced: the bundle has none of its own"
    rows: list[list[object]] = [
        ["bundle", f"{manifest.name} {manifest.version}" + (", provisional" if manifest.provisional else "")],
        ["its SHA-256", evaluation.bundle.sha256],
        ["chosen threshold", f"{thresholds.chosen:.3f}, {chosen}"],
        [
            "p_event",
            "not calibrated" if calibration is None else _calibration(calibration),
        ],
        ["season", f"{record.season}, seed {record.seed}" + _perturbed(record.perturbed)],
        [
            "labelled stars",
            f"{sum(label.n.values()):,}: " + _counts(label.n) + f"; {label.clusters:,} clusters",
        ],
        ["of them with too few observations", f"{label.too_few_observations:,}"],
    ]
    lead = (
        "Everything here is simulated. Intervals are two-sided 95 %, from 1000 resamplings of whole "
        "clusters of stars (within 20 arcsec of each other, or of one parent artefact). Mean accuracies are "
        "unweighted over the classes. A candidate with too few observations is never announced and counts "
        "as No."
    )
    doubts = "".join(paragraph(f"Doubtful: {doubt}.") for doubt in evaluation.doubts)
    return Section("What was evaluated", lead, doubts + table(["", ""], rows))


def accuracy_section(figures: SeasonFigures, thresholds: Thresholds) -> Section:
    """Accuracies at all thresholds and both dates, against the ceiling."""
    lead = (
        "Binary: p_review at or above the threshold says Yes or Maybe, below it No. Three classes: the "
        "likeliest. The ceiling is a cross-validated classifier that knows the hidden truth up to t_cut: "
        "what the errors of the simulated reviewers leave to reach."
    )
    label = figures.label
    binary = [
        [f"{title_of(which)}: {thresholds.of[which]:.3f}", *_cells(accuracy, ("positive", "no"))]
        for which, accuracy in label.binary.items()
    ]
    body = (
        table(
            ["binary, at the label's date", "mean", "Yes and Maybe", "No"],
            [*binary, *_ceiling_rows(figures.ceiling)],
        )
        + table(
            ["three classes", "mean", *map(str.capitalize, CLASSES)],
            [
                ["at the label's date", *_cells(label.multiclass, CLASSES)],
                *_ceiling_class_rows(figures.ceiling),
            ],
        )
        + paragraph(
            f"Viaña et al. 2025 report {PAPER['binary']} and {PAPER['multiclass']} on their own data: other "
            "stars, other reviewers, not comparable number by number."
        )
        + heading("At the first flagged date, and without ghosts")
        + paragraph(
            "The first listing is when a classifier in operation sees a star; it is measured against the "
            "same label, which reviewers gave later. Ghosts, stars that only shine with a neighbouring "
            "event's light, pass light-curve review for good reason; grouping neighbours removes them."
        )
        + table(["", "binary mean", "Yes and Maybe", "No", "three-class mean"], _date_rows(figures))
        + heading("Ghosts")
        + _ghosts(label.groups["what it is"])
    )
    return Section("Accuracy", lead, body)


def curve_section(figures: SeasonFigures) -> Section:
    """ROC and precision-recall."""
    lead = (
        "At every threshold, at the label's date, with 95 % bands; precision is at this season's mix of "
        "classes."
    )
    rows: list[list[object]] = [
        ["p_review: Yes and Maybe against No", figures.review.roc.area, figures.review.precision_recall.area]
    ]
    if figures.yes is not None:
        rows.append(["p_yes: Yes against the rest", figures.yes.roc.area, figures.yes.precision_recall.area])
    alt = "Receiver operating characteristic and precision-recall curve with bands"
    body = figure(draw_curves(figures), alt) + table(["", "area under ROC", "average precision"], rows)
    return Section("ROC and precision-recall", lead, body)


def group_section(figures: SeasonFigures) -> Section:
    """Recall by what events, stars and artefacts are like."""
    lead = (
        "Share of Yes at or above the chosen threshold, and of No below it, by group. A_peak is that of a "
        "point lens from u_0, before blending; A_peak and t_E are of events themselves."
    )
    body = figure(
        draw_groups(figures.label, figures.first), "Share right by group, of Yes and No, at both dates"
    )
    for title, groups in figures.label.groups.items():
        body += heading(f"By {title}") + _group_table(title, groups)
    return Section("Recall by group", lead, body)


def calibration_section(figures: SeasonFigures) -> Section:
    """Reliability of the probabilities on the balanced season."""
    lead = (
        "p_review should be the share of Yes and Maybe, p_yes that of Yes, at the mix of classes that was "
        "trained on. p_event is for the base rate of a natural stream: on this mix it must look too small, "
        "the stream is where it counts. Larger points hold more candidates."
    )
    found = list(figures.probabilities.items())
    body = figure(draw_reliability(found), "Reliability diagrams") + honesty_table(found)
    return Section("Calibration", lead, body)


def perturbed_section(figures: PerturbedFigures, season: SeasonFigures) -> Section:
    """How much is lost where the survey's numbers are others."""
    record = figures.season.record
    drawn = (
        "This season's numbers are NOT perturbed."
        if record.perturbed is None
        else "Its numbers (seeing, weather, artefacts, errors, priors) were drawn anew within their doubt, "
        f"seed {record.perturbed}."
    )
    sampled = (
        "Its stars are others than the season's: the interval of the fall is that of two independent samples."
        if figures.common_stars is None
        else "It has the season's seed, so its events, artefacts and weather, but for what the numbers "
        f"change: {figures.common_stars:,} stars are labelled in both, and what both have is drawn together."
    )
    lead = (
        f"The same on another season. {drawn} {sampled} Maybes are harder than Yes, so the fall of two "
        "classes is at the season's share of Maybes."
    )
    here, there = season.label, figures.label
    rows: list[list[object]] = [
        ["binary, chosen threshold, own mix", here.binary[CHOSEN].mean, there.binary[CHOSEN].mean, None],
        ["the same, the season's mix", here.binary[CHOSEN].mean, figures.at_mix, figures.fall],
        ["three classes", here.multiclass.mean, there.multiclass.mean, figures.multiclass_fall],
        ["ceiling, binary", _mean(season.ceiling.binary), _mean(figures.ceiling.binary), None],
        ["ceiling, three classes", _mean(season.ceiling.multiclass), _mean(figures.ceiling.multiclass), None],
    ]
    counts = paragraph(f"{sum(there.n.values()):,} labelled stars: {_counts(there.n)}.")
    return Section(
        "Perturbed season", lead, counts + table(["mean accuracy", "season", "perturbed", "fall"], rows)
    )


def honesty_table(found: Sequence[tuple[str, Honesty]]) -> str:
    """Table of base rate, calibration errors and Brier skill."""
    rows = [
        [
            title,
            its.n,
            its.base_rate,
            f"{its.mean.value:.4f}",
            its.equal_width.expected_error,
            its.equal_count.expected_error,
            its.skill,
        ]
        for title, its in found
    ]
    columns = ["", "n", "share true", "mean", "ECE, equal width", "ECE, equal numbers", "Brier skill"]
    return table(columns, rows)


def _cells(accuracy: Accuracy, names: Sequence[str]) -> list[object]:
    return [accuracy.mean, *(accuracy.of[one] for one in names)]


def _ceiling_rows(its: Ceiling) -> list[list[object]]:
    if its.binary is None:
        return [["ceiling", f"none: {its.fault}", None, None]]
    return [
        ["ceiling", *_cells(its.binary, ("positive", "no"))],
        ["ratio to the ceiling, chosen threshold", its.binary_ratio, None, None],
    ]


def _ceiling_class_rows(its: Ceiling) -> list[list[object]]:
    if its.multiclass is None:
        return []
    empty: list[object] = [None] * len(CLASSES)
    return [
        ["ceiling", *_cells(its.multiclass, CLASSES)],
        ["ratio to the ceiling", its.multiclass_ratio, *empty],
    ]


def _date_rows(figures: SeasonFigures) -> list[list[object]]:
    label, first = figures.label, figures.first
    plain, plain_classes = figures.without_ghosts
    rows = [["label's date", *_cells(label.binary[CHOSEN], ("positive", "no")), label.multiclass.mean]]
    if first is not None:
        rows.append(["first date", *_cells(first.binary[CHOSEN], ("positive", "no")), first.multiclass.mean])
    rows.append(["label's date, without ghosts", *_cells(plain, ("positive", "no")), plain_classes.mean])
    return rows


def _ghosts(groups: Sequence[Group]) -> str:
    found = [group for group in groups if group.name == GHOST]
    return _group_table("", found) if found else paragraph("There are none among the labelled stars.")


def _group_table(title: str, groups: Sequence[Group]) -> str:
    rows = [
        [
            group.name if label == min(group.of, key=CLASSES.index) else "",
            label.capitalize(),
            rates.n,
            rates.passed[CHOSEN],
            rates.passed["pure"],
            rates.named,
        ]
        for group in groups
        for label, rates in group.of.items()
    ]
    columns = [title, "label", "stars", "pass, chosen", "pass, pure", "likeliest class is the label"]
    return table(columns, rows)


def _counts(n: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in n.items())


def _calibration(its: EventProbability) -> str:
    slope, offset = its.calibration.slope, its.calibration.offset
    return f"logit p_event = {slope:.3f} logit p_yes {offset:+.3f}, base rate {its.base_rate:.3%}"


def _perturbed(seed: int | None) -> str:
    return "" if seed is None else f", numbers drawn within their doubt with seed {seed}"


def _mean(accuracy: Accuracy | None) -> Estimate | None:
    return None if accuracy is None else accuracy.mean
