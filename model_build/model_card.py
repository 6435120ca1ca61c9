"""The text that travels with a bundle."""

from __future__ import annotations

from collections.abc import Mapping

_CARD = """# {name} {version}

**Provisional.** Trained for minutes on a first, simple simulator so that the whole system runs; its
scores say nothing yet about real events. `p_event` is null while a bundle is provisional.

## What it is
A branched LSTM (one branch per site: CTIO, SAAO, SSO; 64 units each) after Viaña et al. 2025
(arXiv:2501.06293), with two heads:
- `p_review`: chance that a light-curve reviewer would pass the candidate (Yes and Maybe against No).
  It does not mean "microlensing": by the survey's labels 40 % of its positives are artefacts;
- `class_probabilities`: yes, maybe, no.

Input: the twelve channels of `manifest.json`, up to 1,500 observations of each site. Missing sites,
sky background, seeing and PSF quality are allowed; in training they were dropped at random.

## Trained on
Simulated AlertFinder candidates: point-lens events (yes); bleed trails, bright neighbours, diffraction
spikes and moving stars (maybe); variables, outbursts, steps, flares, red noise and residuals correlated
with seeing and sky (no). {n_train:.0f} to train, {n_validation:.0f} to stop early, {n:.0f} held out; no star
or close neighbour on two sides.

## Held-out figures
| | |
|---|---|
{rows}

`accuracy_*` is the mean of the accuracies of the two classes at that threshold of p_review (balanced
0.45, pure 0.955), `class_accuracy` that of the three classes. They depend on the simulator's own
choices and can't be compared with the paper's.

## Files
`lensnet.onnx` (run by the worker), `lensnet.weights.npz` (the Keras weights it was exported from),
`golden.npz` (inputs and the masked Keras network's outputs), `manifest.json` (everything a worker must
know, and the SHA-256 of every file).
"""


def model_card(name: str, version: str, metrics: Mapping[str, float]) -> str:
    """Return the model card of a provisional bundle."""
    shown = [f"| {key} | {value:.4f} |" for key, value in metrics.items() if not key.startswith("n")]
    return _CARD.format(
        name=name,
        version=version,
        rows="\n".join(shown),
        n=metrics["n"],
        n_train=metrics["n_train"],
        n_validation=metrics["n_validation"],
    )
