from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from model_build.export import export
from model_build.golden import random_branches
from model_build.graph_surgery import ExportError, check_graph, wire_lengths
from model_build.parity import TOLERANCE, ragged_batches
from stream_worker.bundle import BRANCHES, HEADS, length_input
from stream_worker.scoring import Scores, pad


def exported(networks):
    network = networks.graphs["lensnet"]
    return export(network.model, network.options)


@pytest.fixture(scope="module")
def graph(network):
    return exported(network)


@pytest.fixture(scope="module")
def small_graph(small_network):
    return exported(small_network)


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(runtime, inputs):
    names = {value.name for value in runtime.get_inputs()}
    outputs = runtime.run(list(HEADS), {name: inputs[name] for name in names})
    return Scores(*(np.asarray(output, np.float64) for output in outputs))


def difference(one, other):
    return max(np.abs(getattr(one, head) - getattr(other, head)).max() for head in HEADS)


def test_a_fused_node_for_each_site_and_no_loop(network, graph):
    options = network.graphs["lensnet"].options
    kinds = Counter(node.op_type for node in graph.graph.node)
    assert kinds["LSTM"] == (len(options.sites) if options.encoder == "lstm" else 0)
    assert not {"Loop", "Scan", "If"} & kinds.keys()
    check_graph(graph)


def test_interface(graph):
    def described(values):
        return {
            v.name: (
                v.type.tensor_type.elem_type,
                [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim],
            )
            for v in values
        }

    assert described(graph.graph.input) == {
        **{b: (TensorProto.FLOAT, ["batch", f"{b}_time", 12]) for b in BRANCHES},
        **{length_input(b): (TensorProto.INT32, ["batch"]) for b in BRANCHES},
    }
    assert described(graph.graph.output) == {
        "p_review": (TensorProto.FLOAT, ["batch"]),
        "class_probabilities": (TensorProto.FLOAT, ["batch", 3]),
    }
    assert graph.opset_import[0].version == 18


def test_parity_with_keras_on_ragged_batches(network, graph):
    runtime = session(graph)
    for batch in ragged_batches(np.random.default_rng(1)):
        assert difference(run(runtime, pad(batch)), network.predict(batch)) <= 1e-6


def test_parity_with_keras_at_real_lengths(network, graph):
    runtime = session(graph)
    for batch in ragged_batches(np.random.default_rng(2), n=2, longest=1500):
        assert difference(run(runtime, pad(batch)), network.predict(batch)) <= TOLERANCE


def test_lstm_nodes_stop_at_the_last_observation(small_network, small_graph):
    """Whatever stands beyond it: the lengths are really used, in patches rounded up."""
    patch = small_network.graphs["lensnet"].options.patch
    inputs = pad([random_branches((2 * patch + 1, 0, 1), np.random.default_rng(3))])
    lstm = next(node for node in small_graph.graph.node if node.op_type == "LSTM")
    model = onnx.ModelProto()
    model.CopyFrom(small_graph)
    model.graph.output.append(helper.make_tensor_value_info(lstm.input[4], TensorProto.INT32, ["batch"]))
    found = session(model).run([lstm.input[4]], inputs)[0]
    assert found.tolist() in ([3], [0], [1])


@pytest.mark.parametrize("more", [1, 2, 3, 40])
def test_any_amount_of_padding_is_ignored(graph, more):
    runtime = session(graph)
    rng = np.random.default_rng(3)
    inputs = pad([random_branches((7, 0, 3), rng), random_branches((1, 12, 0), rng)])
    expected = run(runtime, inputs)
    padded = dict(inputs)
    for branch in BRANCHES:
        padded[branch] = np.pad(inputs[branch], ((0, 0), (0, more), (0, 0)))
    assert difference(run(runtime, padded), expected) <= 1e-6


def test_equal_networks_give_equal_bytes(small_network, small_graph):
    assert exported(small_network).SerializeToString() == small_graph.SerializeToString()


def converted_like(*nodes):
    """A minimal graph of the converter's form."""
    return helper.make_model(helper.make_graph(list(nodes), "g", [], []))


def test_an_unknown_branch_is_refused():
    lstm = helper.make_node("LSTM", ["other", "w", "r"], ["p_review"], "lstm", hidden_size=4)
    with pytest.raises(ExportError, match="reads 'other'"):
        wire_lengths(converted_like(lstm))


def test_a_missing_head_is_refused():
    lstm = helper.make_node("LSTM", ["ctio", "w", "r", "b"], ["p_event"], "lstm", hidden_size=4)
    with pytest.raises(ExportError, match="no output 'p_review'"):
        wire_lengths(converted_like(lstm))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.node.remove(next(n for n in g.node if n.op_type == "LSTM")), "not a valid graph"),
        (lambda g: setattr(g.output[0], "name", "p_event"), "not a valid graph"),
        (lambda g: g.output.pop(), "outputs"),
        (lambda g: g.input.append(helper.make_tensor_value_info("more", 1, [1])), "inputs"),
        (lambda g: next(n for n in g.node if n.op_type == "LSTM").input.pop(), "without lengths"),
    ],
)
def test_an_unsound_graph_is_refused(small_graph, change, message):
    model = onnx.ModelProto()
    model.CopyFrom(small_graph)
    change(model.graph)
    with pytest.raises(ExportError, match=message):
        check_graph(model)


def test_loops_are_refused(small_graph):
    model = onnx.ModelProto()
    model.CopyFrom(small_graph)
    one = helper.make_node("Constant", [], ["one"], value_int=1)
    branch = helper.make_graph([one], "body", [], [helper.make_tensor_value_info("one", 7, [])])
    condition = helper.make_node("Constant", [], ["always"], value_int=1)
    cast = helper.make_node("Cast", ["always"], ["always_bool"], to=TensorProto.BOOL)
    choice = helper.make_node("If", ["always_bool"], ["chosen"], then_branch=branch, else_branch=branch)
    model.graph.node.extend([condition, cast, choice])
    with pytest.raises(ExportError, match="control flow: If"):
        check_graph(model)
