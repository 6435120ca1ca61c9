"""Errors of the Kafka adapters, named after what the catcher must do."""

from __future__ import annotations


class TransactionAborted(Exception):
    """The transaction was aborted, nothing was written: rewind the batch, back off, retry."""


class ProducerFatal(Exception):
    """The producer is fenced or broken: exit non-zero; a restart gets a new transactional id."""


class ConsumerFatal(Exception):
    """The consumer cannot go on: exit non-zero."""
