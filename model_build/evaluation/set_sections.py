"""Sections of the page about a training set and a training run."""

from __future__ import annotations

from model_build.evaluation.evaluate import ARGMAX, SetFigures
from model_build.evaluation.history import TASKS, History
from model_build.evaluation.set_drawings import (
    draw_confusions,
    draw_learning,
    draw_loss,
    draw_sweep,
    draw_visibility,
)
from model_build.evaluation.stream_drawings import title_of
from model_build.evaluation.visibility import MOST, VISIBLE
from stream_worker.report_page import Section, figure, heading, paragraph, table

_SHOWN = ("balanced", "pure")
_TITLES = {"binary": "Two classes (fig. 9)", "multiclass": "Three classes (fig. 10)"}


def split_section(figures: SetFigures) -> Section:
    """Confusion matrices and the threshold sweep, by split."""
    counts = ", ".join(f"{split} {its.n:,}" for split, its in figures.splits.items())
    lead = (
        f"The labelled candidates of the training set by split ({counts}), without augmentation, at their "
        "label's date. After fig. 12 and 13 of Viaña et al. 2025."
    )
    marked = {name: figures.thresholds[which] for name, which in (("balanced", "balanced"), ("pure", "pure"))}
    rows: list[list[object]] = [
        [
            f"{name if name == ARGMAX else title_of(name)}: {threshold:.3f}",
            *(its.binary_accuracy[name] for its in figures.splits.values()),
        ]
        for name, threshold in figures.thresholds.items()
    ]
    rows.append(["three classes", *(its.multiclass_accuracy for its in figures.splits.values())])
    columns = ["mean accuracy", *figures.splits]
    body = (
        table(columns, rows)
        + paragraph(
            f"The threshold with the best mean on the validation split is {figures.argmax:.3f}; on the test "
            f"split it gives {figures.splits['test'].binary_accuracy[ARGMAX]}."
        )
        + heading("Accuracy against the threshold (fig. 12)")
        + figure(draw_sweep(figures.splits, marked), "Accuracies against the threshold, by split")
        + heading("Confusion matrices (fig. 13)")
        + figure(
            draw_confusions(figures.splits, {which: figures.thresholds[which] for which in _SHOWN}),
            "Confusion matrices by split: binary at two thresholds, and three classes",
        )
    )
    return Section("Training set", lead, body)


def visibility_section(figures: SetFigures) -> Section | None:
    """Accuracy against the visible part of the alert; None where it was not asked for."""
    if not figures.visibility:
        return None
    lead = (
        "Light curves end at t_break + v (t_cut - t_break) before anything else is done to them; at most "
        f"{MOST} stars of each split. After fig. 11 of Viaña et al. 2025. What came later reaches the inputs "
        "by one way only: t_break, which AlertFinder found with all of the light curve; it may itself lift "
        "the points at 0 %, as may the auxiliary series. Two classes at the chosen threshold."
    )
    body = figure(draw_visibility(figures.visibility), "Accuracies against the visible part of the alert")
    for split, its in figures.visibility.items():
        rows = [
            [
                f"{100 * part:.0f} %",
                its.binary[i],
                its.shuffled_binary[i],
                its.multiclass[i],
                its.shuffled_multiclass[i],
            ]
            for i, part in enumerate(VISIBLE)
        ]
        columns = ["seen", "two classes", "labels shuffled", "three classes", "labels shuffled"]
        out = f", {its.left_out:,} left out for too few observations" if its.left_out else ""
        body += heading(f"{split.capitalize()}: {its.n:,} stars{out}") + table(columns, rows)
    return Section("Visible part of the alert", lead, body)


def missing_section(figures: SetFigures) -> Section | None:
    """What is lost where inputs are missing; None where the set is another network's."""
    if figures.missing is None:
        return None
    lead = (
        "Mean accuracies on the test split where a column was not measured (the training mean, marked as "
        "not available), the fit line is flat, or a site did not observe, and what is lost, paired. The "
        "network is the same: this is how packets are scored that lack something, not what another training "
        "without it would give."
    )
    rows = [
        [name, its.binary, its.binary_loss, its.multiclass, its.multiclass_loss]
        for name, its in figures.missing.items()
    ]
    return Section(
        "Missing inputs", lead, table(["without", "two classes", "lost", "three classes", "lost"], rows)
    )


def learning_section(history: History) -> Section:
    """Learning curves."""
    lead = (
        "Accuracies of each class and their unweighted means, on examples to train on (dotted, Tr.) and to "
        "validate (dashed, Vl.), augmented ones included. After fig. 9 and 10 of Viaña et al. 2025."
    )
    body = ""
    for task, title in _TITLES.items():
        if history.has(task):
            alt = f"Accuracies against the epoch: {', '.join(TASKS[task].values())}"
            body += heading(title) + figure(draw_learning(history, task), alt)
    if "loss" in history.columns:
        body += heading("Loss") + figure(draw_loss(history), "Losses against the epoch")
    return Section("Learning curves", lead, body)
