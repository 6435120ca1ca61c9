"""Finished chunks of a replay on disk: what comes back is what was put, or an error."""

from __future__ import annotations

import pytest

from stream_worker.replay.checkpoint import Checkpoint, CheckpointError, ChunkResult, open_checkpoint

RESULT = ChunkResult([{"record": n, "outcome": "SCORED", "score": n / 7} for n in range(50)], [], 50)


def test_what_was_put_comes_back(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.put(3, RESULT)
    assert checkpoint.get(3) == RESULT
    assert not checkpoint.has_faults(3)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: bytes([*b[:-9], b[-9] ^ 1, *b[-8:]])])
def test_a_damaged_chunk_is_named_with_what_to_do(tmp_path, damage):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.put(3, RESULT)
    path = tmp_path / "chunk-000003.jsonl.zst"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"chunk-000003.*damaged: .*remove it and go on with --resume"):
        checkpoint.get(3)


def test_another_replay_is_told_by_what_differs(tmp_path):
    def pins(**hashes):
        return {"model": "a", "archives": [{"name": name, "sha256": one} for name, one in hashes.items()]}

    with open_checkpoint(tmp_path, pins(first="1", second="2", third="3"), resume=False):
        pass
    with (
        pytest.raises(
            CheckpointError,
            match=r"\(archives: fourth only asked for, second has changed, third only there\)",
        ),
        open_checkpoint(tmp_path, pins(first="1", second="4", fourth="3"), resume=True),
    ):
        pass
    with (
        pytest.raises(CheckpointError, match=r"\(archives: \[.*\] there, null asked for\)"),
        open_checkpoint(tmp_path, {"model": "a"}, resume=True),
    ):
        pass
