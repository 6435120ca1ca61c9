from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_build.training_set.arrays import ArraysWriter, content_sha256, describe
from model_build.training_set.crops import Crop
from model_build.training_set.plan import ORIGINS, Example
from model_build.training_set.reader import BadTrainingSet, open_training_set, orders
from model_build.training_set.split import SPLITS
from stream_worker.preprocessing import PREPROCESSING_VERSION

MANIFEST = {
    "training_set_version": 3,
    "order": orders(),
    "preprocessing": {"version": PREPROCESSING_VERSION, "options": {"max_points": 700}},
    "standardisation": {"mean": [[0.5] * 12] * 3, "sd": [[2.0] * 12] * 3},
    "class_weights": {"review": [0.5, 1.5], "classes": [1.0, 2.0, 3.0]},
}


def finish(folder, **changes):
    """Write the manifest of the arrays in a folder."""
    manifest = MANIFEST | {"arrays": describe(folder)} | changes
    manifest["content_sha256"] = content_sha256(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@st.composite
def written(draw):
    n = draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    examples = []
    for place in range(n):
        crop = Crop(*np.sort(rng.uniform(9000.0, 9400.0, 2)).tolist()) if draw(st.booleans()) else None
        example = Example(
            candidate_id=f"id-{place}",
            star_id="s" * draw(st.integers(1, 30)),
            cluster=draw(st.integers(0, 2**40)),
            label=draw(st.integers(0, 2)),
            split=draw(st.integers(0, 2)),
            origin=draw(st.integers(0, 2)),
            crop=crop,
            season=draw(st.integers(0, 3)),
        )
        branches = tuple(rng.normal(size=(draw(st.integers(0, 9)), 12)).astype(np.float32) for _ in range(3))
        examples.append((example, float(rng.uniform(9000, 9400)), float(rng.uniform(9000, 9400)), branches))
    return examples


def write(folder, examples):
    writer = ArraysWriter(folder)
    for one in examples:
        writer.append(*one)
    writer.close()
    finish(folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written())
def test_what_was_written_is_read(tmp_path, examples):
    folder = tmp_path / "set"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write(folder, examples)
    found = open_training_set(folder)
    assert len(found) == len(examples)
    for place, (example, t_cut, t_break, branches) in enumerate(examples):
        for one, site in zip(found.branches(place), branches, strict=True):
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, site)
        assert found.candidate_ids[place].decode() == example.candidate_id
        assert found.star_ids[place].decode() == example.star_id
        assert (found.t_cut[place], found.t_break[place]) == (t_cut, t_break)
        assert found.lengths[place].tolist() == [len(site) for site in branches]
        for column, value in (
            (found.labels, example.label),
            (found.splits, example.split),
            (found.origins, example.origin),
            (found.clusters, example.cluster),
            (found.seasons, example.season),
        ):
            assert column[place] == value
        expected = (np.nan, np.nan) if example.crop is None else example.crop
        np.testing.assert_array_equal(found.crops[place], expected)
    for split in SPLITS:
        for origin in ORIGINS:
            assert found.places(split, origin).tolist() == [
                place
                for place, (example, *_) in enumerate(examples)
                if (SPLITS[example.split], ORIGINS[example.origin]) == (split, origin)
            ]


@pytest.fixture
def folder(tmp_path):
    """Four examples with 0, 1, 2 and 3 rows at CTIO, and 2 at each other site."""
    folder = tmp_path / "set"
    folder.mkdir()
    examples = []
    for place in range(4):
        example = Example(f"id-{place}", f"star{place}", place, place % 3, 0, 0)
        sizes = (place, 2, 2)
        branches = tuple(np.full((n, 12), 10 * place + k, np.float32) for k, n in enumerate(sizes))
        examples.append((example, 9300.0, 9250.0, branches))
    write(folder, examples)
    return folder


def test_options_and_statistics_are_read(folder):
    found = open_training_set(folder)
    assert found.options.max_points == 700
    assert found.standardisation.sd.tolist() == [[2.0] * 12] * 3
    assert (found.review_weights.tolist(), found.class_weights.tolist()) == ([0.5, 1.5], [1.0, 2.0, 3.0])
    assert found.sha256 == json.loads((folder / "manifest.json").read_text())["content_sha256"]


def test_arrays_are_mapped_read_only(folder):
    found = open_training_set(folder)
    assert isinstance(found.rows[0].base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.branches(1)[0][0, 0] = 5.0


def test_examples_are_a_lazy_sequence(folder):
    found = open_training_set(folder)
    some = found.examples(np.array([3, 1, 2]))
    assert [int(one[0][0, 0]) for one in some] == [30, 10, 20]
    assert [int(some[place][0][0, 0]) for place in range(3)] == [30, 10, 20]
    assert [int(one[0][0, 0]) for one in some[1:]] == [10, 20]
    assert len(some) == 3
    with pytest.raises(IndexError, match=r"example 4: .* has 4, counted from 0"):
        found.branches(4)


def test_unknown_splits_and_origins_are_errors(folder):
    found = open_training_set(folder)
    for arguments in (("practice", "crop"), ("train", "guess")):
        with pytest.raises(ValueError, match="not in tuple"):
            found.places(*arguments)


def test_a_changed_array_is_noticed(folder):
    path = folder / "rows_SSO.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadTrainingSet, match=r"rows_SSO\.npy: SHA-256 .* it was changed"):
        open_training_set(folder)
    open_training_set(folder, verify=False)


def test_an_array_cut_short_is_noticed_without_hashing(folder):
    path = folder / "rows_SSO.npy"
    path.write_bytes(path.read_bytes()[:-48])
    with pytest.raises(BadTrainingSet, match=r"rows_SSO\.npy: no readable array"):
        open_training_set(folder, verify=False)
    path.unlink()
    with pytest.raises(BadTrainingSet, match=r"rows_SSO\.npy: no readable array: .*No such file"):
        open_training_set(folder, verify=False)


def test_an_array_of_another_type_or_shape_is_noticed(folder):
    np.save(folder / "labels.npy", np.zeros(4, np.int32))
    with pytest.raises(BadTrainingSet, match=r"labels\.npy: dtype <i4, the manifest says <i8"):
        open_training_set(folder, verify=False)
    np.save(folder / "labels.npy", np.zeros(3, np.int64))
    with pytest.raises(BadTrainingSet, match=r"labels\.npy: shape \[3\], the manifest says \[4\]"):
        open_training_set(folder, verify=False)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("t_cut", np.zeros(3), "t_cut.npy has 3 examples, labels.npy 4"),
        ("offsets_SAAO", np.array([0, 2, 4, 6, 7]), "5 offsets from 0 to 7, expected 5 from 0 to 8"),
        ("offsets_SAAO", np.array([0, 2, 8]), "3 offsets from 0 to 8, expected 5 from 0 to 8"),
        ("offsets_SAAO", np.array([0, 6, 4, 6, 8]), "example 1 has rows 6:4, expected ascending offsets"),
    ],
)
def test_arrays_that_disagree_are_noticed(folder, name, array, message):
    np.save(folder / f"{name}.npy", array)
    finish(folder)
    with pytest.raises(BadTrainingSet, match=message):
        open_training_set(folder)


def test_a_changed_manifest_is_noticed(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("0.5", "0.25"))
    with pytest.raises(BadTrainingSet, match=r"manifest\.json: its content has SHA-256 .* it was changed"):
        open_training_set(folder, verify=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training_set_version": 99}, "training_set_version 99, expected 3"),
        (
            {"preprocessing": {"version": "0", "options": {}}},
            "prepared by preprocessing version '0', this code has '1': build it anew",
        ),
        ({"order": orders() | {"classes": ["no", "yes"]}}, r"classes \['no', 'yes'\], expected \['yes'"),
    ],
)
def test_sets_of_another_kind_are_refused(folder, changes, message):
    finish(folder, **changes)
    with pytest.raises(BadTrainingSet, match=message):
        open_training_set(folder)


def test_no_training_set_is_an_error(tmp_path):
    with pytest.raises(BadTrainingSet, match=r"manifest\.json is missing: the folder holds no training set"):
        open_training_set(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BadTrainingSet, match=r"manifest\.json: no JSON"):
        open_training_set(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(BadTrainingSet, match="training_set_version None, expected 3"):
        open_training_set(tmp_path)
