"""Settings of a stream of one's own, and their way to a worker process."""

from __future__ import annotations

from stream_worker.local_stream.stream import own_names, worker_environment
from stream_worker.settings import Settings, load_settings


def test_every_topic_and_group_has_the_prefix():
    settings = load_settings({}, overrides=own_names("mine-"))
    groups = (settings.score.group_id, settings.deduplicate.group_id)
    assert all(name.startswith("mine-") for name in (*settings.topics.model_dump().values(), *groups))


def test_a_worker_loads_from_its_environment_the_settings_it_is_given(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    settings = load_settings(
        {},
        overrides={
            **own_names("mine-"),
            "kafka": {
                "bootstrap_servers": "broker:9093",
                "properties": {"security.protocol": "SASL_SSL", "sasl.oauthbearer.config": "a=b"},
                "producer_properties": {"linger.ms": 7},
                "secret_files": {"sasl.password": str(password)},
            },
            "registry": {"url": "http://registry:8081", "username": "u", "password": "p"},
            "rules": {"thresholds": {"balanced": 0.4, "pure": 0.9}, "publish_threshold": "pure"},
            "inference": {"allow_fallback": True, "max_batch": 3},
            "loop": {"max_records": 7},
        },
    )
    assert load_settings(worker_environment(settings)) == settings
    assert load_settings(worker_environment(Settings())) == Settings()
