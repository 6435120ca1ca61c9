from __future__ import annotations

from stream_worker.settings import load_settings
from stream_worker.watched_rules import watch_rules


def watched(file, text):
    file.write_text(text)
    rules = watch_rules(load_settings({}, file=file).rules, file, {})
    time = [0.0]
    rules._monotonic = lambda: time[0]
    rules._looked_at = 0.0
    return rules, time


def test_a_change_is_seen_within_a_second_and_a_bad_file_changes_nothing(tmp_path):
    file = tmp_path / "worker.toml"
    rules, time = watched(file, "[rules]\ncrowd_limit = 10\n")
    before = rules.current
    file.write_text("[rules]\ncrowd_limit = 12\n")
    assert rules.refresh() is before
    time[0] = 1.0
    assert rules.refresh().crowd_limit == 12
    assert rules.current.hash != before.hash
    assert rules.hash == rules.current.hash
    for bad in ("[rules", "[rules]\ncrowd_limit = -1\n", "[rules]\ncrowd_limits = 3\n"):
        file.write_text(bad)
        time[0] += 1.0
        assert rules.refresh().crowd_limit == 12
    file.unlink()
    time[0] += 1.0
    assert rules.refresh().crowd_limit == 12
    file.write_text("[rules]\ncrowd_limit = 7\n")
    time[0] += 1.0
    assert rules.refresh().crowd_limit == 7


def test_without_a_file_the_rules_stay():
    rules = watch_rules(load_settings({}).rules, None, {})
    assert rules.refresh() is rules.current


def test_group_threshold_above_publish_threshold_is_refused(tmp_path):
    import pytest

    from stream_worker.settings import SettingsError

    file = tmp_path / "worker.toml"
    file.write_text('[rules]\ngroup_threshold = "pure"\n')
    with pytest.raises(SettingsError, match="must take part in grouping"):
        load_settings({}, file=file)
