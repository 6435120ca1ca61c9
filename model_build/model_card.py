"""The text that travels with a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """# {name} {version}

**Provisional.** Trained on a simulated season so that the whole system runs; its scores say nothing
yet about real events. `p_event` is null while a bundle is provisional.

## What it is
A branched LSTM (one branch per site: CTIO, SAAO, SSO; 64 units each) after Viaña et al. 2025
(arXiv:2501.06293), with two heads:
- `p_review`: chance that a light-curve reviewer would pass the candidate (Yes and Maybe against No).
  It does not mean "microlensing": by the survey's labels 40 % of its positives are artefacts;
- `class_probabilities`: yes, maybe, no.

Input: the twelve channels of `manifest.json`, up to 1,500 observations of each site. Missing sites,
sky background, seeing and PSF quality are allowed; in training they were dropped at random.

## Trained on
A simulated season: events, variable stars and artefacts on the chips; AlertFinder on {runs} weekdays;
automated vetting; a two-stage review, whose outcome is the label: yes was announced and confirmed at
the season's end, maybe passed the light-curve review only, no did not pass it. A star's candidate is
that of its label's date.

| | |
|---|---|
{season}

{n_train:.0f} candidates to train, {n_validation:.0f} to stop early, {n:.0f} held out; no cluster of
stars (within 20 arcsec of each other by steps, or of one artefact) on two sides.

## Held-out figures
| | |
|---|---|
{rows}

`accuracy_*` is the mean of the accuracies of the two classes at that threshold of p_review (balanced
0.45, pure 0.955), `class_accuracy` that of the three classes. They depend on the simulator's own
choices and can't be compared with those of Viaña et al.

## Files
`lensnet.onnx` (run by the worker), `lensnet.weights.npz` (the Keras weights it was exported from),
`golden.npz` (inputs and the masked Keras network's outputs), `manifest.json` (everything a worker must
know, and the SHA-256 of every file).
"""


def model_card(name: str, version: str, metrics: Mapping[str, float], season: Mapping[str, Any]) -> str:
    """Return the model card of a provisional bundle.

    Parameters
    ----------
    metrics
        Figures on the held-out part; those that begin with ``n`` are counts.
    season
        ``season.json`` of the archive it was trained on.
    """
    shown = {key: f"{value:.4f}" for key, value in metrics.items() if not key.startswith("n")}
    return _CARD.format(
        name=name,
        version=version,
        runs=len(season["runs"]),
        season=_rows(_season(season)),
        rows=_rows(shown),
        n=metrics["n"],
        n_train=metrics["n_train"],
        n_validation=metrics["n_validation"],
    )


def _season(season: Mapping[str, Any]) -> dict[str, str]:
    perturbed = season["perturbed"]
    return {
        "season, seed": f"{season['season']}, {season['seed']}",
        "share of the survey": f"{season['scale_events']:g} of events, {season['scale_false']:g} of all else",
        "numbers": "as configured" if perturbed is None else f"drawn anew within doubt, seed {perturbed}",
        "labels found": _counts(season["labels"]["found"]),
        "labels written": _counts(season["labels"]["written"]),
    }


def _counts(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in labels.items())


def _rows(values: Mapping[str, str]) -> str:
    return "\n".join(f"| {key} | {value} |" for key, value in values.items())
