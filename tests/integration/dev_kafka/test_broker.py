"""What the node promises its clients: transactions are isolated, and large candidates fit."""

from __future__ import annotations

import os

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

SIXTEEN_MIB = 16 * 1024 * 1024
ONLY_OUR_NODE = pytest.mark.skipif(
    bool(os.environ.get("KAFKA_BOOTSTRAP_SERVERS")),
    reason="KAFKA_BOOTSTRAP_SERVERS names a Kafka not set up here",
)


@pytest.fixture
def topic(kafka, topic_prefix):
    name = f"{topic_prefix}records"
    create(kafka, NewTopic(name, num_partitions=1, replication_factor=1))
    return name


def create(kafka: str, topic: NewTopic) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([topic])[topic.topic].result(timeout=30)


def transactional_producer(kafka: str, name: str, **settings: object) -> Producer:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": name, **settings})
    producer.init_transactions(30)
    return producer


def read_all(kafka: str, topic: str, isolation: str) -> list[bytes]:
    """Every record a reader of this isolation is shown from the first offset to the end of the partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "unused",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": SIXTEEN_MIB + 1024 * 1024,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    try:
        while True:
            message = consumer.poll(30)
            assert message is not None, f"30 s without a record or the end of {topic}"
            if message.error() is None:
                values.append(message.value())
            elif message.error().code() == KafkaError._PARTITION_EOF:
                return values
            else:
                raise KafkaException(message.error())
    finally:
        consumer.close()


def test_committed_transactions_are_read_and_aborted_ones_are_not(kafka, topic, topic_prefix):
    producer = transactional_producer(kafka, f"{topic_prefix}producer")
    for value, commit in ((b"first", True), (b"withdrawn", False), (b"second", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)  # it is on the broker before its transaction ends
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    assert read_all(kafka, topic, "read_committed") == [b"first", b"second"]
    assert read_all(kafka, topic, "read_uncommitted") == [b"first", b"withdrawn", b"second"]


def test_a_second_producer_of_the_same_transactional_id_fences_the_first(kafka, topic, topic_prefix):
    first = transactional_producer(kafka, f"{topic_prefix}producer")
    first.begin_transaction()
    first.produce(topic, b"from the fenced producer")
    first.flush(30)
    second = transactional_producer(kafka, f"{topic_prefix}producer")
    second.begin_transaction()
    second.produce(topic, b"from its successor")
    second.commit_transaction(30)

    with pytest.raises(KafkaException) as raised:
        first.commit_transaction(30)
    assert raised.value.args[0].fatal()
    assert read_all(kafka, topic, "read_committed") == [b"from its successor"]


def test_a_transaction_left_open_is_aborted_soon_after_its_timeout(kafka, topic, topic_prefix):
    abandoned = transactional_producer(
        kafka, f"{topic_prefix}abandoned", **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000}
    )
    abandoned.begin_transaction()
    abandoned.produce(topic, b"never committed")
    abandoned.flush(30)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"after it")
    producer.flush(30)

    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": "unused", "isolation.level": "read_committed"}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(30)  # held back until the open transaction is over
    consumer.close()
    assert message is not None
    assert message.value() == b"after it"


def test_a_message_of_16_mib_fits_a_topic_that_allows_it(kafka, topic_prefix):
    topic = f"{topic_prefix}large"
    limit = str(SIXTEEN_MIB + 1024 * 1024)
    create(kafka, NewTopic(topic, num_partitions=1, config={"max.message.bytes": limit}))
    value = bytes(SIXTEEN_MIB)
    producer = transactional_producer(
        kafka, f"{topic_prefix}producer", **{"message.max.bytes": int(limit), "message.copy.max.bytes": 0}
    )
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.commit_transaction(60)

    assert read_all(kafka, topic, "read_committed") == [value]


@ONLY_OUR_NODE
def test_a_message_over_1_mib_does_not_fit_a_topic_that_says_nothing(kafka, topic):
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": SIXTEEN_MIB})
    errors = []
    producer.produce(topic, bytes(2 * 1024 * 1024), on_delivery=lambda error, _: errors.append(error.code()))
    assert producer.flush(30) == 0
    assert errors == [KafkaError.MSG_SIZE_TOO_LARGE]


@ONLY_OUR_NODE
def test_topics_are_not_created_by_mere_mention(kafka, topic_prefix):
    topic = f"{topic_prefix}never-created"
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "allow.auto.create.topics": True,
            "topic.metadata.propagation.max.ms": 100,
            "message.timeout.ms": 5000,
        }
    )
    errors = []
    producer.produce(topic, b"x", on_delivery=lambda error, message: errors.append(error.code()))
    assert producer.flush(30) == 0
    assert errors in ([KafkaError._UNKNOWN_TOPIC], [KafkaError.UNKNOWN_TOPIC_OR_PART])
    assert topic not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics


@ONLY_OUR_NODE
def test_the_broker_runs_with_the_settings_asked_for(kafka):
    resource = ConfigResource(ResourceType.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka})
    described = admin.describe_configs([resource])[resource].result(30)
    assert described["message.max.bytes"].value == "1048588"  # Kafka's default
    assert described["log.retention.ms"].value == "-1"
    assert described["auto.create.topics.enable"].value == "false"
