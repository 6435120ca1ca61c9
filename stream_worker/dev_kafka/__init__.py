"""A real single-node Apache Kafka for demo, tests and benchmarks; needs Java 17 and, the first time, Maven.

``with dev_kafka() as kafka`` gives a Kafka to use, honouring KAFKA_BOOTSTRAP_SERVERS;
``with kafka_node() as node`` always starts one, which the block may stop, kill and start again.
``python -m stream_worker.dev_kafka --help`` is the same from the command line.
"""

from __future__ import annotations

from stream_worker.dev_kafka.errors import DevKafkaError, DownloadError, MissingToolError, StartError
from stream_worker.dev_kafka.node import Kafka, KafkaNode, dev_kafka, kafka_node

__all__ = [
    "DevKafkaError",
    "DownloadError",
    "Kafka",
    "KafkaNode",
    "MissingToolError",
    "StartError",
    "dev_kafka",
    "kafka_node",
]
