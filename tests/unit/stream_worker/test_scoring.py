from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from model_build.bundle_writer import Release, npz_bytes, with_manifest
from stream_worker.bundle import BRANCHES, Golden, length_input, load_bundle
from stream_worker.bundle.golden import golden_to_arrays
from stream_worker.preprocessing import PreprocessingOptions, Standardisation
from stream_worker.scoring import (
    ProviderUnavailable,
    Score,
    ScorerBroken,
    Scores,
    ScoringError,
    open_scorer,
    pad,
    score_each,
)
from stream_worker.settings import Settings

# What the hand-made graph answers to the number in the first cell of a candidate's CTIO branch.
TABLE = np.array([0.25, 0.75, np.nan, 1.5], np.float32)
CLASS_TABLE = np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75], [np.nan] * 3, [1.5, 0, -0.5]], np.float32)
NAN, OUTSIDE, FAILS = 2, 3, 9  # 9 is beyond the table: ONNX Runtime fails the whole batch


def candidate(answer, lengths=(3, 2, 1)):
    series = [np.ones((n, 12), np.float32) for n in lengths]
    if lengths[0]:
        series[0][0, 0] = answer
    return tuple(series)


def lookup_graph(heads, tables):
    nodes = [
        helper.make_node("Gather", ["ctio", "zero"], ["first_row"], axis=1),
        helper.make_node("Gather", ["first_row", "zero"], ["number"], axis=1),
        helper.make_node("Cast", ["number"], ["place"], to=TensorProto.INT64),
    ]
    nodes += [helper.make_node("Gather", [f"{head}_table", "place"], [head], axis=0) for head in heads]
    constants = [numpy_helper.from_array(np.array(0, np.int64), "zero")]
    constants += [numpy_helper.from_array(tables[head], f"{head}_table") for head in heads]
    inputs = [helper.make_tensor_value_info(b, TensorProto.FLOAT, ["n", f"{b}_t", 12]) for b in BRANCHES]
    inputs += [helper.make_tensor_value_info(length_input(b), TensorProto.INT32, ["n"]) for b in BRANCHES]
    shapes = {"p_review": ["n"], "class_probabilities": ["n", 3]}
    outputs = [helper.make_tensor_value_info(head, TensorProto.FLOAT, shapes[head]) for head in heads]
    model = helper.make_model(
        helper.make_graph(nodes, "lookup", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def lookup_bundle(folder, *, separate=True, p_review=TABLE, golden_shift=0.0):
    tables = {"p_review": p_review, "class_probabilities": CLASS_TABLE}
    golden = Golden(
        batch=(candidate(0), candidate(1), candidate(0, (1, 0, 0))),
        candidates=(),
        p_review=TABLE[[0, 1, 0]].astype(np.float64) + golden_shift,
        class_probabilities=CLASS_TABLE[[0, 1, 0]].astype(np.float64),
    )
    groups = [["p_review"], ["class_probabilities"]] if separate else [list(tables)]
    names = ["binary", "multiclass"] if separate else ["both"]
    files = {f"{name}.onnx": lookup_graph(heads, tables) for name, heads in zip(names, groups, strict=True)}
    files["golden.npz"] = npz_bytes(golden_to_arrays(golden))
    release = Release(
        name="lookup",
        version="1",
        provisional=True,
        standardisation=Standardisation(np.zeros((3, 12)), np.ones((3, 12))),
        options=PreprocessingOptions(),
        training_data_sha256="0" * 64,
        git_commit=None,
        metrics={},
        model_card="A table.",
    )
    graphs = {name: {"file": f"{name}.onnx", "weights": None} for name in names}
    outputs = {
        head: {"graph": name, "output": head}
        for name, heads in zip(names, groups, strict=True)
        for head in heads
    }
    folder.mkdir()
    for name, content in with_manifest(files, release, graphs, outputs).items():
        (folder / name).write_bytes(content)
    return load_bundle(folder)


@pytest.fixture(scope="module")
def shipped():
    return open_scorer(load_bundle(Settings().bundle), provider="cpu", intra_op_threads=1)


@pytest.fixture(params=[False, True], ids=["one graph", "two graphs"])
def lookup(tmp_path, request):
    bundle = lookup_bundle(tmp_path / "lookup", separate=request.param)
    return open_scorer(bundle, provider="cpu", intra_op_threads=1)


def random_batch(seed, rows):
    rng = np.random.default_rng(seed)
    batch = [tuple(rng.standard_normal((n, 12)).astype(np.float32) for n in row) for row in rows]
    for branches in batch:
        for series in branches:
            series[:, 8] = 1.0
    return batch


lengths = st.tuples(*[st.integers(0, 30)] * 3)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(lengths, min_size=2, max_size=8), seed=st.integers(0, 1000))
def test_a_score_depends_neither_on_neighbours_nor_on_their_order(shipped, rows, seed):
    batch = random_batch(seed, rows)
    together, reverse = shipped.score(batch), shipped.score(batch[::-1])
    for place, branches in enumerate(batch):
        alone = shipped.score([branches])
        assert abs(alone.p_review[0] - together.p_review[place]) <= 1e-6
        assert np.abs(alone.class_probabilities[0] - together.class_probabilities[place]).max() <= 1e-6
    np.testing.assert_allclose(reverse.p_review[::-1], together.p_review, rtol=0, atol=1e-6)


def test_a_long_neighbour_pads_and_changes_nothing(shipped):
    short, long = random_batch(1, [(5, 0, 2), (1500, 700, 1)])
    alone, beside = shipped.score([short]), shipped.score([long, short])
    assert abs(alone.p_review[0] - beside.p_review[1]) <= 1e-6


def test_scores_are_float64_probabilities(shipped):
    scores = shipped.score(random_batch(2, [(5, 0, 2), (0, 0, 1), (40, 30, 20)]))
    assert scores.p_review.dtype == scores.class_probabilities.dtype == np.float64
    assert scores.p_review.shape == (3,)
    assert scores.class_probabilities.shape == (3, 3)
    assert ((scores.p_review >= 0) & (scores.p_review <= 1)).all()
    np.testing.assert_allclose(scores.class_probabilities.sum(axis=1), 1, atol=1e-6)


def test_an_empty_batch(shipped):
    scores = shipped.score([])
    assert scores.p_review.shape == (0,)
    assert scores.class_probabilities.shape == (0, 3)
    assert score_each(shipped, []) == []


def test_padding_is_on_the_right_and_at_least_one_row():
    inputs = pad([candidate(7, (2, 0, 0)), candidate(5, (4, 0, 1))])
    assert inputs["ctio"].shape == (2, 4, 12)
    assert inputs["saao"].shape == (2, 1, 12)
    assert inputs["ctio"].dtype == np.float32
    assert inputs["ctio"][0, 0, 0] == 7
    assert not inputs["ctio"][0, 2:].any()
    assert inputs["ctio"][1].all()
    assert [inputs[length_input(b)].tolist() for b in BRANCHES] == [[2, 4], [0, 0], [0, 1]]
    assert all(inputs[length_input(b)].dtype == np.int32 for b in BRANCHES)


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 11), np.float32), np.zeros(12, np.float32), np.zeros((2, 12), np.float64)]
)
def test_a_misshapen_branch_names_row_and_branch(lookup, rows):
    bad = (*candidate(0)[:2], rows)
    with pytest.raises(ScoringError, match=r"row 1: branch sso is float") as caught:
        lookup.score([candidate(0), bad])
    assert caught.value.row == 1
    assert [type(result) for result in score_each(lookup, [candidate(0), bad])] == [Score, ScoringError]


@pytest.mark.parametrize(("answer", "value"), [(NAN, "nan"), (OUTSIDE, r"1\.5")])
def test_an_output_that_is_no_probability_names_the_row(lookup, answer, value):
    with pytest.raises(ScoringError, match=rf"row 2: not probabilities: p_review {value}") as caught:
        lookup.score([candidate(0), candidate(1), candidate(answer), candidate(0)])
    assert caught.value.row == 2


def test_a_real_failure_of_the_runtime_is_isolated(lookup):
    answers = [0, 1, 1, FAILS, 0, NAN, 1, 0, OUTSIDE]
    batch = [candidate(answer, (3 + place, 2, 1)) for place, answer in enumerate(answers)]
    with pytest.raises(ScoringError, match=r"graph (binary|both) failed"):
        lookup.score(batch)

    results = score_each(lookup, batch)

    for answer, result in zip(answers, results, strict=True):
        if answer in (FAILS, NAN, OUTSIDE):
            assert isinstance(result, ScoringError)
        else:
            assert result == Score(float(TABLE[answer]), tuple(CLASS_TABLE[answer].tolist()))


class FailingDevice:
    """A scorer whose device is lost."""

    def score(self, batch):
        raise ScoringError("device lost")

    def verify(self):
        raise ScorerBroken("device lost")


class TooSmallDevice:
    """A scorer that only has room for two candidates at a time."""

    def score(self, batch):
        if len(batch) > 2:
            raise ScoringError("out of memory")
        return Scores(np.full(len(batch), 0.5), np.tile([0.25, 0.25, 0.5], (len(batch), 1)))

    def verify(self):
        """Works."""


def test_a_broken_device_is_not_taken_for_bad_candidates():
    with pytest.raises(ScorerBroken):
        score_each(FailingDevice(), [candidate(0), candidate(1)])


def test_a_batch_too_large_for_the_device_is_scored_in_parts():
    assert score_each(TooSmallDevice(), [candidate(0)] * 7) == [Score(0.5, (0.25, 0.25, 0.5))] * 7


def test_golden_vectors_are_verified_at_the_start(tmp_path):
    bundle = lookup_bundle(tmp_path / "lookup", golden_shift=2e-5)
    with pytest.raises(ScorerBroken, match=r"golden p_review on cpu: 0\.\d+ at \(\d,\), expected 0\.\d+"):
        open_scorer(bundle, provider="cpu", intra_op_threads=1)


def test_golden_candidates_verify_the_preprocessing():
    bundle = load_bundle(Settings().bundle)
    shifted = dataclasses.replace(
        bundle.standardisation, mean=bundle.standardisation.mean + np.eye(3, 12) * 1e-2
    )
    bundle = dataclasses.replace(bundle, standardisation=shifted)
    with pytest.raises(ScorerBroken, match="features of golden candidate 0, branch ctio"):
        open_scorer(bundle, provider="cpu", intra_op_threads=1)


def test_golden_outputs_that_are_no_probabilities_break_the_scorer(tmp_path):
    table = TABLE.copy()
    table[1] = np.nan
    bundle = lookup_bundle(tmp_path / "lookup", p_review=table)
    with pytest.raises(ScorerBroken, match="golden vectors on cpu: row 1: not probabilities"):
        open_scorer(bundle, provider="cpu", intra_op_threads=1)


def test_a_graph_that_does_not_load(tmp_path):
    bundle = lookup_bundle(tmp_path / "lookup", separate=False)
    broken = dataclasses.replace(bundle, files={**bundle.files, "both.onnx": b"not onnx"})
    with pytest.raises(ScorerBroken, match="graph both does not load"):
        open_scorer(broken, provider="cpu", intra_op_threads=1)


def test_a_graph_with_other_inputs(tmp_path):
    bundle = lookup_bundle(tmp_path / "lookup", separate=False)
    graph = onnx.load(io.BytesIO(bundle.files["both.onnx"]))
    del graph.graph.input[-1]
    broken = dataclasses.replace(bundle, files={**bundle.files, "both.onnx": graph.SerializeToString()})
    with pytest.raises(ScorerBroken, match="graph both has the inputs"):
        open_scorer(broken, provider="cpu", intra_op_threads=1)


def test_a_graph_without_the_promised_output(tmp_path):
    bundle = lookup_bundle(tmp_path / "lookup")
    swapped = {"binary.onnx": bundle.files["multiclass.onnx"], "multiclass.onnx": bundle.files["binary.onnx"]}
    broken = dataclasses.replace(bundle, files={**bundle.files, **swapped})
    with pytest.raises(ScorerBroken, match="graph binary has the outputs"):
        open_scorer(broken, provider="cpu", intra_op_threads=1)


without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this build has CUDA"
)
with_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(), reason="this build has no CUDA"
)


@without_cuda
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ProviderUnavailable, match="CUDAExecutionProvider is not in this build"):
        open_scorer(load_bundle(Settings().bundle), provider="cuda", intra_op_threads=1)


@without_cuda
def test_a_permitted_fallback_is_reported():
    bundle = load_bundle(Settings().bundle)
    scorer = open_scorer(bundle, provider="cuda", intra_op_threads=1, allow_fallback=True)
    assert scorer.provider == "cpu"
    assert len(scorer.score(bundle.golden.batch).p_review) == len(bundle.golden.batch)


@with_cuda
def test_cuda_agrees_with_the_cpu_on_ragged_batches(shipped):
    scorer = open_scorer(load_bundle(Settings().bundle), provider="cuda", intra_op_threads=1)
    assert scorer.provider == "cuda"
    batch = random_batch(5, [(5, 0, 2), (0, 0, 1), (400, 30, 20), (1, 1, 1)])
    np.testing.assert_allclose(scorer.score(batch).p_review, shipped.score(batch).p_review, atol=1e-3)


def test_a_silent_fallback_of_the_runtime_is_refused(monkeypatch):
    """ONNX Runtime lists CUDA as available even where it can't load, and then takes the CPU."""
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"], disable_fallback=lambda: None)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_args, **_options: session)
    with pytest.raises(
        ProviderUnavailable, match="asked for CUDAExecutionProvider, got CPUExecutionProvider"
    ):
        open_scorer(load_bundle(Settings().bundle), provider="cuda", intra_op_threads=1)


RSS_PROBE = """
import json
import numpy as np
from stream_worker.bundle import load_bundle
from stream_worker.scoring import open_scorer
from stream_worker.settings import Settings
import sys
scorer = open_scorer(load_bundle(Settings().bundle), provider="cpu", intra_op_threads=2)
rows = np.ones((1500, 12), np.float32)
for n in (32, 1, 32):
    scorer.score([(rows, rows, rows)] * n)
heavy = [m for m in ("tensorflow", "keras", "onnx", "model_build") if m in sys.modules]
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"peak_mb": int(peak.split()[1]) / 1024, "heavy": heavy}))
"""


def test_the_largest_batch_stays_within_the_worker_s_memory():
    found = subprocess.run([sys.executable, "-c", RSS_PROBE], capture_output=True, text=True, check=True)
    report = json.loads(found.stdout)
    assert report["heavy"] == []
    assert report["peak_mb"] < 300
    assert found.stderr == ""


def test_a_missing_runtime_says_how_to_get_one(monkeypatch):
    bundle = load_bundle(Settings().bundle)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        ProviderUnavailable, match=r"^onnxruntime is not installed; .* pip install '\.\[cpu\]'"
    ):
        open_scorer(bundle, provider="cpu", intra_op_threads=1)
