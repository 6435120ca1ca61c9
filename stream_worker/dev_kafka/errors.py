"""What can go wrong with a Kafka node on a development machine."""

from __future__ import annotations


class DevKafkaError(RuntimeError):
    """The node cannot be had; the message says why and what would help."""


class MissingToolError(DevKafkaError):
    """Java or Maven is not there, or too old: install it."""


class DownloadError(DevKafkaError):
    """Maven did not deliver Kafka's jars; the message ends with Maven's own last lines."""


class StartError(DevKafkaError):
    """The node did not come up; the message ends with the last lines of its log."""
