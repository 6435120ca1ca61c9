"""The network: one masked LSTM per site, merged, with a binary and a three-class head."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # must precede the import of TensorFlow

import keras
import numpy as np

from stream_worker.batching import Branches
from stream_worker.bundle import BRANCHES, CLASSES, HEADS
from stream_worker.preprocessing import FEATURES
from stream_worker.scoring import Scores, pad

Model = Any
"""A `keras.Model`; Keras ships no types."""


def build_network(*, masked: bool = True, units: int = 64) -> Model:
    """Build the branched network (Viaña et al. 2025, sec. 6; sizes not printed there are ours).

    Per site: ``Masking`` (an all-zero row is padding) and an LSTM's final state, zero for an empty
    site; the three states concatenated; ``Dense(64, relu)``, ``Dropout(0.3)``, ``Dense(32, relu)``.
    Heads: ``p_review`` [batch, 1] (sigmoid; Yes and Maybe against No) and ``class_probabilities``
    [batch, 3] (softmax; yes, maybe, no). Inputs ``ctio``, ``saao``, ``sso``: float32
    [batch, time, 12], padded with zero rows on the right.

    Parameters
    ----------
    masked
        Without masking every row counts, padding too: only for the export, which gives the LSTM
        operators the true lengths.
    units
        LSTM units per branch.
    """
    inputs = [keras.Input((None, len(FEATURES)), name=branch, dtype="float32") for branch in BRANCHES]
    states = []
    for branch, series in zip(BRANCHES, inputs, strict=True):
        rows = keras.layers.Masking(name=f"mask_{branch}")(series) if masked else series
        states.append(keras.layers.LSTM(units, name=f"lstm_{branch}")(rows))
    merged = keras.layers.Concatenate(name="sites")(states)
    hidden = keras.layers.Dense(64, activation="relu", name="dense_1")(merged)
    hidden = keras.layers.Dropout(0.3, name="dropout")(hidden)
    hidden = keras.layers.Dense(32, activation="relu", name="dense_2")(hidden)
    p_review = keras.layers.Dense(1, activation="sigmoid", name=HEADS[0])(hidden)
    probabilities = keras.layers.Dense(len(CLASSES), activation="softmax", name=HEADS[1])(hidden)
    return keras.Model(inputs, {HEADS[0]: p_review, HEADS[1]: probabilities}, name="lensnet")


def without_masking(model: Model) -> Model:
    """Return a network with the weights of ``model`` and no masking."""
    unmasked = build_network(masked=False, units=model.get_layer(f"lstm_{BRANCHES[0]}").units)
    unmasked.set_weights(model.get_weights())
    return unmasked


def predict(model: Model, batch: Sequence[Branches]) -> Scores:
    """Score ragged branches with a masked network, padded with zero rows on the right."""
    inputs = pad(batch)
    outputs = model.predict_on_batch([inputs[branch] for branch in BRANCHES])
    p_review, class_probabilities = (np.asarray(outputs[head], np.float64) for head in HEADS)
    return Scores(p_review[:, 0], class_probabilities)
