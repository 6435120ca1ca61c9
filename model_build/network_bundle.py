"""Networks to the files of a bundle, and back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_build.bundle_writer import Release, npz_bytes, with_manifest
from model_build.export import export
from model_build.golden import make_golden
from model_build.network import Model, build_network, predict, weights_of
from model_build.network_options import NetworkOptions
from model_build.training.options import BadTrainingOptions, network_options_from, plain_values
from stream_worker.batching import Branches
from stream_worker.bundle import HEADS, Bundle
from stream_worker.bundle.golden import golden_to_arrays
from stream_worker.bundle.manifest import GOLDEN_FILE
from stream_worker.scoring import Scores


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A Keras network and how it is built."""

    model: Model
    options: NetworkOptions


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The networks of a bundle: one with both heads, or one for each, which ``heads`` names."""

    graphs: Mapping[str, Network]
    heads: Mapping[str, str]

    def predict(self, batch: Sequence[Branches]) -> Scores:
        """Score ragged branches with Keras."""
        found = {name: predict(network.model, batch) for name, network in self.graphs.items()}
        return Scores(**{head: getattr(found[name], head) for head, name in self.heads.items()})


def two_headed(model: Model, options: NetworkOptions) -> Networks:
    """Return one network that gives both heads."""
    return Networks({"lensnet": Network(model, options)}, dict.fromkeys(HEADS, "lensnet"))


def one_each(binary: Network, multiclass: Network) -> Networks:
    """Return two networks of one head each."""
    graphs = {"binary": binary, "multiclass": multiclass}
    return Networks(graphs, dict(zip(HEADS, graphs, strict=True)))


def network_from(weights: Mapping[str, NDArray[np.float32]], options: NetworkOptions) -> Network:
    """Build a network and give it weights by path.

    Raises
    ------
    ValueError
        If they are not its weights.
    """
    model = build_network(options)
    found = {weight.path: tuple(weight.shape) for weight in model.weights}
    if found != {name: array.shape for name, array in weights.items()}:
        raise ValueError(f"these weights are of another network: {', '.join(sorted(weights))}")
    model.set_weights([weights[weight.path] for weight in model.weights])
    return Network(model, options)


def bundle_files(networks: Networks, release: Release) -> dict[str, bytes]:
    """Export networks into the files of a bundle: graphs, their weights, golden vectors, card, manifest.

    Raises
    ------
    ExportError
        If the converter's output is not of the expected form.
    """
    golden = make_golden(networks.predict, release.standardisation, release.options)
    files = {GOLDEN_FILE: npz_bytes(golden_to_arrays(golden))}
    graphs: dict[str, dict[str, str | None]] = {}
    for name, network in networks.graphs.items():
        graphs[name] = {"file": f"{name}.onnx", "weights": f"{name}.weights.npz"}
        graph = export(network.model, network.options)
        files[f"{name}.onnx"] = graph.SerializeToString(deterministic=True)
        files[f"{name}.weights.npz"] = npz_bytes(weights_of(network.model))
    outputs = {head: {"graph": name, "output": head} for head, name in networks.heads.items()}
    options = {name: plain_values(network.options) for name, network in networks.graphs.items()}
    return with_manifest(files, release, graphs, outputs, options)


def networks_of(bundle: Bundle) -> Networks:
    """Rebuild the Keras networks of a bundle from the weights it keeps.

    Raises
    ------
    ValueError
        If it keeps none, or they don't fit.
    """
    manifest = bundle.manifest
    graphs = {}
    for name, graph in manifest.graphs.items():
        if graph.weights is None or manifest.network is None or name not in manifest.network:
            raise ValueError(f"bundle {bundle.path} keeps no weights of {name}, or not how it is built")
        with np.load(io.BytesIO(bundle.files[graph.weights]), allow_pickle=False) as archive:
            weights = {path: archive[path] for path in archive.files}
        try:
            graphs[name] = network_from(weights, network_options_from(manifest.network[name]))
        except (BadTrainingOptions, ValueError) as error:
            raise ValueError(f"bundle {bundle.path}, {name}: {error}") from error
    return Networks(graphs, {head: getattr(manifest.outputs, head).graph for head in HEADS})
