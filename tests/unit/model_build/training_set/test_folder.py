from __future__ import annotations

import pytest

from model_build.training_set.folder import FolderInUse, new_folder, refuse_used


def filled(folder, manifest='{"training_set_version": 0}'):
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest)
    return folder


def test_new_and_empty_folders_and_sets_to_overwrite_are_taken(tmp_path):
    refuse_used(tmp_path / "new", overwrite=False)
    refuse_used(tmp_path, overwrite=False)
    refuse_used(filled(tmp_path / "set"), overwrite=True)


def test_a_set_is_not_overwritten_unasked(tmp_path):
    with pytest.raises(FolderInUse, match=r"already holds a training set: .* --overwrite"):
        refuse_used(filled(tmp_path / "set"), overwrite=False)


@pytest.mark.parametrize("manifest", ["{}", '{"name": "lensnet", "version": "1.0"}', "{", "[]"])
def test_nothing_but_a_training_set_is_overwritten(tmp_path, manifest):
    with pytest.raises(FolderInUse, match="holds no training set: choose another folder"):
        refuse_used(filled(tmp_path / "bundle", manifest), overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(FolderInUse):
        refuse_used(tmp_path / "file", overwrite=True)


@pytest.mark.parametrize("old", [False, True])
def test_the_folder_appears_when_all_is_written(tmp_path, old):
    out = tmp_path / "deep" / "set"
    if old:
        out.parent.mkdir()
        filled(out)
    with new_folder(out) as folder:
        (folder / "new").touch()
        assert out.exists() is old
    assert [path.name for path in out.iterdir()] == ["new"]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interruption_leaves_everything_as_it_was(tmp_path, error):
    out = filled(tmp_path / "set", "old")
    with pytest.raises(error):
        write_half(out, error)
    assert list(tmp_path.iterdir()) == [out]
    assert (out / "manifest.json").read_text() == "old"


def write_half(out, error):
    with new_folder(out) as folder:
        (folder / "half").touch()
        raise error
