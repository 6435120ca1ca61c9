from __future__ import annotations

import pytest

from stream_worker.settings import RuleSettings, SettingsError, load_settings


def test_defaults_need_nothing():
    settings = load_settings({})
    assert settings.topics.candidates == "lensnet.candidates"
    assert settings.rules.publish_at == 0.45
    assert settings.kafka.transaction_timeout_ms == 10_000


def test_environment_wins_over_file_and_overrides_win_over_both(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(
        '[kafka]\nbootstrap_servers = "file:1"\n[loop]\nmax_records = 7\n[score]\ngroup_id = "f"\n'
    )
    environ = {"LENSNET_SETTINGS_FILE": str(file), "LENSNET_KAFKA__BOOTSTRAP_SERVERS": "env:2"}
    settings = load_settings(environ, overrides={"score": {"group_id": "override"}})
    assert settings.kafka.bootstrap_servers == "env:2"
    assert settings.loop.max_records == 7
    assert settings.score.group_id == "override"


def test_plain_bootstrap_variable_is_understood():
    assert load_settings({"KAFKA_BOOTSTRAP_SERVERS": "b:9"}).kafka.bootstrap_servers == "b:9"


def test_every_fault_is_listed_at_once(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text('typo = 1\n[loop]\nmax_records = 0\n[rules]\npublish_threshold = "best"\n')
    environ = {
        "LENSNET_HTTP__PORT": "70000",
        "LENSNET_INFERENCE__PROVIDER": "tpu",
        "LENSNET_KAFKAA__X": "1",
        "LENSNET_KAFKA__PROPERTIES__GROUP_ID": "mine",
    }
    with pytest.raises(SettingsError) as error:
        load_settings(environ, file=file)
    text = str(error.value)
    for expected in (
        "typo",
        "loop.max_records",
        "publish_threshold 'best' is not one of: balanced, pure",
        "http.port",
        "got '70000'",
        "inference.provider",
        "LENSNET_KAFKAA__X: no such setting 'kafkaa'",
        "the worker itself sets group.id",
    ):
        assert expected in text, f"{expected!r} not in:\n{text}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("[kafka", "settings file"), (None, "No such file"), ("topics = 3", "topics")],
)
def test_a_bad_file_is_named(tmp_path, content, expected):
    file = tmp_path / "worker.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=expected):
        load_settings({}, file=file)


def test_librdkafka_properties_pass_through_from_file_and_environment(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("from-a-file\n")
    file = tmp_path / "worker.toml"
    file.write_text(
        '[kafka.properties]\n"security.protocol" = "SASL_SSL"\n"socket.keepalive.enable" = true\n'
        '[kafka.producer_properties]\n"linger.ms" = 20\n'
        f'[kafka.secret_files]\n"sasl.password" = "{secret}"\n'
    )
    environ = {"LENSNET_KAFKA__PROPERTIES__SASL_USERNAME": "worker"}
    kafka = load_settings(environ, file=file).kafka
    assert kafka.client_properties(kafka.producer_properties) == {
        "security.protocol": "SASL_SSL",
        "socket.keepalive.enable": "true",
        "sasl.username": "worker",
        "linger.ms": "20",
        "sasl.password": "from-a-file",
    }


def test_secrets_are_never_shown():
    environ = {
        "LENSNET_KAFKA__PROPERTIES__SASL_PASSWORD": "hunter2",
        "LENSNET_KAFKA__PROPERTIES__SASL_USERNAME": "worker",
        "LENSNET_REGISTRY__PASSWORD": "hunter3",
    }
    settings = load_settings(environ)
    described = str(settings.describe())
    assert "hunter" not in repr(settings) + str(settings) + described + settings.model_dump_json()
    assert "worker" in described


def test_a_fault_in_a_secret_does_not_show_it():
    with pytest.raises(SettingsError) as error:
        load_settings({"LENSNET_REGISTRY__PASSWORD__X": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_missing_secret_file_is_a_fault(tmp_path):
    environ = {"LENSNET_KAFKA__SECRET_FILES__SASL_PASSWORD": str(tmp_path / "absent")}
    with pytest.raises(SettingsError, match=r"sasl\.password.*absent"):
        load_settings(environ)


def test_topics_must_differ():
    with pytest.raises(SettingsError, match=r"named twice: lensnet\.scores"):
        load_settings({"LENSNET_TOPICS__SCORED": "lensnet.scores"})


def test_hash_changes_with_the_rules_only():
    assert RuleSettings().hash == RuleSettings().hash
    assert RuleSettings().hash != RuleSettings(stale_after_days=3).hash
    assert len(RuleSettings().hash) == 16
