from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_worker.kafka.clients import places_keys_as_java, plain_consumer, property_faults
from stream_worker.settings import KafkaSettings, SettingsError, load_settings

README = Path(__file__).parents[4] / "README.md"


def test_the_readme_example_is_accepted(tmp_path, capfd):
    example = re.search(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    secret = tmp_path / "kafka-password"
    secret.write_text("hunter2\n")
    text = example[1].replace("/run/secrets/kafka-password", str(secret))
    assert str(secret) in text
    file = tmp_path / "worker.toml"
    file.write_text(text)
    kafka = load_settings({}, file=file).kafka
    assert kafka.properties["sasl.username"].get_secret_value() == "lensnet"
    assert property_faults(kafka) == []
    assert capfd.readouterr() == ("", "")


def test_a_property_that_fits_only_the_rest_of_the_configuration_is_accepted():
    assert property_faults(KafkaSettings(consumer_properties={"max.poll.interval.ms": "10000"})) == []


def test_an_underscored_property_is_accepted():
    kafka = load_settings({"LENSNET_KAFKA__PROPERTIES__LOG_LEVEL": "1"}).kafka
    assert property_faults(kafka) == []


def test_every_refused_property_is_listed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    kafka = KafkaSettings(
        properties={"nonsense": "a"},
        producer_properties={"linger.ms": "soon"},
        consumer_properties={"fetch.wait.max.ms": "late"},
        secret_files={"sasl.passwort": secret},
    )
    text = "\n".join(property_faults(kafka))
    for expected in (
        "kafka.properties.nonsense: No such",
        "kafka.producer_properties.linger.ms: Invalid value",
        "kafka.consumer_properties.fetch.wait.max.ms: Invalid value",
        "kafka.secret_files.sasl.passwort: No such",
    ):
        assert expected in text, f"{expected!r} not in:\n{text}"
    assert "hunter2" not in text


def test_a_property_that_does_not_fit_the_rest_is_a_fault():
    (fault,) = property_faults(KafkaSettings(producer_properties={"message.timeout.ms": "60000"}))
    assert "`message.timeout.ms` must be set <= `transaction.timeout.ms`" in fault


def test_what_does_not_fit_is_listed_beside_what_is_refused():
    kafka = KafkaSettings(
        producer_properties={"nonsense": "1"}, consumer_properties={"max.poll.interval.ms": "5000"}
    )
    text = "\n".join(property_faults(kafka))
    assert "nonsense" in text
    assert "`max.poll.interval.ms`must be >= `session.timeout.ms`" in text


def test_a_secret_within_librdkafkas_reason_is_masked():
    # librdkafka repeats the value of debug, here the password too
    text = "\n".join(
        property_faults(KafkaSettings(properties={"debug": "hunter2", "sasl.password": "hunter2"}))
    )
    assert "debug" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("name", ["nonsense", "error_cb"])
def test_any_client_names_what_is_refused(name):
    with pytest.raises(SettingsError, match=name):
        plain_consumer(KafkaSettings(properties={name: "x"}), "test")


@pytest.mark.parametrize(("group_id", "expected"), [(None, b"test"), ("lensnet-score", b"lensnet-score")])
def test_a_plain_consumer_takes_a_group(group_id, expected):
    consumer = plain_consumer(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "test", group_id=group_id)
    try:
        # opaque bytes, which hold the group's name
        assert expected in consumer.consumer_group_metadata()
    finally:
        consumer.close()


@pytest.mark.parametrize(
    ("own", "as_java"),
    [({}, True), ({"partitioner": "murmur2"}, True), ({"partitioner": "consistent"}, False)],
)
def test_keys_are_placed_as_java_does_unless_told_otherwise(own, as_java):
    assert places_keys_as_java(KafkaSettings(properties=own)) == as_java
    assert places_keys_as_java(KafkaSettings(producer_properties=own)) == as_java
