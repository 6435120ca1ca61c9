"""The network: one encoder per site, merged, with a binary and a three-class head."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # must precede the import of TensorFlow

import keras
import numpy as np

from model_build.network_options import NetworkOptions
from stream_worker.batching import Branches
from stream_worker.bundle import BRANCHES, CLASSES, HEADS
from stream_worker.preprocessing import FEATURES
from stream_worker.scoring import Scores, pad

Model = Any
"""A `keras.Model`; Keras ships no types."""

_ONE: Final = FEATURES.index("one")
_FAR_BELOW: Final = 1e9


def build_network(options: NetworkOptions | None = None) -> Model:
    """Build the branched network (Viaña et al. 2025, sec. 6).

    Heads: ``p_review`` [batch, 1] (sigmoid; Yes and Maybe against No) and ``class_probabilities``
    [batch, 3] (softmax; yes, maybe, no). Inputs ``ctio``, ``saao``, ``sso``: float32 [batch, time, 12],
    padded with zero rows on the right.

    Nothing depends on the padding: channel ``one`` tells it from observations, LSTMs run over it, and
    only states up to the last observation are used. For padding on the right that is what ``Masking``
    gives, to the last bit but one, without ONNX loops. A site without observations gives zeros.
    """
    options = options or NetworkOptions()
    inputs = {branch: keras.Input((None, len(FEATURES)), name=branch, dtype="float32") for branch in BRANCHES}
    encoders: dict[str, _Encoder] = {}
    for site in options.sites:
        name = "sites" if options.shared else site
        encoders[site] = next((e for e in encoders.values() if e.name == name), None) or _Encoder(
            name, options
        )
    states = [state for site in options.sites for state in encoders[site](inputs[site])]
    hidden = keras.layers.Concatenate(name="merged")(states) if len(states) > 1 else states[0]
    for number, units in enumerate(options.dense, 1):
        hidden = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(hidden)
        if number == 1:
            hidden = keras.layers.Dropout(options.dropout, name="dropout")(hidden)
    p_review = keras.layers.Dense(1, activation="sigmoid", name=HEADS[0])(hidden)
    probabilities = keras.layers.Dense(len(CLASSES), activation="softmax", name=HEADS[1])(hidden)
    return keras.Model(list(inputs.values()), {HEADS[0]: p_review, HEADS[1]: probabilities}, name="lensnet")


def predict(model: Model, batch: Sequence[Branches]) -> Scores:
    """Score ragged branches, padded with zero rows on the right."""
    inputs = pad(batch)
    outputs = model.predict_on_batch([inputs[branch] for branch in BRANCHES])
    p_review, class_probabilities = (np.asarray(outputs[head], np.float64) for head in HEADS)
    return Scores(p_review[:, 0], class_probabilities)


def weights_of(model: Model) -> Mapping[str, Any]:
    """Weights by path; the paths are those of `build_network`'s layers."""
    return {weight.path: weight.numpy() for weight in model.weights}


class _Encoder:
    """Layers of one site, or of all if shared; called with its series, gives its states [batch, units]."""

    def __init__(self, name: str, options: NetworkOptions) -> None:
        layers = keras.layers
        self.name = name
        self._options = options
        self._seen = [place for place, feature in enumerate(FEATURES) if feature not in options.without]
        self._observation = (
            layers.Dense(options.observation_units, activation="relu", name=f"observation_{name}")
            if options.observation_units
            else None
        )
        self._patch = (
            layers.Conv1D(
                options.lstm_units, options.patch, options.patch, activation="relu", name=f"patch_{name}"
            )
            if options.patch > 1
            else None
        )
        if options.encoder == "lstm":
            self._lstm = layers.LSTM(options.lstm_units, return_sequences=True, name=f"lstm_{name}")
        else:
            self._convolutions = [
                layers.Conv1D(
                    options.lstm_units, 5, padding="same", activation="relu", name=f"cnn_{n}_{name}"
                )
                for n in (1, 2)
            ]
        self._attention = (
            layers.Dense(1, name=f"attention_{name}") if options.pooling == "attention" else None
        )

    def __call__(self, series: Any) -> list[Any]:
        ops, options = keras.ops, self._options
        observed = series[..., _ONE : _ONE + 1]
        rows = series if not options.without else ops.take(series, self._seen, axis=-1)
        states = []
        if self._observation is not None:
            each = self._observation(rows) * observed
            states.append(ops.sum(each, axis=1) / ops.maximum(ops.sum(observed, axis=1), 1.0))
            rows = ops.concatenate([rows, each], axis=-1)
        if self._patch is not None:
            rows, observed = (_padded(values, options.patch) for values in (rows, observed))
            rows = self._patch(rows)
            observed = keras.layers.MaxPooling1D(options.patch, options.patch)(observed)
        if options.encoder == "cnn":
            for convolution in self._convolutions:
                rows = convolution(rows * observed)
            states.append(ops.max(rows * observed, axis=1))
        else:
            rows = self._lstm(rows)
            nothing = ops.zeros_like(observed[:, :1])
            last = observed - ops.concatenate([observed[:, 1:], nothing], axis=1)
            states.append(ops.sum(rows * last, axis=1))
        if self._attention is not None:
            weights = ops.softmax(self._attention(rows) + (observed - 1.0) * _FAR_BELOW, axis=1) * observed
            states.append(ops.sum(weights * rows, axis=1))
        return states


def _padded(values: Any, patch: int) -> Any:
    """Zero rows on the right, so that the last patch needs not be full."""
    return keras.layers.ZeroPadding1D((0, patch - 1))(values)
