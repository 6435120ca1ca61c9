"""The files of a bundle from a Keras network."""

from __future__ import annotations

from functools import partial

from model_build.bundle_writer import Release, npz_bytes, with_manifest
from model_build.export import export
from model_build.golden import make_golden
from model_build.network import Model, predict
from stream_worker.bundle import HEADS
from stream_worker.bundle.golden import golden_to_arrays
from stream_worker.bundle.manifest import GOLDEN_FILE


def bundle_files(model: Model, release: Release) -> dict[str, bytes]:
    """Export a network into the files of a bundle with one two-headed graph and the weights.

    Raises
    ------
    ExportError
        If the converter's output is not of the expected form.
    """
    golden = make_golden(partial(predict, model), release.standardisation, release.options)
    files = {
        GOLDEN_FILE: npz_bytes(golden_to_arrays(golden)),
        "lensnet.onnx": export(model).SerializeToString(deterministic=True),
        "lensnet.weights.npz": npz_bytes({weight.path: weight.numpy() for weight in model.weights}),
    }
    graphs = {"lensnet": {"file": "lensnet.onnx", "weights": "lensnet.weights.npz"}}
    outputs = {head: {"graph": "lensnet", "output": head} for head in HEADS}
    return with_manifest(files, release, graphs, outputs)
