"""Edits an exported graph: gives its LSTM operators the true lengths, and names everything anew.

What comes out does not depend on it, since the network uses no state beyond the last observation; but
the operator then stops there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from stream_worker.bundle import BRANCHES, CLASSES, HEADS, length_input
from stream_worker.preprocessing import FEATURES

OPSET = 18
_IR_VERSION = 10
_LOOPS = frozenset({"Loop", "Scan", "If"})
_SEQUENCE_LENS = 4  # fifth input of the LSTM operator


class ExportError(Exception):
    """The exported graph is not of the expected form; the message says what was found."""


def wire_lengths(model: onnx.ModelProto, *, patch: int = 1) -> onnx.ModelProto:
    """Return a copy of an export whose LSTM operators take the true length of every row.

    Parameters
    ----------
    model
        Graph with inputs ``ctio``, ``saao``, ``sso``, each read by at most one LSTM node.
    patch
        Observations in a step of the LSTM: a row of n observations has ceil(n / patch) of them.

    Returns
    -------
    onnx.ModelProto
        Inputs float32 [batch, time, 12] and int32 ``ctio_length``, … [batch]; nodes and tensors named
        by their place, so that equal networks give equal bytes.

    Raises
    ------
    ExportError
        If the graph is not of that form, or the result fails `check_graph`.
    """
    nodes = [_copy(node) for node in model.graph.node]
    constants = [
        numpy_helper.from_array(np.array([patch - 1], np.int32), "patch_less_one"),
        numpy_helper.from_array(np.array([patch], np.int32), "patch"),
    ]
    for lstm in [node for node in nodes if node.op_type == "LSTM"]:
        branch = _branch_of(lstm, nodes)
        steps = length_input(branch)
        if patch > 1:
            steps = f"{branch}_steps"
            nodes.append(
                helper.make_node("Add", [length_input(branch), "patch_less_one"], [f"{branch}_rounded"])
            )
            nodes.append(helper.make_node("Div", [f"{branch}_rounded", "patch"], [steps]))
        # Initial states are left to the operator's default, zero as Keras has them.
        lstm.input[:] = [*lstm.input[:_SEQUENCE_LENS], steps]
        lstm.output[:] = lstm.output[:1]
    wired = _rebuild(nodes, [*model.graph.initializer, *constants])
    check_graph(wired)
    return wired


def check_graph(model: onnx.ModelProto) -> None:
    """Raise ExportError unless a graph is sound: LSTM nodes fused and with lengths, no loops, right names."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"not a valid graph: {error}") from error
    kinds = Counter(node.op_type for node in model.graph.node)
    if loops := sorted(_LOOPS & kinds.keys()):
        raise ExportError(f"graph has control flow: {', '.join(loops)}")
    unmeasured = [
        node.name
        for node in model.graph.node
        if node.op_type == "LSTM" and not (len(node.input) > _SEQUENCE_LENS and node.input[_SEQUENCE_LENS])
    ]
    if unmeasured:
        raise ExportError(f"LSTM nodes without lengths: {', '.join(unmeasured)}")
    inputs = [value.name for value in model.graph.input]
    if sorted(inputs) != sorted([*BRANCHES, *map(length_input, BRANCHES)]):
        raise ExportError(f"graph has the inputs {inputs}")
    outputs = [value.name for value in model.graph.output]
    if outputs != list(HEADS):
        raise ExportError(f"graph has the outputs {outputs}, expected {list(HEADS)}")


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def _branch_of(lstm: NodeProto, nodes: Sequence[NodeProto]) -> str:
    """Walk up from the LSTM's series to the graph input."""
    producers = {output: node for node in nodes for output in node.output}
    tensor: str = lstm.input[0]
    while tensor in producers:
        tensor = producers[tensor].input[0]
    if tensor not in BRANCHES:
        raise ExportError(f"LSTM node {lstm.name} reads {tensor!r}, expected one of {', '.join(BRANCHES)}")
    return tensor


def _rebuild(nodes: Sequence[NodeProto], constants: Sequence[TensorProto]) -> onnx.ModelProto:
    """Keep only what the heads need, in an order and with names that depend on nothing but the graph."""
    ordered = list(_needed(nodes))
    fixed = {*BRANCHES, *map(length_input, BRANCHES), *HEADS, ""}
    names: dict[str, str] = {name: name for name in fixed}
    initializers: list[TensorProto] = []
    known = {constant.name: constant for constant in constants}
    for number, node in enumerate(ordered):
        node.name = f"{node.op_type}_{number}"
        node.doc_string = ""
        for tensor in node.input:
            if tensor not in names:
                names[tensor] = f"constant_{len(initializers)}"
                initializers.append(
                    numpy_helper.from_array(numpy_helper.to_array(known[tensor]), names[tensor])
                )
        for place, tensor in enumerate(node.output):
            names.setdefault(tensor, f"{node.name}_{place}")
        node.input[:] = [names[tensor] for tensor in node.input]
        node.output[:] = [names[tensor] for tensor in node.output]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    graph = helper.make_graph(ordered, "lensnet", _inputs(), _outputs(), initializers)
    return helper.make_model(
        graph,
        producer_name="lensnet",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def _needed(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    """Nodes that the heads depend on, each after those it reads."""
    producers = {output: node for node in nodes for output in node.output if output}
    done: set[str] = set()

    def visit(tensor: str) -> Iterator[NodeProto]:
        if tensor in done or tensor not in producers:
            return
        node = producers[tensor]
        for source in node.input:
            yield from visit(source)
        done.update(node.output)
        yield node

    for head in HEADS:
        if head not in producers:
            raise ExportError(f"graph has no output {head!r}")
        yield from visit(head)


def _inputs() -> list[onnx.ValueInfoProto]:
    series = [
        helper.make_tensor_value_info(branch, TensorProto.FLOAT, ["batch", f"{branch}_time", len(FEATURES)])
        for branch in BRANCHES
    ]
    lengths = [
        helper.make_tensor_value_info(length_input(branch), TensorProto.INT32, ["batch"])
        for branch in BRANCHES
    ]
    return series + lengths


def _outputs() -> list[onnx.ValueInfoProto]:
    shapes: dict[str, list[str | int | None]] = {HEADS[0]: ["batch"], HEADS[1]: ["batch", len(CLASSES)]}
    return [helper.make_tensor_value_info(head, TensorProto.FLOAT, shapes[head]) for head in HEADS]
