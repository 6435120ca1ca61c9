"""The numbers of an evaluation as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from model_build.bootstrap import Estimate, known
from model_build.evaluation.accuracy import Accuracy, Ceiling
from model_build.evaluation.evaluate import ARGMAX, Evaluation, SetFigures
from model_build.evaluation.perturbed import PerturbedFigures
from model_build.evaluation.scored import ScoredSeason
from model_build.evaluation.streamed import Announcing, StreamFigures
from model_build.evaluation.thresholds import CHOSEN, event_probability

DETAILS: Final = "details"
"""Key of everything long: curves, groups, bins."""


def numbers_of(evaluation: Evaluation) -> dict[str, Any]:
    """All numbers: the headline ones first, everything long under `DETAILS`."""
    label, its_ceiling = evaluation.figures.label, evaluation.figures.ceiling
    manifest = evaluation.bundle.manifest
    calibration = event_probability(manifest)
    found: dict[str, Any] = {
        "binary": {
            "threshold": evaluation.thresholds.chosen,
            **_mean(label.binary[CHOSEN]),
            **_against(its_ceiling, "binary"),
            "at_thresholds": {
                name: {"threshold": evaluation.thresholds.of[name], **_mean(accuracy)}
                for name, accuracy in label.binary.items()
            },
        },
        "multiclass": {**_mean(label.multiclass), **_against(its_ceiling, "multiclass")},
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": evaluation.bundle.sha256,
            "provisional": manifest.provisional,
            "threshold_chosen_on_validation": evaluation.thresholds.by_validation,
            "calibration": None if calibration is None else as_json(calibration),
        },
        "season": _season(evaluation.season) | {"labelled": dict(label.n), "clusters": label.clusters},
        "first_date": None,
        "doubts": list(evaluation.doubts),
    }
    if (first := evaluation.figures.first) is not None:
        found["first_date"] = {"binary": _mean(first.binary[CHOSEN]), "multiclass": _mean(first.multiclass)}
    details: dict[str, Any] = {"season": as_json(evaluation.figures)}
    if evaluation.perturbed is not None:
        found["perturbed"] = _perturbed(evaluation.perturbed)
        details["perturbed"] = as_json(evaluation.perturbed.label)
    if evaluation.stream is not None:
        season, stream = evaluation.stream
        found["stream"] = _season(season) | _stream(stream)
        details["stream"] = as_json(stream)
    if evaluation.training_set is not None:
        found["training_set"] = _training_set(evaluation.training_set)
        details["training_set"] = {
            "splits": as_json(evaluation.training_set.splits),
            "visibility": as_json(evaluation.training_set.visibility),
        }
    if evaluation.history is not None:
        found["last_epoch"] = as_json(evaluation.history.last())
        details["history"] = as_json(evaluation.history.columns)
    return found | {DETAILS: details}


def as_json(value: Any) -> Any:
    """Dataclasses, mappings, sequences, arrays and estimates as JSON has them; NaN becomes None."""
    if isinstance(value, Estimate):
        return value.as_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): as_json(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return known(value) if isinstance(value, float) else value


def _mean(accuracy: Accuracy) -> dict[str, Any]:
    mean = accuracy.mean.as_json()
    return {
        "mean_accuracy": mean["value"],
        "interval": mean["interval"],
        "accuracy": as_json(accuracy.of),
        "n": dict(accuracy.n),
    }


def _against(its: Ceiling, task: str) -> dict[str, Any]:
    accuracy = getattr(its, task)
    if accuracy is None:
        return {"ceiling": None, "ratio_to_ceiling": None, "no_ceiling_because": its.fault}
    return {
        "ceiling": accuracy.mean.as_json(),
        "ratio_to_ceiling": getattr(its, f"{task}_ratio").as_json(),
    }


def _season(season: ScoredSeason) -> dict[str, Any]:
    record = season.record
    return {
        "directory": str(season.directory),
        "sha256": season.sha256,
        "season": record.season,
        "seed": record.seed,
        "perturbed": record.perturbed,
        "contents": record.contents,
        "candidates": record.candidates,
    }


def _perturbed(its: PerturbedFigures) -> dict[str, Any]:
    return {
        **_season(its.season),
        "labelled": dict(its.label.n),
        "binary": _mean(its.label.binary[CHOSEN]) | _against(its.ceiling, "binary"),
        "multiclass": _mean(its.label.multiclass) | _against(its.ceiling, "multiclass"),
        "binary_at_the_seasons_mix": its.at_mix.as_json(),
        "binary_fall": its.fall.as_json(),
        "multiclass_fall": its.multiclass_fall.as_json(),
        "common_stars": its.common_stars,
    }


def _stream(its: StreamFigures) -> dict[str, Any]:
    probability = {
        truth: {
            "base_rate": one.base_rate.as_json(),
            "mean": one.mean.as_json(),
            "ece": one.equal_width.expected_error.as_json(),
            "ece_equal_count": one.equal_count.expected_error.as_json(),
            "brier": one.brier.as_json(),
            "brier_skill": one.skill.as_json(),
        }
        for truth, one in its.probabilities.items()
    }
    return {
        "nights": its.nights,
        "scale": its.scale,
        "n": dict(its.n),
        **_announcing(its.review, its.scale),
        f"by_{its.event_score}": _announcing(its.event, its.scale),
        its.event_score: probability,
    }


def _announcing(its: Announcing, scale: float) -> dict[str, Any]:
    operation = {
        name: {
            "threshold": one.threshold,
            "no_accuracy": one.no_accuracy.as_json(),
            "false_per_night": one.false_per_night.as_json(),
            "false_per_night_at_survey_scale": as_json(_scaled(one.false_per_night, scale)),
            "ghosts_per_night": one.ghosts_per_night.as_json(),
            "precision": one.precision.as_json(),
            "precision_with_ghosts": one.precision_with_ghosts.as_json(),
            "events": as_json(one.events),
            "confirmed": as_json(one.confirmed),
            "lead_time_days": {
                "n": one.lead_time.n,
                "quantiles_5_25_50_75_95": as_json(one.lead_time.quantiles),
                "before_peak": one.lead_time.before_peak.as_json(),
            },
        }
        for name, one in its.operation.items()
    }
    return {"at_purity": as_json(its.at_purity), "operation": operation}


def _scaled(its: Estimate, scale: float) -> Estimate:
    return Estimate(its.value / scale, its.low / scale, its.high / scale)


def _training_set(its: SetFigures) -> dict[str, Any]:
    return {
        "sha256": its.training_set.sha256,
        "threshold_best_on_validation": its.argmax,
        "splits": {
            split: {
                "n": one.n,
                "binary": {
                    name: {"threshold": its.thresholds[name], "mean_accuracy": accuracy.as_json()}
                    for name, accuracy in one.binary_accuracy.items()
                },
                "multiclass": one.multiclass_accuracy.as_json(),
            }
            for split, one in its.splits.items()
        },
        "test_at_threshold_best_on_validation": its.splits["test"].binary_accuracy[ARGMAX].as_json(),
        "missing_inputs_on_test": as_json(its.missing),
        "visibility": None
        if its.visibility is None
        else {
            split: {"n": one.n, "binary": as_json(one.binary), "multiclass": as_json(one.multiclass)}
            for split, one in its.visibility.items()
        },
    }
