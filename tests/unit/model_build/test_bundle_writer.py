from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from model_build.bundle_writer import npz_bytes, write_bundle, write_tar
from model_build.network_bundle import bundle_files, network_from, networks_of, one_each
from model_build.parity import measure_parity, ragged_batches
from stream_worker.bundle import BundleError, load_bundle
from stream_worker.scoring import ScorerBroken, open_scorer


@pytest.fixture(scope="module")
def files(small_network, release):
    return bundle_files(small_network, release)


def test_written_twice_it_is_the_same_bytes(small_network, release, files):
    assert bundle_files(small_network, release) == files


def test_a_worker_takes_it_and_it_computes_what_the_network_does(tmp_path, network, release):
    bundle = write_bundle(tmp_path / "b", bundle_files(network, release))
    scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
    parity = measure_parity(network.predict, scorer, ragged_batches(np.random.default_rng(5)))
    assert parity.passed, parity
    assert parity.n > 60


def test_the_network_comes_back_from_the_bundle(tmp_path, small_network, files):
    found, expected = networks_of(write_bundle(tmp_path / "b", files)).graphs, small_network.graphs
    assert found.keys() == expected.keys() == {"lensnet"}
    assert found["lensnet"].options == expected["lensnet"].options
    weights = (networks["lensnet"].model.get_weights() for networks in (found, expected))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_for_each_task(tmp_path, network, small_network, release):
    binary, multiclass = (next(iter(n.graphs.values())) for n in (network, small_network))
    both = one_each(binary, multiclass)
    bundle = write_bundle(tmp_path / "b", bundle_files(both, release))
    assert {"binary.onnx", "multiclass.onnx"} <= bundle.files.keys()
    scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
    batch = ragged_batches(np.random.default_rng(8), n=1)[0]
    scores = scorer.score(batch)
    np.testing.assert_allclose(scores.p_review, network.predict(batch).p_review, atol=1e-6)
    np.testing.assert_allclose(
        scores.class_probabilities, small_network.predict(batch).class_probabilities, atol=1e-6
    )
    assert networks_of(bundle).heads == both.heads


def test_parity_sees_a_wrong_network(tmp_path, network, small_network, release):
    bundle = write_bundle(tmp_path / "b", bundle_files(network, release))
    scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
    parity = measure_parity(small_network.predict, scorer, ragged_batches(np.random.default_rng(6), n=1))
    assert not parity.passed
    assert parity.keras > 1e-3
    assert parity.alone <= 1e-6


def test_a_bundle_that_a_worker_would_refuse_does_not_appear(
    tmp_path, network, small_network, release, files
):
    other = bundle_files(network, release)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "altered", {**files, "lensnet.onnx": other["lensnet.onnx"]})
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["lensnet.onnx"] = json.loads(other["manifest.json"])["files"]["lensnet.onnx"]
    wrong = {**files, "lensnet.onnx": other["lensnet.onnx"], "manifest.json": json.dumps(manifest).encode()}
    with pytest.raises(ScorerBroken, match="golden"):
        write_bundle(tmp_path / "wrong", wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_bundle_is_replaced_and_nothing_else(tmp_path, small_network, release, files):
    first = write_bundle(tmp_path / "b", files)
    newer = bundle_files(small_network, dataclasses.replace(release, version="1.1"))
    assert write_bundle(tmp_path / "b", newer).manifest.version == "1.1"
    assert first.sha256 != load_bundle(tmp_path / "b").sha256
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="something else than a bundle"):
        write_bundle(tmp_path / "thesis", files)
    assert (tmp_path / "thesis" / "draft.tex").exists()


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_tar_is_reproducible_and_loads(tmp_path, files, name):
    bundle = write_bundle(tmp_path / "b", files)
    write_tar(tmp_path / "b", tmp_path / name)
    content = (tmp_path / name).read_bytes()
    write_tar(tmp_path / "b", tmp_path / name)
    assert (tmp_path / name).read_bytes() == content
    assert load_bundle(tmp_path / name).sha256 == bundle.sha256


def test_a_bundle_without_weights_has_no_network(tmp_path, files):
    bundle = write_bundle(tmp_path / "b", files)
    graphs = {"lensnet": bundle.manifest.graphs["lensnet"].model_copy(update={"weights": None})}
    bare = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"graphs": graphs}))
    with pytest.raises(ValueError, match="keeps no weights"):
        networks_of(bare)


def test_weights_of_another_network_are_refused(small_network, network):
    weights = {"lstm_ctio/kernel": np.zeros((12, 4), np.float32)}
    with pytest.raises(ValueError, match="of another network: lstm_ctio/kernel"):
        network_from(weights, next(iter(small_network.graphs.values())).options)


def test_archives_have_no_times(tmp_path):
    arrays = {"b": np.arange(3.0), "a": np.array(["x", "yz"])}
    content = npz_bytes(arrays)
    assert content == npz_bytes(dict(reversed(arrays.items())))
    (tmp_path / "a.npz").write_bytes(content)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["a"].tolist() == ["x", "yz"]
        np.testing.assert_array_equal(archive["b"], [0.0, 1.0, 2.0])
