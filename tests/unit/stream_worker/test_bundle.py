from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_build.evaluation import calibration as fitted
from stream_worker.bundle import Bundle, BundleError, Calibration, load_bundle
from stream_worker.preprocessing import FEATURES, PREPROCESSING_VERSION, PreprocessingOptions
from stream_worker.settings import Settings


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(Settings().bundle, copy)
    return copy


def edit(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def faults_of(path):
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return caught.value.faults


def pack(folder, target, *, prefix="bundle/", mode="w:gz", extra=()):
    with tarfile.open(target, mode) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, f"{prefix}{path.name}")
        for member, content in extra:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target


def test_the_shipped_bundle_loads_and_is_calibrated():
    bundle = load_bundle(Settings().bundle)
    manifest = bundle.manifest
    assert not manifest.provisional
    assert (
        manifest.calibration.p_event(0.01)
        < manifest.calibration.base_rate
        < manifest.calibration.p_event(0.99)
    )
    assert manifest.features == FEATURES
    assert manifest.classes == ("yes", "maybe", "no")
    assert manifest.preprocessing_version == PREPROCESSING_VERSION
    assert (manifest.thresholds.balanced, manifest.thresholds.pure) == (0.45, 0.955)
    assert manifest.metrics["auc"] >= 0.9
    assert bundle.options == PreprocessingOptions(mode="default")
    assert bundle.standardisation.mean.shape == bundle.standardisation.sd.shape == (3, 12)
    content = (Settings().bundle / "manifest.json").read_bytes()
    assert bundle.sha256 == hashlib.sha256(content).hexdigest()


def test_the_shipped_bundle_is_small():
    assert sum(path.stat().st_size for path in Settings().bundle.iterdir()) < 3 * 2**20


def test_golden_vectors_have_empty_and_length_1_branches_and_raw_candidates():
    golden = load_bundle(Settings().bundle).golden
    lengths = {tuple(map(len, branches)) for branches in golden.batch}
    assert any(0 in row for row in lengths)
    assert any(1 in row for row in lengths)
    assert any(sorted(row)[:2] == [0, 0] for row in lengths)
    assert len(golden.candidates) >= 2
    assert any({"CTIO", "SAAO", "SSO"} == {c.site for c in g.light_curves} for g in golden.candidates)
    assert np.ptp(golden.p_review) > 0.05


@pytest.mark.parametrize(("name", "mode"), [("b.tar", "w"), ("b.tar.gz", "w:gz"), ("b.tar.xz", "w:xz")])
@pytest.mark.parametrize("prefix", ["lensnet/", "", "./"])
def test_a_tar_is_the_same_bundle(folder, tmp_path, name, mode, prefix):
    bundle = load_bundle(pack(folder, tmp_path / name, mode=mode, prefix=prefix))
    assert isinstance(bundle, Bundle)
    assert bundle.sha256 == load_bundle(folder).sha256
    assert bundle.files == load_bundle(folder).files


def test_files_mounted_as_a_config_map_load(folder, tmp_path):
    mount = tmp_path / "mount"
    (mount / "..2026").mkdir(parents=True)
    (mount / "..data").symlink_to("..2026")
    for path in folder.iterdir():
        shutil.copy(path, mount / "..2026")
        (mount / path.name).symlink_to(f"..data/{path.name}")
    assert load_bundle(mount).sha256 == load_bundle(folder).sha256


@pytest.mark.parametrize("name", ["lensnet.onnx", "lensnet.weights.npz", "golden.npz", "MODEL_CARD.md"])
def test_one_altered_byte_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert any(fault.startswith(f"{name} was altered") for fault in faults_of(folder))


def test_every_fault_is_listed_at_once(folder):
    (folder / "MODEL_CARD.md").write_text("better than ever")
    (folder / "lensnet.weights.npz").unlink()
    (folder / "notes.txt").write_text("unlisted")
    (folder / "more").mkdir()

    def change(manifest):
        manifest["preprocessing_version"] = "0"
        manifest["features"].reverse()
        manifest["colour"] = "blue"
        manifest["standardisation"]["sd"][1][2] = 0.0
        manifest["preprocessing_options"]["mode"] = 3
        del manifest["version"]

    edit(folder, change)
    faults = faults_of(folder)
    for start in (
        "more is not a file",
        "manifest.json: preprocessing_version: ",
        "manifest.json: features: ",
        "manifest.json: colour: ",
        "manifest.json: standardisation.sd: ",
        "manifest.json: preprocessing_options: ",
        "manifest.json: version: ",
        "lensnet.weights.npz is missing",
        "notes.txt is not listed",
        "MODEL_CARD.md was altered",
    ):
        assert any(fault.startswith(start) for fault in faults), (start, faults)
    assert len(faults) == 10


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda m: m.update(format_version=2), "format_version"),
        (lambda m: m.update(provisional="yes"), "provisional"),
        (lambda m: m.update(calibration={"a": 1.0}), "calibration"),
        (lambda m: m.update(classes=["no", "maybe", "yes"]), "classes"),
        (lambda m: m.update(sites=["SSO", "SAAO", "CTIO"]), "sites"),
        (lambda m: m.update(git_commit="main"), "git_commit"),
        (lambda m: m["thresholds"].update(balanced=1.5), "thresholds.balanced"),
        (lambda m: m["thresholds"].update(other=0.5), "thresholds.other"),
        (lambda m: m["standardisation"]["mean"][0].append(0.0), "standardisation.mean"),
        (lambda m: m["preprocessing_options"].update(new_option=1), "'new_option' is unknown"),
        (lambda m: m["preprocessing_options"].pop("max_points"), "'max_points' is missing"),
        (lambda m: m["preprocessing_options"].update(median_window=4), "median_window"),
        (lambda m: m["outputs"]["p_review"].update(graph="other"), "no graph 'other'"),
        (lambda m: m["graphs"].update(other={"file": "other.onnx", "weights": None}), "gives no output"),
        (lambda m: m["files"].pop("lensnet.onnx"), "'lensnet.onnx' is not listed"),
        (lambda m: m["files"].update({"../x": "0" * 64}), "plain file name"),
        (lambda m: m["files"].update({"golden.npz": "0"}), "files.golden.npz"),
    ],
)
def test_a_manifest_is_closed_and_consistent(folder, change, fault):
    edit(folder, change)
    assert any(fault in found for found in faults_of(folder))


def test_a_golden_archive_must_be_one(folder):
    (folder / "golden.npz").write_bytes(b"PK not a zip")
    digest = hashlib.sha256(b"PK not a zip").hexdigest()
    edit(folder, lambda m: m["files"].update({"golden.npz": digest}))
    assert [fault.split(":")[0] for fault in faults_of(folder)] == ["golden.npz"]


def test_golden_lengths_must_fit(folder):
    with np.load(folder / "golden.npz") as archive:
        arrays = dict(archive)
    arrays["batch_ctio_length"][0] += 1
    np.savez(folder / "golden.npz", **arrays)
    digest = hashlib.sha256((folder / "golden.npz").read_bytes()).hexdigest()
    edit(folder, lambda m: m["files"].update({"golden.npz": digest}))
    assert any("lengths add up" in fault for fault in faults_of(folder))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\x00"])
def test_a_manifest_that_is_no_object(folder, content):
    (folder / "manifest.json").write_bytes(content)
    assert len(faults_of(folder)) == 1


def test_a_missing_manifest(folder):
    (folder / "manifest.json").unlink()
    assert faults_of(folder) == ("manifest.json is missing",)


def test_neither_folder_nor_tar(tmp_path):
    path = tmp_path / "model.tar"
    path.write_bytes(b"something else")
    assert "neither a directory nor a readable tar" in faults_of(path)[0]
    assert "neither a directory nor a readable tar" in faults_of(tmp_path / "absent")[0]


@pytest.mark.parametrize("name", ["../evil", "/evil", "bundle/../../evil"])
def test_a_tar_can_not_point_outside(folder, tmp_path, name):
    path = pack(folder, tmp_path / "b.tar.gz", extra=[(tarfile.TarInfo(name), b"x")])
    assert any("points outside the archive" in fault for fault in faults_of(path))
    assert not (tmp_path / "evil").exists()


def test_a_tar_holds_regular_files_of_one_folder_once(folder, tmp_path):
    link = tarfile.TarInfo("bundle/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    elsewhere, twice = tarfile.TarInfo("other/file"), tarfile.TarInfo("bundle/golden.npz")
    extra = [(link, b""), (elsewhere, b"x"), (twice, b"y")]
    faults = faults_of(pack(folder, tmp_path / "b.tar.gz", extra=extra))
    assert set(faults) == {
        "bundle/link is not a regular file",
        "bundle/golden.npz is there twice",
        "other/file lies outside the bundle's folder",
    }


def test_a_cut_off_tar(folder, tmp_path):
    path = pack(folder, tmp_path / "b.tar.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    assert "neither a directory nor a readable tar" in faults_of(path)[0]


def test_the_bundle_format_needs_neither_onnx_runtime_nor_keras():
    code = (
        "import sys; from stream_worker.bundle import load_bundle; "
        "from stream_worker.settings import Settings; load_bundle(Settings().bundle); "
        "heavy = ('onnxruntime', 'tensorflow', 'keras', 'onnx', 'model_build'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@given(p_yes=st.floats(0, 1), slope=st.floats(0.1, 5), offset=st.floats(-20, 20))
def test_p_event_is_a_probability_that_rises_with_p_yes(p_yes, slope, offset):
    calibration = Calibration(slope=slope, offset=offset, base_rate=0.01)
    assert 0 <= calibration.p_event(p_yes) <= 1
    assert calibration.p_event(p_yes) <= calibration.p_event(min(p_yes + 0.1, 1))


@given(p_yes=st.floats(0, 1))
def test_p_event_is_what_the_training_side_calls_calibrated(p_yes):
    calibration = Calibration(slope=1.6, offset=-3.6, base_rate=0.01)
    expected = fitted.Calibration(1.6, -3.6).of(np.array([p_yes]))[0]
    assert calibration.p_event(p_yes) == pytest.approx(expected, rel=1e-9)
