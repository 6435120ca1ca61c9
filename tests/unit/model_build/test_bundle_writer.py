from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from model_build.bundle_writer import npz_bytes, write_bundle, write_tar
from model_build.network_bundle import bundle_files
from model_build.parity import masked_network, measure_parity, ragged_batches
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
    parity = measure_parity(network, scorer, ragged_batches(np.random.default_rng(5)))
    assert parity.passed, parity
    assert parity.n > 60


def test_the_network_comes_back_from_the_bundle(tmp_path, small_network, files):
    model = masked_network(write_bundle(tmp_path / "b", files))
    for found, expected in zip(model.get_weights(), small_network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_parity_sees_a_wrong_network(tmp_path, network, small_network, release):
    bundle = write_bundle(tmp_path / "b", bundle_files(network, release))
    scorer = open_scorer(bundle, provider="cpu", intra_op_threads=1)
    parity = measure_parity(small_network, scorer, ragged_batches(np.random.default_rng(6), n=1))
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
        masked_network(bare)


def test_archives_have_no_times(tmp_path):
    arrays = {"b": np.arange(3.0), "a": np.array(["x", "yz"])}
    content = npz_bytes(arrays)
    assert content == npz_bytes(dict(reversed(arrays.items())))
    (tmp_path / "a.npz").write_bytes(content)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["a"].tolist() == ["x", "yz"]
        np.testing.assert_array_equal(archive["b"], [0.0, 1.0, 2.0])
