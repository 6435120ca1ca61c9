from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from model_build.dataset import DatasetError, data_sha256
from model_build.season.truth import TRUTH_FILE, read_truth, write_truth
from model_build.training_set.build import SetOptions, build_training_set
from model_build.training_set.crops import Crop, prepare_copies
from model_build.training_set.folder import FolderInUse
from model_build.training_set.plan import ORIGINS
from model_build.training_set.reader import open_training_set
from model_build.training_set.split import SPLITS
from model_build.training_set.stars import read_stars
from stream_worker.bundle import CLASSES
from stream_worker.preprocessing import PreprocessingOptions, fit_standardisation, prepare, standardise

SEED = SetOptions(seed=5)
FEW = SetOptions(seed=5, copies=dict.fromkeys(CLASSES, 1.5))


@pytest.fixture(scope="module")
def built(star_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "set"
    told = []
    manifest = build_training_set(star_archive, folder, SEED, progress=lambda *of: told.append(of))
    return folder, manifest, told


@pytest.fixture(scope="module")
def training_set(built):
    return open_training_set(built[0])


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_whole_candidates_are_prepared_as_a_worker_does(training_set, candidates):
    checked = 0
    for place in np.flatnonzero(np.isnan(training_set.crops[:, 0]))[::4]:
        one = candidates[training_set.candidate_ids[place].decode()]
        prepared = prepare(
            one.light_curves,
            t_break=one.alertfinder.t_break,
            t_cut=one.alertfinder.t_cut,
            ra=one.ra,
            dec=one.dec,
        )
        expected = standardise(prepared, training_set.standardisation)
        for found, site in zip(training_set.branches(place), expected, strict=True):
            np.testing.assert_array_equal(found, site)
        assert training_set.t_cut[place] == one.alertfinder.t_cut
        assert training_set.t_break[place] == one.alertfinder.t_break
        checked += 1
    assert checked > 20


def test_crops_show_what_a_candidate_had_shown_between_their_times(training_set, candidates):
    crops = np.flatnonzero(training_set.origins == ORIGINS.index("crop"))
    assert crops.size > 250
    for place in crops[::10]:
        one = candidates[training_set.candidate_ids[place].decode()]
        part = Crop(*training_set.crops[place].tolist())
        assert training_set.t_cut[place] == part.t_last
        cut = [within(curve, part) for curve in one.light_curves]
        prepared = prepare(cut, t_break=one.alertfinder.t_break, t_cut=part.t_last, ra=one.ra, dec=one.dec)
        for found, site in zip(
            training_set.branches(place), standardise(prepared, training_set.standardisation), strict=True
        ):
            np.testing.assert_array_equal(found, site)


def within(curve, part):
    inside = (curve.hjd >= part.t_first) & (curve.hjd <= part.t_last)
    names = ("hjd", "flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")
    return replace(
        curve,
        **{name: getattr(curve, name)[inside] for name in names if getattr(curve, name) is not None},
    )


def test_only_examples_to_train_on_make_the_standardisation(training_set, candidates):
    places = training_set.places("train", "labelled", "crop")
    crops = [None if np.isnan(part[0]) else Crop(*part.tolist()) for part in training_set.crops]
    expected = fit_standardisation(
        prepare_copies(
            candidates[training_set.candidate_ids[place].decode()], [crops[place]], PreprocessingOptions()
        )[0]
        for place in places
    )
    np.testing.assert_allclose(training_set.standardisation.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(training_set.standardisation.sd, expected.sd, rtol=1e-12)
    rows = np.concatenate([training_set.branches(place)[0] for place in places])
    np.testing.assert_allclose(rows[:, 1].mean(), 0.0, atol=1e-3)
    np.testing.assert_allclose(rows[:, 1].std(), 1.0, atol=1e-3)


def test_stars_clusters_and_labels_are_the_seasons(training_set, star_archive):
    stars = {star.star_id: star for star in read_stars(star_archive).stars}
    assert {name.decode() for name in training_set.star_ids} == set(stars)
    sides = {}
    for place in range(len(training_set)):
        star = stars[training_set.star_ids[place].decode()]
        assert (training_set.labels[place], training_set.clusters[place]) == (star.label, star.cluster)
        first = training_set.origins[place] == ORIGINS.index("first")
        expected = star.first_candidate_id if first else star.candidate_id
        assert training_set.candidate_ids[place].decode() == expected
        sides.setdefault(star.cluster, set()).add(int(training_set.splits[place]))
    assert all(len(found) == 1 for found in sides.values())
    for split in SPLITS:
        assert training_set.places(split, "labelled").size == training_set.places(split, "first").size > 0


def test_counts_and_weights_are_those_of_the_arrays(training_set, built):
    manifest = built[1]
    for k, split in enumerate(SPLITS):
        for origins, kind in ((("labelled",), "stars"), (("labelled", "crop"), "examples")):
            labels = training_set.labels[training_set.places(split, *origins)]
            assert (
                list(manifest["counts"][kind][split].values()) == np.bincount(labels, minlength=3).tolist()
            ), k
    total = np.bincount(training_set.labels[training_set.origins != ORIGINS.index("first")])
    stars = np.bincount(training_set.labels[training_set.origins == ORIGINS.index("labelled")])
    ratios = np.array([10902 / 1825, 7404 / 1190, 12008 / 2038])
    assert total.tolist() == np.round(stars * ratios).astype(int).tolist()
    labels = training_set.labels[training_set.places("train", "labelled", "crop")]
    expected = labels.size / (3 * np.bincount(labels))
    np.testing.assert_allclose(training_set.class_weights, expected)
    n_no = np.count_nonzero(labels == CLASSES.index("no"))
    np.testing.assert_allclose(
        training_set.review_weights, [labels.size / (2 * n_no), labels.size / (2 * (labels.size - n_no))]
    )


def test_the_manifest_tells_where_the_set_comes_from(built, star_archive):
    manifest = built[1]
    assert manifest == json.loads((built[0] / "manifest.json").read_text())
    assert manifest["season"]["sha256"] == data_sha256(star_archive)
    assert manifest["season"]["seed"] == 3
    assert (manifest["split_by"], manifest["seed"]) == ("cluster", 5)
    assert manifest["counts"]["siblings_of_training"]["star"]["test"] > 0


def test_every_step_tells_how_far_it_is(built):
    for step in ("survey", "fit", "write"):
        told = [(done, total) for name, done, total in built[2] if name == step]
        assert told == [(n, len(told)) for n in range(1, len(told) + 1)]
        assert told


def test_equal_seasons_and_options_give_equal_bytes_whatever_the_workers(star_archive, tmp_path):
    one, two, other = tmp_path / "one", tmp_path / "two", tmp_path / "other"
    build_training_set(star_archive, one, FEW, workers=1)
    build_training_set(star_archive, two, FEW, workers=2)
    assert files_of(one) == files_of(two)
    found = build_training_set(star_archive, other, replace(FEW, seed=6))
    assert found["content_sha256"] != open_training_set(one).sha256


def test_options_reach_the_arrays(star_archive, tmp_path):
    options = SetOptions(
        split_by="star",
        copies=dict.fromkeys(CLASSES, 1.0),
        preprocessing=PreprocessingOptions(mode="paper", max_points=100),
    )
    build_training_set(star_archive, tmp_path / "set", options)
    found = open_training_set(tmp_path / "set")
    assert found.options == options.preprocessing
    assert found.lengths.max() == 100
    assert found.standardisation.sd[0, 1] > 10.0  # fluxes as they are
    assert not (found.origins == ORIGINS.index("crop")).any()
    of_cluster = {
        cluster: set(found.splits[found.clusters == cluster]) for cluster in found.clusters.tolist()
    }
    assert max(map(len, of_cluster.values())) > 1


def test_a_build_that_fails_leaves_nothing_and_the_old_set_alone(star_archive, built, tmp_path):
    season = tmp_path / "season"
    shutil.copytree(star_archive, season)
    max(season.glob("run-*.avro")).unlink()
    out = tmp_path / "set"
    with pytest.raises(DatasetError, match="are in no run"):
        build_training_set(season, out, FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["season"]
    shutil.copytree(built[0], out)
    with pytest.raises(DatasetError, match="are in no run"):
        build_training_set(season, out, FEW, overwrite=True)
    assert files_of(out) == files_of(built[0])


def test_an_interruption_while_writing_leaves_nothing(star_archive, tmp_path):
    def interrupt(step, done, _total):
        if (step, done) == ("write", 60):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_training_set(star_archive, tmp_path / "set", FEW, workers=2, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_set_is_replaced_only_when_asked(star_archive, built, tmp_path):
    out = tmp_path / "set"
    shutil.copytree(built[0], out)
    with pytest.raises(FolderInUse, match="--overwrite"):
        build_training_set(star_archive, out, FEW)
    manifest = build_training_set(star_archive, out, FEW, overwrite=True)
    assert open_training_set(out).manifest == manifest != built[1]


def test_too_few_stars_of_a_class_are_an_error(star_archive, tmp_path):
    season = tmp_path / "season"
    shutil.copytree(star_archive, season)
    rows = read_truth(season / TRUTH_FILE)
    write_truth(season / TRUTH_FILE, [replace(row, label=row.label and "yes") for row in rows])
    with pytest.raises(DatasetError, match=r"train has no maybe \(of 0\), train has no no \(of 0\)"):
        build_training_set(season, tmp_path / "set", FEW)


def test_fewer_than_one_copy_is_no_option():
    with pytest.raises(ValueError, match=r"copies of maybe must be at least 1, got 0\.5"):
        SetOptions(copies={"yes": 1.0, "maybe": 0.5, "no": 1.0})
