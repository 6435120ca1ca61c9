"""The page of an evaluation: sections only for what was evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_build.baselines.numbers import baseline_section
from model_build.evaluation.evaluate import Evaluation
from model_build.evaluation.season_sections import (
    accuracy_section,
    calibration_section,
    curve_section,
    group_section,
    origin_section,
    perturbed_section,
)
from model_build.evaluation.set_sections import (
    learning_section,
    missing_section,
    split_section,
    visibility_section,
)
from model_build.evaluation.stream_section import stream_section
from stream_worker.report_page import Section, page


def page_of(evaluation: Evaluation, baselines: Mapping[str, Any] | None = None) -> str:
    """Return the page: HTML, self-contained; ``baselines`` as ``model-build baselines`` wrote them."""
    figures, manifest = evaluation.figures, evaluation.bundle.manifest
    sections: list[Section | None] = [
        origin_section(evaluation),
        accuracy_section(figures, evaluation.thresholds),
        curve_section(figures),
    ]
    if evaluation.stream is not None:
        sections.append(stream_section(evaluation.stream[1]))
    if evaluation.perturbed is not None:
        sections.append(perturbed_section(evaluation.perturbed, figures))
    sections += [group_section(figures), calibration_section(figures)]
    if evaluation.training_set is not None:
        its = evaluation.training_set
        sections += [split_section(its), visibility_section(its), missing_section(its)]
    if baselines is not None:
        sections.append(baseline_section(baselines))
    if evaluation.history is not None:
        sections.append(learning_section(evaluation.history))
    title = f"Evaluation of {manifest.name} {manifest.version}"
    return page(title, [section for section in sections if section is not None])
