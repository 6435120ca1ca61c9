"""From a Keras network to the ONNX graph that the worker runs."""

from __future__ import annotations

from typing import Any

import onnx

from model_build.graph_surgery import OPSET, wire_lengths
from model_build.network import Model
from model_build.network_options import NetworkOptions
from stream_worker.bundle import BRANCHES, HEADS
from stream_worker.preprocessing import FEATURES


def export(model: Model, options: NetworkOptions) -> onnx.ModelProto:
    """Export a network of `build_network` to a graph of fused LSTM operators that take the true lengths.

    Raises
    ------
    ExportError
        If the converter's output is not of the expected form.
    """
    return wire_lengths(_convert(model), patch=options.patch)


def _convert(model: Model) -> onnx.ModelProto:
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, None, len(FEATURES)), tf.float32, name=branch) for branch in BRANCHES]

    def forward(*branches: Any) -> dict[str, Any]:
        outputs = model(list(branches), training=False)
        return {HEADS[0]: tf.squeeze(outputs[HEADS[0]], axis=-1), HEADS[1]: outputs[HEADS[1]]}

    function = tf.function(forward, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    converted: onnx.ModelProto = proto
    return converted
