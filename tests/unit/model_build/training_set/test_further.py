from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from model_build.dataset import DatasetError, data_sha256
from model_build.season.summary import SUMMARY_FILE
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.training_set.build import SetOptions, build_training_set
from model_build.training_set.further import read_further
from model_build.training_set.plan import ORIGINS
from model_build.training_set.reader import open_training_set
from model_build.training_set.split import SPLITS
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing import prepare, standardise

FURTHER = ORIGINS.index("further")
FEW = SetOptions(seed=5, copies=dict.fromkeys(CLASSES, 1.5), listings=2)


def with_seed(archive, target, seed):
    """The archive as if it were of another seed."""
    shutil.copytree(archive, target)
    summary = json.loads((target / SUMMARY_FILE).read_text("utf-8"))
    (target / SUMMARY_FILE).write_text(json.dumps(summary | {"seed": seed}), "utf-8")
    return target


def seed_of(archive):
    return json.loads((archive / SUMMARY_FILE).read_text("utf-8"))["seed"]


@pytest.fixture(scope="module")
def second(star_archive, tmp_path_factory):
    return with_seed(star_archive, tmp_path_factory.mktemp("second") / "season", seed_of(star_archive) + 1)


@pytest.fixture(scope="module")
def built(star_archive, second, tmp_path_factory):
    folder = tmp_path_factory.mktemp("further") / "set"
    build_training_set(star_archive, folder, FEW, further=[second], workers=2)
    return open_training_set(folder)


def test_the_split_season_is_as_without_further_ones(built, star_archive, tmp_path):
    build_training_set(star_archive, tmp_path / "alone", FEW)
    alone = open_training_set(tmp_path / "alone")
    n = len(alone)
    assert len(built) > n
    assert (built.seasons[:n] == 0).all()
    for name in ("labels", "splits", "origins", "candidate_ids", "crops"):
        np.testing.assert_array_equal(getattr(built, name)[:n], getattr(alone, name))
    assert built.standardisation.mean.tobytes() == alone.standardisation.mean.tobytes()
    assert (built.review_weights == alone.review_weights).all()
    for mine, its in zip(built.rows, alone.rows, strict=True):
        np.testing.assert_array_equal(mine[: len(its)], its)


def test_further_stars_are_trained_on_at_their_first_and_last_listing(built, second, candidates):
    places = np.flatnonzero(built.seasons == 1)
    assert (built.origins[places] == FURTHER).all()
    assert (built.splits[places] == SPLITS.index("train")).all()
    rows = sorted(read_truth(second / TRUTH_FILE), key=lambda row: (row.star_id, row.run_id))
    expected = {}
    for star, group in groupby((row for row in rows if row.label is not None), key=lambda row: row.star_id):
        mine = list(group)
        expected[star] = {mine[0].candidate_id, mine[-1].candidate_id}
    assert max(map(len, expected.values())) == 2
    found = {}
    for place in places.tolist():
        found.setdefault(built.star_ids[place].decode(), set()).add(built.candidate_ids[place].decode())
    assert found == expected
    label = {row.candidate_id: row.label for row in rows}
    for place in places[::7].tolist():
        one = candidates[built.candidate_ids[place].decode()]
        assert CLASSES[built.labels[place]] == label[one.candidate_id]
        prepared = prepare(
            one.light_curves,
            t_break=one.alertfinder.t_break,
            t_cut=one.alertfinder.t_cut,
            ra=one.ra,
            dec=one.dec,
        )
        for mine, its in zip(
            built.branches(place), standardise(prepared, built.standardisation), strict=True
        ):
            np.testing.assert_array_equal(mine, its)


def test_the_manifest_tells_of_further_seasons(built, second):
    (told,) = built.manifest["further"]
    assert (told["seed"], told["sha256"]) == (seed_of(second), data_sha256(second))
    assert sum(told["listings"].values()) == (built.seasons == 1).sum()
    assert sum(told["stars"].values()) == np.unique(built.star_ids[built.seasons == 1]).size


def test_listings_are_taken_evenly_and_each_once(second):
    rows = [row for row in read_truth(second / TRUTH_FILE) if row.label is not None]
    number = {}
    for row in rows:
        number[row.star_id] = number.get(row.star_id, 0) + 1
    for listings in (1, 3, 1000):
        (season,) = read_further([second], seed_of(second) - 1, listings)
        ids = [row.candidate_id for row in season.chosen]
        assert len(set(ids)) == len(ids) == sum(min(n, listings) for n in number.values())


def test_a_season_of_the_same_seed_is_refused(star_archive, second, tmp_path):
    with pytest.raises(DatasetError, match="is that of the season that is split: they share stars"):
        build_training_set(star_archive, tmp_path / "set", FEW, further=[star_archive])
    with pytest.raises(DatasetError, match=f"is that of {second}"):
        build_training_set(star_archive, tmp_path / "set", FEW, further=[second, second])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("label", "message"), [("perhaps", "has label 'perhaps', expected one of yes"), (None, "carries a label")]
)
def test_labels_must_be_known(star_archive, second, tmp_path, label, message):
    spoilt = shutil.copytree(second, tmp_path / "spoilt")
    write_truth(spoilt / TRUTH_FILE, [replace(row, label=label) for row in read_truth(spoilt / TRUTH_FILE)])
    with pytest.raises(DatasetError, match=message):
        build_training_set(star_archive, tmp_path / "set", FEW, further=[spoilt])


def test_less_than_one_listing_is_no_option():
    with pytest.raises(ValueError, match="listings must be at least 1, got 0"):
        SetOptions(listings=0)
