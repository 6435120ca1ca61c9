from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from model_build.export import export, export_masked
from model_build.golden import random_branches
from model_build.graph_surgery import ExportError, check_graph, wire_lengths
from model_build.network import predict
from model_build.parity import TOLERANCE, ragged_batches
from stream_worker.bundle import BRANCHES, HEADS, length_input
from stream_worker.scoring import Scores, pad


@pytest.fixture(scope="module")
def graph(network):
    return export(network)


@pytest.fixture(scope="module")
def small_graph(small_network):
    return export(small_network)


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(runtime, inputs):
    names = {value.name for value in runtime.get_inputs()}
    outputs = runtime.run(list(HEADS), {name: inputs[name] for name in names})
    return Scores(*(np.asarray(output, np.float64) for output in outputs))


def difference(one, other):
    return max(np.abs(getattr(one, head) - getattr(other, head)).max() for head in HEADS)


def test_three_fused_nodes_and_no_loop(graph):
    kinds = Counter(node.op_type for node in graph.graph.node)
    assert kinds["LSTM"] == 3
    assert not {"Loop", "Scan", "If", "Slice"} & kinds.keys()
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


def test_parity_with_the_masked_network_on_ragged_batches(network, graph):
    runtime = session(graph)
    for batch in ragged_batches(np.random.default_rng(1)):
        assert difference(run(runtime, pad(batch)), predict(network, batch)) <= TOLERANCE


def test_parity_with_the_masked_export(network, graph):
    """The loop export is slow but knows nothing of lengths."""
    masked = export_masked(network)
    assert "Loop" in {node.op_type for node in masked.graph.node}
    oracle, runtime = session(masked), session(graph)
    for batch in ragged_batches(np.random.default_rng(2), n=3):
        assert difference(run(runtime, pad(batch)), run(oracle, pad(batch))) <= TOLERANCE


def test_padding_of_any_amount_and_content_is_ignored(graph):
    runtime = session(graph)
    rng = np.random.default_rng(3)
    inputs = pad([random_branches((7, 0, 3), rng), random_branches((1, 12, 0), rng)])
    expected = run(runtime, inputs)
    padded = dict(inputs)
    for branch in BRANCHES:
        junk = rng.normal(0, 50, (2, 40, 12)).astype(np.float32)
        for row, length in enumerate(inputs[length_input(branch)]):
            junk[row, :length] = inputs[branch][row, :length]
        padded[branch] = junk
    assert difference(run(runtime, padded), expected) <= TOLERANCE


def test_equal_networks_give_equal_bytes(small_network, small_graph):
    assert export(small_network).SerializeToString() == small_graph.SerializeToString()


@pytest.mark.parametrize("head", HEADS)
def test_one_graph_per_head(small_network, small_graph, head):
    both, one = session(small_graph), session(export(small_network, [head]))
    assert [value.name for value in one.get_outputs()] == [head]
    inputs = pad(ragged_batches(np.random.default_rng(4), n=1)[0])
    (found,) = one.run([head], inputs)
    (expected,) = both.run([head], inputs)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def unmasked_like():
    """A minimal graph of the converter's form with one branch."""
    nodes = [
        helper.make_node("LSTM", ["ctio", "w", "r"], ["y"], "lstm", hidden_size=4),
        helper.make_node("Gather", ["y", "last"], ["p_review"]),
    ]
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def test_another_form_of_the_last_step_is_refused():
    with pytest.raises(ExportError, match=r"\['Gather'\] read 'y', expected one Squeeze"):
        wire_lengths(unmasked_like())


def test_an_unknown_branch_is_refused():
    model = unmasked_like()
    model.graph.node[0].input[0] = "other"
    with pytest.raises(ExportError, match="reads 'other'"):
        wire_lengths(model)


def test_a_missing_head_is_refused(small_network):
    with pytest.raises(ExportError, match="no output 'p_event'"):
        export(small_network, ["p_event"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.node.remove(next(n for n in g.node if n.op_type == "LSTM")), "not a valid graph"),
        (lambda g: setattr(g.output[0], "name", "p_event"), "not a valid graph"),
        (lambda g: g.output.pop(), "outputs"),
        (lambda g: g.input.append(helper.make_tensor_value_info("more", 1, [1])), "inputs"),
        (lambda g: next(n for n in g.node if n.op_type == "LSTM").input.pop(), "take the lengths"),
    ],
)
def test_an_unsound_graph_is_refused(small_graph, change, message):
    model = onnx.ModelProto()
    model.CopyFrom(small_graph)
    change(model.graph)
    with pytest.raises(ExportError, match=message):
        check_graph(model)


def test_loops_are_refused(small_network):
    with pytest.raises(ExportError, match="control flow: Loop"):
        check_graph(export_masked(small_network))
