"""The settings name a bundle and its hash: no command takes another."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from support.candidates import make_candidates

from stream_worker.bundle import BundleError, load_bundle
from stream_worker.cli.replay import replay
from stream_worker.codec import write_candidates
from stream_worker.offline import open_steps
from stream_worker.settings import Settings

OTHER = "0" * 64


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """Call replay on a small archive, with the settings' hash that of no bundle."""
    monkeypatch.setenv("LENSNET_BUNDLE_SHA256", OTHER)
    write_candidates(tmp_path / "a.avro", make_candidates(1, 0))

    def call(*options):
        arguments = [tmp_path / "a.avro", "--offline", "--out", tmp_path / "x.parquet", *options]
        return CliRunner().invoke(replay, [str(one) for one in arguments])

    return call


def test_scoring_without_a_broker_refuses_another_bundle():
    with pytest.raises(BundleError, match=f"bundle_sha256 asks for {OTHER}"):
        open_steps(Settings(bundle_sha256=OTHER))


def test_a_replay_refuses_another_bundle(pinned):
    done = pinned()
    assert (done.exit_code, f"bundle_sha256 asks for {OTHER}" in done.output) == (2, True), done.output


def test_the_hash_is_not_that_of_a_bundle_named_for_a_replay(pinned, monkeypatch):
    used = []
    monkeypatch.setattr("stream_worker.cli.replay._offline", lambda settings, *_: used.append(settings))
    shipped = Settings().bundle
    assert pinned("--bundle", shipped).exit_code == 0
    assert [(one.bundle, one.bundle_sha256) for one in used] == [(shipped, load_bundle(shipped).sha256)]
