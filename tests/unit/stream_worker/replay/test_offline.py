"""Offline replays: the stream's own results, the same file every time, and nothing lost when interrupted."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.codec import read_candidates, write_candidates
from stream_worker.offline import open_steps
from stream_worker.replay.checkpoint import Checkpoint, CheckpointError, ChunkResult, open_checkpoint
from stream_worker.replay.offline import checkpoint_folder
from stream_worker.replay.output import read_about
from stream_worker.replay.selection import Selection, as_replayed


def rows(path):
    return pq.read_table(path).to_pylist()


def test_every_record_is_accounted_for_and_scored_as_in_the_stream(
    tmp_path, archive, settings, replayed, in_process
):
    out = tmp_path / "a.parquet"
    report = replayed(out)
    assert report.read == report.rows == 31
    assert report.outcomes == {"QUARANTINED": 1, "SCORED": 29, "TOO_FEW_OBSERVATIONS": 1}
    assert not checkpoint_folder(out).exists()
    found = rows(out)
    assert [(row["source"], row["record"]) for row in found] == [
        *(("run-2021-05-10.avro", n) for n in range(19)),
        *(("run-2021-05-11.avro", n) for n in range(12)),
    ]
    bad = found[17]
    assert (bad["outcome"], bad["reason"]) == ("QUARANTINED", "position_out_of_range")
    assert "dec is -95" in bad["message"]
    assert "usable observations" in found[16]["reason"] or found[16]["reason"]
    steps = open_steps(settings)
    candidate = next(iter(read_candidates(archive / "run-2021-05-11.avro")))
    (alone,) = steps.infer([steps.prepare(candidate)[1]])
    row = found[19]
    assert row["candidate_id"] == candidate.candidate_id
    assert row["p_review"] == pytest.approx(alone.p_review, abs=1e-6)
    assert row["tense"] == "ARCHIVAL"
    assert row["replay_id"] == report.replay_id
    assert row["data_age_days"] < 1
    assert row["stale"] is False
    assert [d["passed"] for d in row["decisions"]] == [row["p_review"] >= 0.45, row["p_review"] >= 0.955]


def test_pins_say_what_decided_it(tmp_path, archive, settings, replayed, in_process):
    out = tmp_path / "a.parquet"
    replayed(out)
    about = read_about(out)
    assert [one["name"] for one in about["archives"]] == ["run-2021-05-10.avro", "run-2021-05-11.avro"]
    assert all(len(one["sha256"]) == 64 for one in about["archives"])
    assert about["settings_hash"] == settings.rules.hash
    assert about["schema"]["fingerprint"] == "b7fa5d5cd40964a7"
    assert len(about["model"]["sha256"]) == 64
    assert str(tmp_path) not in str(about)


def test_an_interrupted_replay_goes_on_to_the_same_bytes(tmp_path, replayed, in_process, monkeypatch):
    whole, broken = tmp_path / "whole.parquet", tmp_path / "broken.parquet"
    replayed(whole)
    put, kept = Checkpoint.put, []

    class Killed(BaseException):
        pass

    for survive in (1, 2, 0):
        left = [survive]

        def dies(self, number, result, left=left):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            kept.append(number)
            put(self, number, result)

        monkeypatch.setattr(Checkpoint, "put", dies)
        with pytest.raises(Killed):
            replayed(broken, resume=True)
        assert not broken.exists()
    monkeypatch.setattr(Checkpoint, "put", put)
    replayed(broken, resume=True)
    assert len(set(kept)) == len(kept) == 3  # no chunk was scored twice
    assert broken.read_bytes() == whole.read_bytes()


def test_killed_while_writing_the_result_the_older_one_stays(tmp_path, replayed, in_process, monkeypatch):
    out = tmp_path / "a.parquet"
    out.write_bytes(b"the older result")

    def full(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stream_worker.replay.output._Writer.write", full)
    with pytest.raises(OSError, match="No space"):
        replayed(out)
    assert out.read_bytes() == b"the older result"
    monkeypatch.undo()


def test_an_unfinished_replay_is_not_begun_anew_by_mistake(tmp_path, archive, replayed, in_process):
    out = tmp_path / "a.parquet"
    folder = checkpoint_folder(out)
    folder.mkdir()
    (folder / "plan.json").write_text("{}")
    with pytest.raises(CheckpointError, match="go on with --resume"):
        replayed(out)
    with pytest.raises(CheckpointError, match=r"is another one .*archives: null there"):
        replayed(out, resume=True)


def test_chunks_left_by_an_interrupted_removal_are_not_taken_for_done(tmp_path, replayed, in_process):
    whole, out = tmp_path / "whole.parquet", tmp_path / "a.parquet"
    replayed(whole)
    with open_checkpoint(checkpoint_folder(out), {"another": "model"}, resume=False) as other:
        other.put(0, ChunkResult([{"outcome": "of another model"}], [], 1))
    (checkpoint_folder(out) / "plan.json").unlink()  # the removal came so far
    report = replayed(out)
    assert report.rows == len(rows(out)) == len(rows(whole))


def test_nobody_begins_where_a_removal_is_not_over(tmp_path, monkeypatch):
    folder = tmp_path / "a.parquet.unfinished"
    unlink, tried = os.unlink, []

    def begin_beside(path, *arguments, **options):
        unlink(path, *arguments, **options)
        left = list(folder.iterdir())
        if left:
            tried.append(left)
            with pytest.raises(CheckpointError, match="another replay is at work"):
                open_checkpoint(folder, {}, resume=True).__enter__()

    with open_checkpoint(folder, {}, resume=False) as checkpoint:
        for number in range(5):
            checkpoint.put(number, ChunkResult([], [], 0))
        (folder / ".chunk-000009.jsonl.zst.1.part").touch()
        monkeypatch.setattr(os, "unlink", begin_beside)
        checkpoint.remove()
    assert len(tried) > 5
    assert not folder.exists()


def test_a_removal_leaves_a_folder_that_another_replay_uses(tmp_path, monkeypatch):
    folder = tmp_path / "a.parquet.unfinished"
    with open_checkpoint(folder, {}, resume=False) as checkpoint:
        rmdir = os.rmdir

        def begun_meanwhile(path, *arguments, **options):
            (folder / "lock").touch()
            rmdir(path, *arguments, **options)

        monkeypatch.setattr(os, "rmdir", begun_meanwhile)
        checkpoint.remove()
    assert (folder / "lock").exists()


@pytest.mark.parametrize("content", ["", '{"replay_id"', "[]"])
def test_a_plan_that_cannot_be_read_is_named(tmp_path, content):
    folder = tmp_path / "a.parquet.unfinished"
    folder.mkdir()
    (folder / "plan.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"plan.json: no plan of a replay.*remove that folder"):
        open_checkpoint(folder, {}, resume=True).__enter__()


def test_nights_and_as_of_select(tmp_path, replayed, in_process):
    later = replayed(tmp_path / "a.parquet", selection=Selection(first=9345.5))
    assert later.rows == 13  # the invalid one has no date to judge it by
    as_of = replayed(tmp_path / "b.parquet", selection=Selection(as_of=9344.9))
    assert as_of.rows == 19
    known_later = replayed(tmp_path / "c.parquet", selection=Selection(as_of=9344.76))
    assert known_later.rows == 1  # the night's list came an hour after it


def test_what_lies_after_t_cut_changes_nothing(tmp_path, archive, replayed, in_process):
    clean = list(read_candidates(archive / "run-2021-05-11.avro"))
    leaky = tmp_path / "leaky" / "run-2021-05-11.avro"
    leaky.parent.mkdir()
    write_candidates(leaky, [with_future(one) for one in clean])
    same = tmp_path / "clean" / "run-2021-05-11.avro"
    same.parent.mkdir()
    write_candidates(same, clean)
    replayed(tmp_path / "a.parquet", paths=[leaky])
    replayed(tmp_path / "b.parquet", paths=[same])
    for one, other in zip(rows(tmp_path / "a.parquet"), rows(tmp_path / "b.parquet"), strict=True):
        for volatile in ("replay_id", "group_id", "alerts"):
            one.pop(volatile), other.pop(volatile)
        assert one == other


def with_future(candidate):
    t_cut = candidate.alertfinder.t_cut
    first, *rest = candidate.light_curves
    late = np.array([t_cut + 0.001, t_cut + 3])
    columns = {
        name: np.concatenate([getattr(first, name), np.full(2, 9e5, np.float32)])
        for name in ("flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")
    }
    return replace(
        candidate, light_curves=(replace(first, hjd=np.concatenate([first.hjd, late]), **columns), *rest)
    )


def test_a_replayed_candidate_carries_nothing_later(archive):
    one = with_future(next(iter(read_candidates(archive / "run-2021-05-10.avro"))))
    replayed = as_replayed(one, "r1")
    assert max(float(lc.hjd.max()) for lc in replayed.light_curves) <= one.alertfinder.t_cut
    assert (replayed.tense, replayed.replay_id) == ("ARCHIVAL", "r1")


def test_faults_stop_or_are_skipped_and_told(tmp_path, archive, replayed, in_process):
    folder = tmp_path / "season"
    folder.mkdir()
    for file in archive.glob("run-*.avro"):
        content = bytearray(file.read_bytes())
        if file.name == "run-2021-05-10.avro":
            block = open_archives([file]).archives[0].container.blocks[1]
            content[block.offset + 20 : block.offset + 60] = bytes(40)
        (folder / file.name).write_bytes(content)
    out = tmp_path / "a.parquet"
    with pytest.raises(ArchiveFault, match="block 1 at byte"):
        replayed(out, paths=[folder])
    assert checkpoint_folder(out).is_dir()
    report = replayed(out, paths=[folder], skip_faults=True, resume=True)
    assert 0 < report.rows < 31
    (fault,) = report.faults
    assert fault.startswith("run-2021-05-10.avro: block 1 at byte")
    assert read_about(out)["faults"] == [fault]


def test_what_was_skipped_is_not_passed_over_when_faults_are_to_stop_it(
    tmp_path, archive, replayed, in_process, monkeypatch
):
    file, out = tmp_path / "run-2021-05-10.avro", tmp_path / "a.parquet"
    content = bytearray((archive / file.name).read_bytes())
    file.write_bytes(content)
    block = open_archives([file]).archives[0].container.blocks[0]
    content[block.offset + 20 : block.offset + 60] = bytes(40)
    file.write_bytes(content)
    with monkeypatch.context() as stopped:
        stopped.setattr("stream_worker.replay.offline._write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            replayed(out, paths=[file], skip_faults=True)
    with pytest.raises(ArchiveFault, match="block 0 at byte"):
        replayed(out, paths=[file], resume=True)
    assert not out.exists()
    assert len(replayed(out, paths=[file], resume=True, skip_faults=True).faults) == 1


def interrupted(*_arguments):
    raise KeyboardInterrupt


def test_processes_give_what_one_gives(tmp_path, replayed):
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    done = []
    replayed(one, processes=1, progress=done.append)
    replayed(two, processes=2)
    assert done[-1] == 31
    assert one.read_bytes() == two.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"one.parquet", "two.parquet"}
